package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/store"
	"sightline/store/change"
)

func TestDeleteByID(t *testing.T) {
	s := newShop(t)
	a := read(t, s.json("POST", "/v1/items:delete", `{"ids":["a","b","a"]}`), 202)
	if a.Accepted != 2 || s.total() != 2 {
		t.Errorf("answer %+v", a)
	}
	for body, words := range map[string]string{
		`{}`:                                "ids or filter must be given",
		`{"ids":["a"],"filter":{"id":"a"}}`: "one of them",
		`{"ids":[]}`:                        "is empty",
		`{"ids":"a"}`:                       "must be a list",
		`{"ids":["a",""]}`:                  "ids[1] is missing",
		`{"ids":["a"],"confirm":true}`:      "by filter",
		`{"filter":{"id":"a"},"expect":1,"confirm":true}`: "keep one",
		`{"filter":{"id":"a"},"expect":-1}`:               "0 or more",
		`{"filter":{"prise":{"lt":"x"},"id":5}}`:          "filter",
		`{"idss":["a"]}`:                                  `did you mean "ids"?`,
	} {
		if text := refused(t, s.json("POST", "/v1/items:delete", body), 422, "invalid"); !strings.Contains(text, words) {
			t.Errorf("%s: %s", body, text)
		}
	}
	ids := strings.TrimSuffix(strings.Repeat(`"x",`, 10_001), ",")
	refused(t, s.json("POST", "/v1/items:delete", `{"ids":[`+ids+`]}`), 422, "invalid")
	refused(t, s.send("POST", "/v1/items:delete", "text/plain", `{"ids":["x"]}`), 415, "media_type")
}

// stock fills the shop; every third item is another brand's.
func (s *shop) stock(n int) {
	for i := range n {
		brand := "acme"
		if i%3 == 0 {
			brand = "other"
		}
		id := fmt.Sprintf("item-%05d", i)
		s.items[id] = store.Item{ID: id, Brand: brand}
	}
}

func (s *shop) deleteAcme(extra string, headers ...string) *httptest.ResponseRecorder {
	return s.json("POST", "/v1/items:delete", `{"filter":{"brand":"acme"}`+extra+`}`, headers...)
}

func TestDeleteByFilter(t *testing.T) {
	s := newShop(t)
	s.stock(783) // more than a page matches
	if text := refused(t, s.deleteAcme(""), 409, "conflict"); !strings.Contains(text, "matches 522") {
		t.Error(text)
	}
	if text := refused(t, s.deleteAcme(`,"expect":500`), 409, "conflict"); !strings.Contains(text, "and not 500") {
		t.Error(text)
	}
	s.nothing("guesses")
	if a := read(t, s.deleteAcme(`,"expect":522`), 202); a.Accepted != 522 || s.total() != 522 {
		t.Errorf("answer %+v", a)
	}
	for _, c := range s.queued() {
		if c.Op != change.Delete || s.items[c.ID].Brand != "acme" {
			t.Fatalf("queued %+v", c)
		}
	}
}

// Items that came since are not meant by a repetition.
func TestRepeatedDeleteByFilter(t *testing.T) {
	s := newShop(t)
	s.stock(9)
	first := read(t, s.deleteAcme(`,"expect":6`, "Idempotency-Key", "k"), 202)
	s.work()
	add := func(id string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.items[id] = store.Item{ID: id, Brand: "acme"}
	}
	add("late")
	w := s.deleteAcme(`,"expect":6`, "Idempotency-Key", "k", "Prefer", "wait=30")
	if again := read(t, w, 200); again.Job != first.Job || w.Header().Get("Idempotent-Replayed") != "true" || again.Counts.Done != 6 {
		t.Errorf("answer %+v", again)
	}
	if a := read(t, s.deleteAcme(`,"confirm":true`, "Prefer", "wait=30"), 200); a.Accepted != 1 || a.State != "done" {
		t.Errorf("answer %+v", a)
	}
	if a := read(t, s.deleteAcme(`,"confirm":true`), 200); a.Accepted != 0 {
		t.Errorf("nothing left: %+v", a)
	}
	add("later")
	refused(t, s.deleteAcme(`,"confirm":true`, "Idempotency-Key", "k"), 422, "idempotency_key_reused")
}
