package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"sightline/web/browsertest"
)

// states are what goes wrong, and other sizes.
func states() map[string]part {
	return map[string]part{
		"too many searches":       busy,
		"an error inside":         failure,
		"problems of fields":      invalid,
		"the server is away":      away,
		"sign in":                 signIn,
		"not now":                 notNow,
		"no good match":           noGoodMatch,
		"nothing is good enough":  nothingGood,
		"the second look is late": late,
		"phone":                   phone,
		"dark":                    dark,
		"a server without a list": noList,
	}
}

const problemTitle = `document.getElementById('problem-title').textContent`

// busy: the page comes again when the server has said so.
func busy(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	var n atomic.Int64
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a == nil || n.Add(1) > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		reply(w, 429, map[string]any{"detail": "Too many searches are under way."})
		return true
	})
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{Expect: "429"})
	p.Wait(hitsShown)
	if n.Load() != 2 {
		t.Errorf("%d searches", n.Load())
	}
}

func failure(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	var broken atomic.Bool
	broken.Store(true)
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a != nil && broken.Load() {
			reply(w, 500, map[string]any{"detail": "Something went wrong inside.", "request_id": "REQ42"})
			return true
		}
		return false
	})
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{Expect: "500"})
	p.Wait(is(problemTitle, "That did not work"))
	p.Wait(`document.getElementById('problem-id').textContent.includes('REQ42')`)
	broken.Store(false)
	p.Click("#retry")
	p.Wait(hitsShown)
}

func invalid(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a != nil {
			reply(w, 422, map[string]any{"detail": "The request has problems; see errors.", "errors": []map[string]string{{"field": "negative", "detail": "cancels the text"}}})
		}
		return a != nil
	})
	p := b.Open(t, api.URL+"/?q=mug&less=mug", browsertest.Look{Expect: "422"})
	p.Wait(is(`document.getElementById('problem-list').innerText`, "negative: cancels the text"))
}

func away(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{Expect: "ERR_CONNECTION_REFUSED"})
	p.Wait(hitsShown)
	api.Listener.Close()
	api.CloseClientConnections()
	p.Type("#q", "s")
	p.Wait(is(problemTitle, "No answer"))
	p.Errors() // of connections that broke, whatever each is called
}

// keyed makes an API ask for the key "good", as the real one with keys does.
func keyed(api *fakeAPI) http.HandlerFunc {
	inner := api.Config.Handler
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		switch {
		case r.URL.Path == "/v1/session" && r.Method == http.MethodPost:
			var body struct {
				Key string `json:"key"`
			}
			if json.NewDecoder(r.Body).Decode(&body) != nil || body.Key != "good" {
				reply(w, 401, map[string]any{"detail": "This key is not known here."})
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "yes", HttpOnly: true, Path: "/"})
			reply(w, 200, map[string]any{"keys_required": true})
		case r.URL.Path == "/v1/session" && r.Method == http.MethodDelete:
			http.SetCookie(w, &http.Cookie{Name: "session", MaxAge: -1, Path: "/"})
			reply(w, 200, map[string]any{"keys_required": true})
		case strings.HasPrefix(r.URL.Path, "/v1/") && (err != nil || cookie.Value != "yes"):
			reply(w, 401, map[string]any{"detail": "Send an API key."})
		default:
			inner.ServeHTTP(w, r)
		}
	}
}

func signIn(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.keys, api.Config.Handler = true, keyed(api)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{Expect: "401"})
	p.Wait(`document.getElementById('signin').open`)
	p.Wait(focused("#key"))
	p.Press("bad" + kb.Enter)
	p.Wait(is(`document.getElementById('signin-problem').textContent`, "This key is not known here."))
	p.Press("good" + kb.Enter) // the wrong one is selected and goes
	p.Wait(hitsShown)
	p.Wait(`!document.getElementById('signin').open`)
	p.Wait(`document.querySelector('.card img').naturalWidth === 16`)
	p.Click("#to-admin")
	p.Click("#sign-out") // which loads the page anew
	p.Wait(`document.getElementById('signin')?.open`)
}

func notNow(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.keys, api.Config.Handler = true, keyed(api)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{Expect: "401"})
	p.Wait(`document.getElementById('signin').open`)
	p.Press(kb.Escape)
	p.Wait(is(problemTitle, "This server asks for a key"))
	p.Click("#retry")
	p.Wait(`document.getElementById('signin').open`)
}

