package api_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sightline/indexer/queue"
	"sightline/store/change"
)

const shoe = `{"title":"red shoe","image":"https://shop.example/a.jpg","pattern":"striped"}`

func TestPutByAddressIsAnsweredAtOnce(t *testing.T) {
	s := newShop(t)
	w := s.json("PUT", "/v1/items/shoes%2Fa", shoe)
	a := read(t, w, http.StatusAccepted)
	if a.ID != "shoes/a" || a.State != "waiting" || w.Header().Get("Location") != "/v1/jobs/"+a.Job {
		t.Errorf("answer %+v, headers %v", a, w.Header())
	}
	got := s.queued()
	if len(got) != 1 || got[0].Op != change.Put || got[0].ID != "shoes/a" || got[0].Images != nil || got[0].Item.Image != "https://shop.example/a.jpg" || got[0].Item.Attributes["pattern"] != "striped" {
		t.Errorf("queued %+v", got)
	}
	s.work()
	a = read(t, s.json("PUT", "/v1/items/b", shoe, "Prefer", "wait=30"), http.StatusCreated)
	if a.Outcome != "created" || a.Job == "" {
		t.Errorf("answer %+v", a)
	}
	w = s.json("PUT", "/v1/items/b", strings.Replace(shoe, "red", "blue", 1), "Prefer", "respond-async, wait=30")
	if a = read(t, w, http.StatusOK); a.Outcome != "written" || w.Header().Get("Preference-Applied") != "wait=30" {
		t.Errorf("answer %+v, %v", a, w.Header())
	}
}

func TestItemRoundTrip(t *testing.T) {
	s := newShop(t)
	s.work()
	read(t, s.json("PUT", "/v1/items/a", shoe, "Prefer", "wait=30"), http.StatusCreated)
	w := s.json("GET", "/v1/items/a", "")
	tag := w.Header().Get("ETag")
	if w.Code != 200 || tag == "" {
		t.Fatalf("status %d, headers %v", w.Code, w.Header())
	}
	if same := s.send("GET", "/v1/items/a", "", "", "If-None-Match", tag); same.Code != http.StatusNotModified {
		t.Errorf("unchanged item: status %d", same.Code)
	}
	// What GET gives, PUT takes.
	read(t, s.json("PUT", "/v1/items/a", w.Body.String(), "Prefer", "wait=30", "If-Match", tag), http.StatusOK)
	read(t, s.json("PATCH", "/v1/items/a", `{"price":9.5,"pattern":null,"attributes":{"fit":"wide"}}`, "Prefer", "wait=30", "If-Match", tag), http.StatusOK)
	if it := s.items["a"]; it.Price == nil || *it.Price != 9.5 || it.Attributes["pattern"] != nil || it.Attributes["fit"] != "wide" || it.Title != "red shoe" {
		t.Errorf("item %+v", it)
	}
	refused(t, s.json("PATCH", "/v1/items/a", `{"price":1}`, "Prefer", "wait=30", "If-Match", tag), http.StatusPreconditionFailed, "precondition")
	refused(t, s.json("PATCH", "/v1/items/gone", `{"price":1}`, "Prefer", "wait=30"), http.StatusNotFound, "not_found")
	read(t, s.send("DELETE", "/v1/items/a", "", "", "Prefer", "wait=30", "If-Match", "*"), http.StatusOK)
	if len(s.items) != 0 {
		t.Errorf("items %v", s.items)
	}
}

func TestFailedWriteSaysWhereAndWhy(t *testing.T) {
	s := newShop(t)
	s.fails = func(change.Change) error {
		return queue.Failure{Stage: "fetch", Reason: "shop.example answers 404", Permanent: true}
	}
	s.work()
	w := s.json("PUT", "/v1/items/a", shoe, "Prefer", "wait=30")
	if !strings.Contains(w.Body.String(), `"stage":"fetch","reason":"shop.example answers 404"`) || !strings.Contains(w.Body.String(), `"job":"p-`) {
		t.Errorf("body %s", w.Body)
	}
	refused(t, w, http.StatusUnprocessableEntity, "failed")
}

// A change that will be tried again is no failure yet.
func TestWriteThatIsTriedAgain(t *testing.T) {
	s := newShop(t)
	s.fails = func(change.Change) error { return errors.New("away") }
	s.work()
	read(t, s.json("PATCH", "/v1/items/a", `{"price":1}`, "Prefer", "wait=1"), http.StatusAccepted)
}

