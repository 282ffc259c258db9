package worker_test

import (
	"encoding/json"
	"testing"

	"sightline/store"
	"sightline/store/change"
)

func TestPatchMerges(t *testing.T) {
	for name, c := range map[string]struct {
		patch string
		want  string // what becomes of mug(), as a patch of its JSON by hand
	}{
		"a price":                 {`{"price": 8}`, `{"price":8}`},
		"null removes":            {`{"price": null, "currency": null}`, `{"price":null,"currency":null}`},
		"null of what is not":     {`{"brand": null, "attributes": {"wool": null}, "cotton": null}`, `{}`},
		"an attribute":            {`{"attributes": {"material": "steel", "new": true}}`, `{"attributes":{"material":"steel","size":["S","L"],"new":true}}`},
		"an attribute goes":       {`{"attributes": {"material": null}}`, `{"attributes":{"size":["S","L"]}}`},
		"unknown names":           {`{"material": "steel", "size": null, "pattern": 7}`, `{"attributes":{"material":"steel","pattern":7}}`},
		"both kinds of names":     {`{"pattern": 7, "attributes": {"material": null}}`, `{"attributes":{"size":["S","L"],"pattern":7}}`},
		"no attributes":           {`{"attributes": null}`, `{"attributes":null}`},
		"others instead":          {`{"attributes": null, "material": "steel"}`, `{"attributes":{"material":"steel"}}`},
		"a list is replaced":      {`{"attributes": {"size": ["M"]}}`, `{"attributes":{"material":"clay","size":["M"]}}`},
		"its own id":              {`{"id": "mug", "title": "Cup"}`, `{"title":"Cup"}`},
		"a time":                  {`{"title": "Cup", "updated_at": "2026-01-31T12:00:00Z"}`, `{"title":"Cup","updated_at":"2026-01-31T12:00:00Z"}`},
		"nothing":                 {`{}`, `{}`},
		"a newer version":         {`{"version": 9007199254740993}`, `{"version":9007199254740993}`},
		"space and escapes":       {" {\n \"title\" : \"C\\u00fcp\" , \"price\":\tnull }", `{"title":"Cüp","price":null}`},
		"numbers keep their form": {`{"price": 1e1}`, `{"price":10}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop()
			want(t, s.worker(), job(t, put(mug())), "created")
			if _, problem := handle(t, s.worker(), job(t, patch("mug", c.patch))); problem != "" {
				t.Fatal(problem)
			}
			expected := overlaid(t, mug(), c.want)
			if got := encoded(t, s.items()["mug"].Item); got != expected {
				t.Errorf("got  %s\nwant %s", got, expected)
			}
		})
	}
}

// overlaid replaces whole values of an item's JSON.
func overlaid(t *testing.T, item store.Item, with string) string {
	t.Helper()
	var changes map[string]any
	if err := json.Unmarshal([]byte(with), &changes); err != nil {
		t.Fatal(err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(encoded(t, item)), &fields); err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(with), &raw); err != nil {
		t.Fatal(err)
	}
	for name, value := range changes {
		if fields[name] = raw[name]; value == nil {
			delete(fields, name)
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	var after store.Item
	if err := json.Unmarshal(data, &after); err != nil {
		t.Fatal(err)
	}
	return encoded(t, after)
}

func encoded(t *testing.T, item store.Item) string {
	t.Helper()
	data, err := json.Marshal(item)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPatchRefused(t *testing.T) {
	for name, c := range map[string]struct {
		patch string
		want  []string
	}{
		"no object":           {`[1]`, []string{"must be a JSON object"}},
		"null":                {`null`, []string{"must be a JSON object"}},
		"another id":          {`{"id": "cup"}`, []string{`"id"`, "cannot be changed"}},
		"no id":               {`{"id": null}`, []string{`"id"`, "cannot be changed"}},
		"a text for a number": {`{"price": "8"}`, []string{`"price"`, "a number"}},
		"an object":           {`{"title": {"en": "Mug"}}`, []string{`"title"`, "text in quotes"}},
		"an attribute":        {`{"attributes": {"material": {"a": "b"}}}`, []string{`"attributes.material"`, "object"}},
		"attributes":          {`{"attributes": 7}`, []string{`"attributes"`, "object of names and values"}},
		"twice":               {`{"material": "steel", "attributes": {"material": "wool"}}`, []string{`"material"`, "keep one"}},
		"not valid":           {`{"currency": "euro", "price": -1}`, []string{`"currency"`, `"price"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop()
			want(t, s.worker(), job(t, put(mug())), "created")
			want(t, s.worker(), job(t, patch("mug", c.patch)), "", append([]string{"dead item: "}, c.want...)...)
			if got := encoded(t, s.items()["mug"].Item); got != encoded(t, mug()) {
				t.Errorf("changed to %s", got)
			}
		})
	}
}

