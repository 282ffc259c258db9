package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"sightline/api/client"
)

// TestClient goes through what the Go client can do, against the API itself.
func TestClient(t *testing.T) {
	s := newShop(t)
	s.work()
	server := httptest.NewServer(s.handler())
	defer server.Close()
	c, err := client.New(server.URL, client.Options{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	const picture = "https://shop.example/a.jpg"
	ctx, wait := t.Context(), client.WriteOptions{Wait: 30 * time.Second}
	price := 12.5
	if w, err := c.Put(ctx, client.Item{ID: "a/1", Title: "A", Image: picture, Price: &price, Attributes: map[string]any{"material": "wool"}}, wait); err != nil || w.Outcome != "created" {
		t.Fatalf("put: %+v, %v", w, err)
	}
	if w, err := c.Patch(ctx, "a/1", map[string]any{"title": "B", "price": nil}, wait); err != nil || w.Outcome != "written" {
		t.Errorf("patch: %+v, %v", w, err)
	}
	s.mu.Lock()
	if got := s.items["a/1"]; got.Title != "B" || got.Price != nil || got.Attributes["material"] != "wool" {
		t.Errorf("item %+v", got)
	}
	s.mu.Unlock()
	if _, err := c.Put(ctx, client.Item{ID: "a/1", Title: "C", Image: picture}, client.WriteOptions{Wait: 30 * time.Second, IfMatch: `"other"`}); !isProblem(err, http.StatusPreconditionFailed) {
		t.Errorf("another's ETag: %v", err)
	}
	if w, err := c.Delete(ctx, "a/1", wait); err != nil || w.Outcome != "deleted" {
		t.Errorf("delete: %+v, %v", w, err)
	}
	var job string
	items := func(yield func(client.Item) bool) {
		_ = yield(client.Item{ID: "b", Image: picture}) && yield(client.Item{ID: ""}) && yield(client.Item{ID: "c", Image: picture})
	}
	for b, err := range c.PutAll(ctx, items, client.BatchOptions{}) {
		if job = b.Job; err != nil || b.Accepted != 2 || len(b.Problems) != 1 || b.Problems[0].Line != 2 {
			t.Errorf("batch: %+v, %v", b, err)
		}
	}
	if j, err := c.WaitJob(ctx, job); err != nil || j.State != "done" || j.Counts.Done != 2 {
		t.Errorf("job: %+v, %v", j, err)
	}
	var ids []string
	for item, err := range c.JobItems(ctx, job) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, item.ID+" "+item.Outcome)
	}
	slices.Sort(ids)
	if fmt.Sprint(ids) != "[b created c created]" {
		t.Errorf("items %v", ids)
	}
	if b, err := c.DeleteAll(ctx, []string{"b", "c"}, wait); err != nil || b.Job == "" {
		t.Errorf("delete all: %+v, %v", b, err)
	}
}

func TestClientSearches(t *testing.T) {
	s, _ := newFacetService()
	server := httptest.NewServer(s.handler())
	defer server.Close()
	c, err := client.New(server.URL, client.Options{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	zero := 0.0
	r, err := c.Search(t.Context(), client.Query{
		Text: "red", Limit: 2, Facets: []client.Facet{{Field: "brand", Multi: true}, {Field: "price", Ranges: []client.Range{{From: &zero}}}},
		Boosts: []client.Boost{{Filter: map[string]any{"brand": "Bolt"}, By: 1}}, Pins: []client.Pin{{ID: "c", Place: 1}},
	})
	if err != nil || len(r.Hits) != 2 || r.Hits[0].ID != "c" || r.Facets["brand"].Values[0].Count != 4 || r.Facets["price"].Numbers.Ranges[0].Count != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := c.SearchImage(t.Context(), []byte(pngBytes), client.Query{}); err != nil || len(r.Hits) != 6 {
		t.Errorf("picture: %+v, %v", r, err)
	}
	if r, err := c.Similar(t.Context(), "a", 3); err != nil || len(r.Hits) != 3 {
		t.Errorf("similar: %+v, %v", r, err)
	}
	if item, _, err := c.Get(t.Context(), "a"); err != nil || item.Brand != "Acme" {
		t.Errorf("get: %+v, %v", item, err)
	}
	if _, _, err := c.Get(t.Context(), "none"); !isProblem(err, http.StatusNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestClientWrites(t *testing.T) {
	s := newAuthored(t)
	server := httptest.NewServer(s.handler())
	defer server.Close()
	c, err := client.New(server.URL, client.Options{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(7)
	got, err := c.Caption(t.Context(), client.CaptionRequest{Images: []client.Image{{ID: "a"}, {Bytes: []byte(photo(7))}}, WritingOptions: client.WritingOptions{Samples: 2, Seed: &seed}})
	if err != nil || len(got.Captions) != 2 || got.Captions[1].Text != "a picture of thing 7" || got.Captions[1].Others[0].Text != "other 1, seed 7" || got.Captions[0].Probability == nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.Caption(t.Context(), client.CaptionRequest{Images: []client.Image{{ID: "a"}}, NoMatch: true}); err != nil || got.Captions[0].Probability != nil {
		t.Errorf("without a match: %+v, %v", got, err)
	}
	answer, err := c.Answer(t.Context(), client.AnswerRequest{Image: client.Image{ID: "a"}, Question: "what?", Answers: []string{"red", "blue"}})
	if err != nil || answer.Text != "blue" || len(answer.Ranked) != 2 {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := c.Answer(t.Context(), client.AnswerRequest{Question: "what?"}); !isProblem(err, http.StatusUnprocessableEntity) {
		t.Errorf("no picture: %v", err)
	}
}

func isProblem(err error, status int) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Status == status && p.RequestID != ""
}