func TestUploads(t *testing.T) {
	s := newShop(t)
	other := pngBytes + "2"
	contentType, body := parts(t, "item", `{"title":"x","images":["https://shop.example/back.jpg"]}`, "image", pngBytes, "images", other)
	read(t, s.send("PUT", "/v1/items/a", contentType, body, "Prefer", "wait=0"), http.StatusAccepted)
	contentType, body = parts(t, "image", other)
	read(t, s.send("PATCH", "/v1/items/a", contentType, body, "Prefer", "wait=0"), http.StatusAccepted)
	data := "data:image/png;base64,iVBORw0KGgo="
	read(t, s.json("PUT", "/v1/items/b", `{"image":"`+data+`","images":["https://shop.example/c.jpg"]}`, "Prefer", "wait=0"), http.StatusAccepted)
	read(t, s.json("PATCH", "/v1/items/b", `{"price":2,"image":"https://shop.example/c.jpg","images":["`+data+`"]}`, "Prefer", "wait=0"), http.StatusAccepted)
	small := keyOf("\x89PNG\r\n\x1a\n")
	got := s.queued()
	for i, want := range [][]string{
		{change.Stored(keyOf(pngBytes)), "https://shop.example/back.jpg", change.Stored(keyOf(other))},
		{change.Stored(keyOf(other))},
		{change.Stored(small), "https://shop.example/c.jpg"},
		{"https://shop.example/c.jpg", change.Stored(small)},
	} {
		if !slices.Equal(got[i].Images, want) {
			t.Errorf("change %d: pictures %v, want %v", i, got[i].Images, want)
		}
	}
	if it := got[0].Item; it.Image != "" || !slices.Equal(it.Images, []string{"https://shop.example/back.jpg"}) {
		t.Errorf("the item keeps %q and %q", it.Image, it.Images)
	}
	if patch := string(got[1].Patch); patch != `{"image":null,"images":null}` {
		t.Errorf("patch %s", patch)
	}
	if patch := string(got[3].Patch); patch != `{"image":"https://shop.example/c.jpg","images":null,"price":2}` {
		t.Errorf("patch %s", patch)
	}
	if len(s.stored.kept) != 3 {
		t.Errorf("%d pictures stored", len(s.stored.kept))
	}
}