func noGoodMatch(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a == nil {
			return false
		}
		reply(w, 200, answerWith(true, map[string]any{"scored": 1, "of": 1, "stopped": "", "read": "pictures"},
			map[string]any{"id": "p001", "itc": 0.2, "itm_logit": -5, "match_probability": 0.001, "score": -4.8, "rank": 1, "itc_rank": 1, "item": item(1)}))
		return true
	})
	p := b.Open(t, api.URL+"/?q=a+whale", browsertest.Look{})
	p.Wait(hitsShown)
	p.Wait(`document.getElementById('note').textContent.startsWith('No good match: nothing here clearly shows “a whale”')`)
}

func answerWith(none bool, look map[string]any, hits ...map[string]any) map[string]any {
	if hits == nil {
		hits = []map[string]any{}
	}
	return map[string]any{
		"hits": hits, "no_good_match": none, "rerank": look, "query": map[string]any{"text": "", "tokens": 4, "cut": 0},
		"timings_ms": map[string]any{"tokenize": 0, "encode": 1, "search": 1, "rerank": 1, "total": 3}, "cached": false, "model": "f00d",
	}
}

func nothingGood(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a == nil || a.MinMatch == 0 {
			return false
		}
		reply(w, 200, answerWith(true, map[string]any{"scored": 50, "of": 50, "stopped": "", "read": "pictures"}))
		return true
	})
	p := b.Open(t, api.URL+"/?q=a+whale&good=on", browsertest.Look{})
	p.Wait(is(`document.getElementById('nothing-title').textContent`, "Nothing here shows “a whale”"))
	p.Click("#anyway")
	p.Wait(hitsShown)
}

func late(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a == nil {
			return false
		}
		reply(w, 200, answerWith(false, map[string]any{"scored": 0, "of": 1, "stopped": "failed", "read": ""},
			map[string]any{"id": "p001", "itc": 0.2, "itm_logit": nil, "match_probability": nil, "score": 0.2, "rank": 1, "itc_rank": 1, "item": item(1)}))
		return true
	})
	p := b.Open(t, api.URL+"/?q=mug&why=p001", browsertest.Look{})
	p.Wait(`document.getElementById('note').textContent.startsWith('The second look failed')`)
	p.Wait(`document.getElementById('score').innerText.includes('No second look at this one: it failed')`)
}

const overflow = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

func phone(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	look := browsertest.Look{Width: 390, Height: 844, Phone: true}
	p := b.Open(t, api.URL, look)
	p.Wait(`document.querySelectorAll('#shelf img').length === 3`)
	if o := p.Eval(overflow); o != "0" {
		t.Errorf("the start is %s px too wide", o)
	}
	p.Go(api.URL + "/?q=mug&brand=Acme&less=striped&like=p003")
	p.Wait(hitsShown)
	if o := p.Eval(overflow); o != "0" {
		t.Errorf("results are %s px too wide", o)
	}
	p.Click("#refine-open")
	p.Wait(focused("#refine-close"))
	p.Wait(`document.getElementById('main').inert`)
	p.Click("[data-field=brand] input[value=Acme]")
	p.Wait(`!location.search.includes('brand')`)
	p.Click("#refine-close")
	p.Wait(focused("#refine-open"))
	p.Wait(`!document.getElementById('main').inert`)
	p.Click(".card .open")
	p.Wait(`document.querySelectorAll('.word').length === 1 && document.getElementById('main').inert`)
	if o := p.Eval(overflow); o != "0" {
		t.Errorf("the panel is %s px too wide", o)
	}
	p.Click("#why-close")
	p.Wait(`document.getElementById('why').hidden && !document.getElementById('main').inert`)
	small := p.Eval(`[...document.querySelectorAll('button, a, summary')].filter((n) => n.offsetParent && !n.matches('.link, .skip') && Math.min(n.offsetWidth, n.offsetHeight) < 24).map((n) => n.outerHTML.slice(0, 80)).join('\n')`)
	if small != "" {
		t.Errorf("smaller than 24 px, too small for a finger:\n%s", small)
	}
}

func dark(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	paper := `getComputedStyle(document.body).backgroundColor`
	p := b.Open(t, api.URL, browsertest.Look{Dark: true})
	night := p.Eval(paper)
	p.Click("#theme")
	p.Wait(fmt.Sprintf("%s !== %q", paper, night))
	p.Go(api.URL + "/?q=mug") // it is remembered
	p.Wait(fmt.Sprintf("%s !== %q", paper, night))
}

// noList: a server that cannot list items has a plain start.
func noList(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a == nil {
			reply(w, 501, map[string]any{"detail": "This server cannot list its items."})
		}
		return a == nil
	})
	p := b.Open(t, api.URL, browsertest.Look{Expect: "501"})
	p.Wait(`document.getElementById('shelf').hidden`)
	p.Type("#q", "mug")
	p.Wait(hitsShown)
}