func TestPatchOfNothing(t *testing.T) {
	s := newShop()
	want(t, s.worker(), job(t, patch("mug", `{"price":1}`)), "", "dead missing: ", "no item")
	c := patch("mug", `{"price":1}`)
	c.IfMatch = "*"
	want(t, s.worker(), job(t, c), "", "dead precondition: ")
}

// TestPatchVersions: a patch without a version has that of the stored item.
func TestPatchVersions(t *testing.T) {
	s := newShop()
	w := s.worker()
	want(t, w, job(t, put(mug())), "created")
	want(t, w, job(t, patch("mug", `{"price":1}`)), "written")
	want(t, w, job(t, patch("mug", `{"price":2,"version":2}`)), "unchanged: version 2 is older than version 3 in the index")
	want(t, w, job(t, patch("mug", `{"price":2,"version":null}`)), "unchanged: version 0 is older than version 3 in the index")
	want(t, w, job(t, patch("mug", `{"price":3,"version":4}`)), "written")
	late := mug()
	want(t, w, job(t, put(late)), "unchanged: version 3 is older than version 4 in the index")
	if e := s.items()["mug"]; *e.Item.Price != 3 || e.Item.Version != 4 {
		t.Errorf("%+v", e.Item)
	}
}

// TestPatchRace: what another process writes while a patch is under way is not
// overwritten, nor is the patch lost.
func TestPatchRace(t *testing.T) {
	s := newShop()
	w := s.worker()
	want(t, w, job(t, put(mug())), "created")
	s.onWrite = func() {
		s.onWrite = nil
		e := s.items()["mug"]
		e.Item.Version, e.Item.Title = 4, "Newer"
		s.upsert(e)
	}
	j := job(t, patch("mug", `{"price":1}`))
	want(t, w, j, "", "again write: version 3 is older than version 4")
	want(t, w, j, "written")
	if e := s.items()["mug"]; *e.Item.Price != 1 || e.Item.Title != "Newer" || e.Item.Version != 4 {
		t.Errorf("%+v", e.Item)
	}
}

// TestPatchPictures: what a patch does not name stays stored and is not fetched.
func TestPatchPictures(t *testing.T) {
	keys := func(images ...string) []string {
		for i := range images {
			images[i] = keyOf(images[i])
		}
		return images
	}
	const main, back, new1, new2 = "https://x/mug.jpg", "https://x/back.jpg", "https://x/new1.jpg", "https://x/new2.jpg"
	uploaded := change.Stored(keyOf("upload"))
	upload := patch("mug", `{"price":1}`)
	upload.Images = []string{uploaded, new1}
	for name, c := range map[string]struct {
		change  change.Change
		keys    []string
		fetched []string
		image   string // the item's afterwards
	}{
		"neither":       {patch("mug", `{"price":1}`), keys(main, back), nil, main},
		"the main one":  {patch("mug", `{"image":"`+new1+`"}`), keys(new1, back), []string{new1}, new1},
		"the others":    {patch("mug", `{"images":["`+new1+`","`+new2+`"]}`), keys(main, new1, new2), []string{new1, new2}, main},
		"no others":     {patch("mug", `{"images":null}`), keys(main), nil, main},
		"no main one":   {patch("mug", `{"image":null}`), keys(back), nil, ""},
		"all":           {patch("mug", `{"image":"`+new1+`","images":["`+new2+`"]}`), keys(new1, new2), []string{new1, new2}, new1},
		"the same both": {patch("mug", `{"image":"`+new1+`","images":["`+new1+`"]}`), keys(new1), []string{new1}, new1},
		"an upload":     {upload, keys(uploaded, new1), []string{new1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop()
			want(t, s.worker(), job(t, put(mug())), "created")
			s.fetched = nil
			for range 2 {
				if _, problem := handle(t, s.worker(), job(t, c.change)); problem != "" {
					t.Fatal(problem)
				}
			}
			e := s.items()["mug"]
			if got := keysOf(e); !equal(got, c.keys) || e.Item.Image != c.image {
				t.Errorf("pictures %v of %q, want %v of %q", got, e.Item.Image, c.keys, c.image)
			}
			if !equal(distinct(s.fetched), c.fetched) {
				t.Errorf("fetched %v, want %v", s.fetched, c.fetched)
			}
		})
	}
}