// Whatever is refused leaves neither a job nor a picture.
func TestRefusedWrites(t *testing.T) {
	long := strings.Repeat("x", 5000)
	form := func(pairs ...string) [2]string { c, b := parts(t, pairs...); return [2]string{c, b} }
	js := func(body string) [2]string { return [2]string{"application/json", body} }
	big := pngBytes + strings.Repeat("p", 10<<20)
	var many []string
	for range 22 {
		many = append(many, "images", pngBytes)
	}
	for name, c := range map[string]struct {
		method, target string
		body           [2]string
		status         int
		code, words    string
	}{
		"no picture":             {"PUT", "/v1/items/a", js(`{"title":"x"}`), 422, "invalid", "image is missing: the index needs a picture"},
		"no main picture":        {"PUT", "/v1/items/a", js(`{"images":["https://a.example/b.jpg"]}`), 422, "invalid", "name the main picture"},
		"relative path":          {"PUT", "/v1/items/a", js(`{"image":"pictures/a.jpg"}`), 422, "invalid", "upload them as a form"},
		"file address":           {"PUT", "/v1/items/a", js(`{"image":"file:///etc/passwd"}`), 422, "invalid", "http or https"},
		"stored name":            {"PUT", "/v1/items/a", js(`{"image":"stored:abc"}`), 422, "invalid", "http or https"},
		"data URL of text":       {"PUT", "/v1/items/a", js(`{"image":"data:text/plain,hello"}`), 422, "invalid", "image cannot be used: this is text"},
		"broken data URL":        {"PUT", "/v1/items/a", js(`{"image":"data:image/png;base64,a"}`), 422, "invalid", "base64"},
		"all problems at once":   {"PUT", "/v1/items/a", js(`{"image":"a.jpg","price":"9","currency":"euro","title":"` + long + `","id":"b"}`), 422, "invalid", "price must be a number"},
		"name twice":             {"PUT", "/v1/items/a", js(`{"image":"https://a.example/b.jpg","title":"a","title":"b"}`), 422, "invalid", "title is given more than once"},
		"attribute twice":        {"PUT", "/v1/items/a", js(`{"image":"https://a.example/b.jpg","attributes":{"x":"a","x":"b"}}`), 422, "invalid", "attributes.x is given more than once"},
		"other engine's name":    {"PUT", "/v1/items/a", js(`{"image":"https://a.example/b.jpg","additional_image_link":"https://a.example/c.jpg"}`), 422, "invalid", "give further pictures as images"},
		"other id":               {"PUT", "/v1/items/a", js(`{"image":"https://a.example/b.jpg","id":"b"}`), 422, "invalid", "the address names"},
		"no id":                  {"PUT", "/v1/items/", js(shoe), 422, "invalid", "id is missing"},
		"long id":                {"PUT", "/v1/items/" + strings.Repeat("x", 129), js(shoe), 422, "invalid", "129 bytes"},
		"control in id":          {"DELETE", "/v1/items/a%0Ab", [2]string{}, 422, "invalid", "control"},
		"bad escape":             {"DELETE", "/v1/items/a%FFb", [2]string{}, 422, "invalid", "UTF-8"},
		"below an item":          {"PUT", "/v1/items/a/image", js(shoe), 405, "method", "%2F"},
		"cut JSON":               {"PUT", "/v1/items/a", js(shoe[:20]), 400, "malformed", "cut"},
		"not UTF-8":              {"PUT", "/v1/items/a", js("{\"title\":\"\xff\"}"), 400, "malformed", "UTF-8"},
		"a list":                 {"PUT", "/v1/items/a", js(`[]`), 400, "malformed", "object"},
		"nothing":                {"PUT", "/v1/items/a", js(``), 400, "malformed", "empty"},
		"another type":           {"PUT", "/v1/items/a", [2]string{"text/plain", shoe}, 415, "media_type", "application/json"},
		"merge patch as item":    {"PUT", "/v1/items/a", [2]string{"application/merge-patch+json", shoe}, 415, "media_type", ""},
		"parameter":              {"PUT", "/v1/items/a?wait=3", js(shoe), 422, "invalid", "wait is not a field; there are none here"},
		"21 pictures":            {"PUT", "/v1/items/a", form(append(many[:40], "image", pngBytes)...), 422, "invalid", "images has 20 pictures"},
		"30 parts":               {"PUT", "/v1/items/a", form(append(many, "image", pngBytes)...), 400, "malformed", "parts"},
		"picture twice":          {"PUT", "/v1/items/a", form("item", shoe, "image", pngBytes), 422, "invalid", "image is given twice"},
		"file twice":             {"PUT", "/v1/items/a", form("image", pngBytes, "image", pngBytes), 422, "invalid", "more than once"},
		"unknown part":           {"PUT", "/v1/items/a", form("imagge", pngBytes), 422, "invalid", `did you mean "image"?`},
		"one bad picture of two": {"PUT", "/v1/items/a", form("image", pngBytes, "images", "text"), 422, "invalid", "images[0] cannot be used"},
		"too large a picture":    {"PUT", "/v1/items/a", form("image", big), 422, "invalid", "longer than"},
		"empty picture":          {"PUT", "/v1/items/a", form("image", ""), 422, "invalid", "image is empty"},
		"patch of nothing":       {"PATCH", "/v1/items/a", js(`{}`), 422, "invalid", "changes nothing"},
		"patch that removes all": {"PATCH", "/v1/items/a", js(`{"image":null}`), 422, "invalid", "cannot be removed"},
		"patch of the id":        {"PATCH", "/v1/items/a", js(`{"id":null,"price":1}`), 422, "invalid", "id cannot be removed"},
		"patch of a type":        {"PATCH", "/v1/items/a", js(`{"price":"cheap","images":[1],"attributes":{"x":{"y":1}}}`), 422, "invalid", "attributes.x is an object"},
		"patch of both":          {"PATCH", "/v1/items/a", js(`{"x":"1","attributes":{"x":"2"}}`), 422, "invalid", "keep one"},
		"patch null and more":    {"PATCH", "/v1/items/a", js(`{"x":"1","attributes":null}`), 422, "invalid", "removes all of them"},
		"further uploads only":   {"PATCH", "/v1/items/a", form("patch", `{"price":1}`, "images", pngBytes), 422, "invalid", "give the main one too"},
		"body of DELETE":         {"DELETE", "/v1/items/a", js(`{}`), 400, "malformed", "no body"},
		"wide object":            {"PUT", "/v1/items/a", js(`{` + strings.Repeat(`"a":1,`, 300) + `"b":1}`), 400, "malformed", "too many fields"},
		"long description":       {"PUT", "/v1/items/a", js(`{"description":"` + strings.Repeat("x", 3<<20) + `"}`), 400, "malformed", "description is too long"},
		"many images":            {"PUT", "/v1/items/a", js(`{"images":[` + strings.Repeat(`"",`, 9999) + `""]}`), 400, "malformed", "too many images"},
		"too large":              {"PUT", "/v1/items/a", js(`{"image":"data:,` + strings.Repeat("x", 16_000_000) + `"}`), 413, "too_large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			w := s.send(c.method, c.target, c.body[0], c.body[1])
			text := refused(t, w, c.status, c.code)
			if !strings.Contains(text, c.words) || len(text) > 4000 {
				t.Errorf("%q is not in: %s", c.words, text)
			}
			if name == "all problems at once" {
				for _, field := range []string{"image ", "price ", "currency ", "title ", "id "} {
					if !strings.Contains(text, "; "+field) {
						t.Errorf("no problem of %s in %s", field, text)
					}
				}
			}
			s.nothing(name)
		})
	}
}

