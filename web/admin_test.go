package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sightline/web/browsertest"
)

// views are those of the index.
func views() map[string]part {
	return map[string]part{
		"index and jobs":           indexAndJobs,
		"jobs without a stream":    refusedStream,
		"failed changes by stage":  failedByStage,
		"evaluations":              evaluations,
		"a server with no reports": noEvaluation,
	}
}

const inAdmin = "document.getElementById('%s').innerText.includes(%q)"

// indexAndJobs: what happens is on the page by the stream, and still when that
// has broken off and come again.
func indexAndJobs(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL, browsertest.Look{})
	p.Click("#to-admin")
	for _, want := range []string{"ready", "120", "f00d", "256", "calibrated", "p-group", "6 of 10, 1 at work", "p003 done: written"} {
		p.Wait(fmt.Sprintf(inAdmin, "admin", want))
	}
	p.Wait(is(`document.getElementById('admin-state').textContent`, "Live"))
	api.set(func() { api.done = 9 })
	now := time.Now().UTC().Format(time.RFC3339)
	api.send(t, strings.Replace(event(8, "p004"), "2026-11-26T14:45:14Z", now, 1))
	p.Wait(fmt.Sprintf(inAdmin, "pace", "In the last minute: 1 change done."))
	p.Wait(fmt.Sprintf(inAdmin, "events", "p004 done: written")) // is not in GET /v1/events
	p.Wait(fmt.Sprintf(inAdmin, "jobs", "9 of 10, 1 at work"))
	p.Wait(`document.querySelector('progress').value === 9 && document.querySelector('progress').max === 10`)
	api.send(t, "")
	api.set(func() { api.done = 10 })
	api.send(t, event(9, "p005"))
	p.Wait(fmt.Sprintf(inAdmin, "events", "p005 done: written"))
	p.Wait(fmt.Sprintf(inAdmin, "jobs", "10 of 10, ended"))
	if n := p.Eval(`[...document.querySelectorAll('.events li')].length`); n != "3" {
		t.Errorf("%s events", n)
	}
	p.Click("#from-admin")
	p.Wait(`document.body.dataset.view === 'start' && location.hash === ''`)
}

// refusedStream: the page asks by itself.
func refusedStream(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.override(func(w http.ResponseWriter, r *http.Request, _ *asked) bool {
		if r.URL.Path != "/v1/jobs/events" {
			return false
		}
		reply(w, 429, map[string]any{"detail": "Too many live streams are open."})
		return true
	})
	p := b.Open(t, api.URL+"/#admin", browsertest.Look{Expect: "429"})
	p.Wait(`document.getElementById('admin-state').textContent.includes('every two seconds')`)
	p.Wait(fmt.Sprintf(inAdmin, "jobs", "6 of 10"))
	api.set(func() { api.done, api.kept = 8, []string{event(8, "p004")} })
	p.Wait(fmt.Sprintf(inAdmin, "jobs", "8 of 10"))
	p.Wait(fmt.Sprintf(inAdmin, "events", "p004 done: written"))
}

func failedByStage(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/#admin", browsertest.Look{})
	p.Wait(is(`[...document.querySelectorAll('.by-stage th')].map((n) => n.textContent).join()`, "fetch 2,decode 1"))
	p.Wait(fmt.Sprintf(inAdmin, "failed", "404 from shop.example"))
	p.Click(`#failed [aria-label="Retry all 2: stage fetch"]`)
	p.Wait(is(`[...document.querySelectorAll('.by-stage th')].map((n) => n.textContent).join()`, "decode 1"))
	p.Click(`#failed [aria-label="Retry: p008"]`)
	p.Wait(is(`document.getElementById('failed').innerText`, "Nothing failed."))
}

func evaluations(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.reports = []string{report("f00d"), report("0ther")}
	p := b.Open(t, api.URL+"/#admin", browsertest.Look{})
	p.Wait(`document.querySelectorAll('.plot > svg').length === 2`)
	p.Wait(fmt.Sprintf(inAdmin, "evaluation", "queries.jsonl: 50 queries over 2,000 items"))
	for script, want := range map[string]string{
		`document.querySelectorAll('.plot > svg polyline').length`:                             "6",
		`document.querySelectorAll('.plot > svg .point').length`:                               "24",
		`document.querySelector('.plot > svg .s0 .point:last-child title').textContent`:        "R@1 at depth 100: 1.000",
		`document.querySelector('.plot > svg desc').textContent.slice(0, 36)`:                  "R@1 0.920 at depth 0, 1.000 at 100; ",
		`[...document.querySelectorAll('.numbers tbody th')].map((n) => n.textContent).join()`: "0 (ITC only),20,50,100",
		`document.querySelectorAll('.numbers tbody td').length`:                                "36",
		`document.querySelectorAll('#evaluation .note').length`:                                "0",
	} {
		if got := p.Eval(script); got != want {
			t.Errorf("%s is %q, want %q", script, got, want)
		}
	}
	p.Eval(`{ const n = document.querySelector('.pick select'); n.selectedIndex = 1; n.dispatchEvent(new Event('change')); }`)
	p.Wait(fmt.Sprintf(inAdmin, "evaluation", "It is of another model (0ther)"))
	p.Wait(focused(".pick select"))
}

func noEvaluation(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/#admin", browsertest.Look{})
	p.Wait(fmt.Sprintf(inAdmin, "evaluation", "No evaluation yet: searchd eval --queries FILE"))
}
