package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"sightline/web/browsertest"
)

// captions and answers refuse what they do not know, as the API does.
func (f *fakeAPI) captions(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Image struct {
			ID string `json:"id"`
		} `json:"image"`
	}
	if !strictly(w, r, &req) || f.overridden(w, r, nil) {
		return
	}
	reply(w, 200, map[string]any{"captions": []any{map[string]any{"index": 0, "text": fmt.Sprintf("a <b>thing</b> with the number %d", number(req.Image.ID)), "log_probability": -1.5, "match_probability": 0.93}}})
}

func (f *fakeAPI) answers(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Image struct {
			ID string `json:"id"`
		} `json:"image"`
		Question string `json:"question"`
	}
	if !strictly(w, r, &req) || f.overridden(w, r, nil) {
		return
	}
	reply(w, 200, map[string]any{"text": "red", "log_probability": -0.4})
}

func strictly(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		reply(w, 400, map[string]any{"detail": err.Error()})
		return false
	}
	return true
}

// words are pictures that are described and asked about.
func words() map[string]part {
	return map[string]part{
		"words: described and asked about": describes,
		"words: a kept caption":            keptCaption,
		"words: a server without":          noWords,
		"words: busy":                      wordsBusy,
	}
}

const (
	captionShown = `document.getElementById('caption').textContent`
	answerShown  = `document.getElementById('answer-note').textContent`
)

func describes(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.writes = true
	p := b.Open(t, api.URL+"/?q=mug&why=p002", browsertest.Look{})
	p.Wait(`!document.getElementById('describe').hidden && !document.getElementById('ask').hidden`)
	p.Click("#describe")
	p.Wait(is(captionShown, "a <b>thing</b> with the number 2"))
	p.Wait(`document.getElementById('describe').hidden && document.getElementById('caption-match').textContent.includes('93 %')`)
	p.Wait(focused("#caption"))
	p.Type("#question", "what colour is it?")
	p.Press("\r")
	p.Wait(is(answerShown, "what colour is it? — red"))
	p.Click("#why-next")
	p.Wait(is(captionShown, "") + ` && !document.getElementById('describe').hidden && ` + is(answerShown, ""))
	p.Click("#why-prev") // what was written is still known
	p.Wait(is(captionShown, "a <b>thing</b> with the number 2"))
}

func keptCaption(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a == nil {
			return false
		}
		kept := item(2)
		kept["attributes"] = map[string]any{"caption": "a kept thing"}
		reply(w, 200, map[string]any{
			"facets": map[string]any{}, "hits": []any{map[string]any{"id": id(2), "itc": 0.9, "score": 0.9, "rank": 1, "itc_rank": 1, "item": kept}}, "rerank": map[string]any{},
			"query": map[string]any{"text": a.Text}, "timings_ms": map[string]any{"tokenize": 0.1, "encode": 2, "search": 0.5, "rerank": 20, "total": 23},
		})
		return true
	})
	p := b.Open(t, api.URL+"/?q=mug&why=p002", browsertest.Look{})
	p.Wait(is(captionShown, "a kept thing") + ` && !document.getElementById('words-of-part').hidden && document.getElementById('describe').hidden`)
}

// noWords: nothing is offered that the server does not have.
func noWords(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug&why=p002", browsertest.Look{})
	p.Wait(`document.querySelectorAll('.word').length === 1 && document.querySelectorAll('#alike img').length === 8`)
	if p.Eval(`document.getElementById('words-of-part').hidden`) != "true" {
		t.Error("words are offered")
	}
}

// wordsBusy: a failure is told where the words would stand, and can be tried again.
func wordsBusy(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.writes = true
	var n atomic.Int64
	api.override(func(w http.ResponseWriter, r *http.Request, _ *asked) bool {
		if r.URL.Path != "/v1/captions" || n.Add(1) > 1 {
			return false
		}
		reply(w, 429, map[string]any{"detail": "Too many pictures wait."})
		return true
	})
	p := b.Open(t, api.URL+"/?q=mug&why=p002", browsertest.Look{Expect: "429"})
	p.Wait(`!document.getElementById('describe').hidden`)
	p.Click("#describe")
	p.Wait(`document.getElementById('caption-note').textContent === 'Too much at once. Too many pictures wait.'`)
	p.Click("#describe")
	p.Wait(is(captionShown, "a <b>thing</b> with the number 2"))
}