func TestHeadersOfWrites(t *testing.T) {
	for name, c := range map[string]struct {
		header, value string
		status        int
		code          string
	}{
		"create only":   {"If-None-Match", "*", 501, "unsupported"},
		"weak tag":      {"If-Match", `W/"a"`, 422, "invalid"},
		"two tags":      {"If-Match", `"a", "b"`, 422, "invalid"},
		"no quotes":     {"If-Match", `a`, 422, "invalid"},
		"long wait":     {"Prefer", "wait=31", 422, "invalid"},
		"no number":     {"Prefer", "wait=soon", 422, "invalid"},
		"key of spaces": {"Idempotency-Key", "a b", 422, "invalid"},
		"long key":      {"Idempotency-Key", strings.Repeat("k", 201), 422, "invalid"},
		"empty key":     {"Idempotency-Key", "", 422, "invalid"},
		"other site":    {"Sec-Fetch-Site", "cross-site", 403, "forbidden"},
		"other origin":  {"Origin", "https://evil.example", 403, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			refused(t, s.json("PUT", "/v1/items/a", shoe, c.header, c.value), c.status, c.code)
			s.nothing(name)
		})
	}
	s := newShop(t)
	for _, headers := range [][]string{{"Prefer", "handling=lenient"}, {"Origin", "http://example.com"}, {"Sec-Fetch-Site", "same-origin"}, {"If-Match", `"abc"`}} {
		read(t, s.json("PUT", "/v1/items/a", shoe, headers...), http.StatusAccepted)
	}
	if got := s.queued(); got[3].IfMatch != `"abc"` {
		t.Errorf("queued %+v", got[3])
	}
}

func TestIdempotencyKey(t *testing.T) {
	s := newShop(t)
	put := func(id, body, key string, headers ...string) (string, string, int) {
		w := s.json("PUT", "/v1/items/"+id, body, append(headers, "Idempotency-Key", key)...)
		if w.Code != http.StatusAccepted {
			return "", w.Header().Get("Idempotent-Replayed"), w.Code
		}
		return read(t, w, 202).Job, w.Header().Get("Idempotent-Replayed"), w.Code
	}
	first, replayed, _ := put("a", shoe, "k1")
	if replayed != "" {
		t.Error("the first is called a repetition")
	}
	// The same in other words: spaces and the order of fields say nothing.
	second, replayed, _ := put("a", `{ "pattern":"striped", "image":"https://shop.example/a.jpg","title":"red shoe"}`, "k1")
	if second != first || replayed != "true" || s.total() != 1 {
		t.Errorf("jobs %s and %s, replayed %q, %+v", first, second, replayed, s.counts())
	}
	for _, c := range [][]string{{"b", shoe}, {"a", strings.Replace(shoe, "red", "blue", 1)}} {
		refused(t, s.json("PUT", "/v1/items/"+c[0], c[1], "Idempotency-Key", "k1"), 422, "idempotency_key_reused")
	}
	refused(t, s.json("PUT", "/v1/items/a", shoe, "Idempotency-Key", "k1", "If-Match", "*"), 422, "idempotency_key_reused")
	refused(t, s.send("DELETE", "/v1/items/a", "", "", "Idempotency-Key", "k1"), 422, "idempotency_key_reused")
	if other, replayed, _ := put("a", shoe, "k2"); other == first || replayed != "" || s.total() != 2 {
		t.Errorf("another key: job %s, replayed %q", other, replayed)
	}
	s.work()
	w := s.json("PUT", "/v1/items/a", shoe, "Idempotency-Key", "k1", "Prefer", "wait=30")
	if a := read(t, w, http.StatusCreated); a.Job != first || w.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("after its end: %+v", a)
	}
}

// A form has another boundary each time and is the same request all the same.
func TestIdempotentUpload(t *testing.T) {
	s := newShop(t)
	for i := range 2 {
		contentType, body := parts(t, "item", `{"title":"x"}`, "image", pngBytes)
		w := s.send("PUT", "/v1/items/a", contentType, body, "Prefer", "wait=0", "Idempotency-Key", "k")
		if read(t, w, 202); (w.Header().Get("Idempotent-Replayed") == "true") != (i == 1) {
			t.Errorf("try %d: headers %v", i, w.Header())
		}
	}
	if n := s.total(); n != 1 {
		t.Errorf("%d jobs", n)
	}
}
