package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func (f *fakeAPI) jobs(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []map[string]any{}
	if r.FormValue("state") == "leased" && f.done < 10 {
		list = append(list, map[string]any{"job": "j1", "group": "p-group", "id": "p003", "state": "leased"})
	}
	reply(w, 200, map[string]any{"items": list})
}

func (f *fakeAPI) job(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	leased := min(1, 10-f.done)
	reply(w, 200, map[string]any{"id": r.PathValue("id"), "state": "running", "counts": map[string]int{"waiting": 10 - f.done - leased, "leased": leased, "done": f.done}})
}

func (f *fakeAPI) retry(w http.ResponseWriter, r *http.Request) {
	job, ok := strings.CutSuffix(r.PathValue("id"), ":retry")
	if !ok {
		http.NotFound(w, r)
		return
	}
	f.mu.Lock()
	f.retried = append(f.retried, job)
	f.mu.Unlock()
	reply(w, 200, map[string]any{"job": job, "retried": 1})
}

// failed are three changes in two stages, but for those that wait again.
func (f *fakeAPI) failed() []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []map[string]any{}
	for _, j := range []map[string]any{
		{"job": "j8", "id": "p008", "stage": "decode", "reason": "this is text, not a picture; send a JPEG, PNG or WebP picture"},
		{"job": "j9", "id": "p009", "stage": "fetch", "reason": "404 from shop.example"},
		{"job": "j10", "id": "p010", "stage": "fetch", "reason": "404 from shop.example"},
	} {
		if !slices.Contains(f.retried, j["job"].(string)) {
			j["state"], j["attempt"], j["changed_at"] = "dead", 5, "2026-11-26T14:45:14Z"
			list = append(list, j)
		}
	}
	return list
}

func event(seq int, item string) string {
	return fmt.Sprintf(`{"seq":%d,"time":"2026-11-26T14:45:14Z","job":"j1","item":%q,"state":"done","outcome":"written"}`, seq, item)
}

// events has event 7, and those that the test keeps.
func (f *fakeAPI) events(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("after") == "0" {
		fmt.Fprintln(w, event(7, "p003"))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.kept {
		if !strings.HasPrefix(e, `{"seq":`+r.FormValue("after")+",") {
			fmt.Fprintln(w, e)
		}
	}
}

// live streams what the test sends to news.
func (f *fakeAPI) live(w http.ResponseWriter, r *http.Request) {
	if f.overridden(w, r, nil) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	fmt.Fprint(w, "retry: 100\n\n")
	for flush() == nil {
		select {
		case e := <-f.news:
			if e == "" { // the stream breaks off
				return
			}
			fmt.Fprintf(w, "data: %s\n\n", e)
		case <-r.Context().Done():
			return
		case <-f.ended:
			return
		}
	}
}

// report is an evaluation at four depths of a model.
func report(model string) string {
	return fmt.Sprintf(`{"time":"2026-11-26T20:00:00Z","items":2000,"file":"queries.jsonl","queries":50,"model":%q,"rows":[
		{"depth":0,"r1":0.92,"r5":0.97,"r10":0.98,"mrr":0.95,"ndcg10":0.966,"map_100":0.95,"p50_ms":4.2,"p95_ms":6,"cut":0},
		{"depth":50,"r1":0.99,"r5":1,"r10":1,"mrr":0.99,"ndcg10":0.992,"map_100":0.99,"p50_ms":92,"p95_ms":110,"cut":0},
		{"depth":20,"r1":0.98,"r5":0.99,"r10":1,"mrr":0.985,"ndcg10":0.98,"map_100":0.98,"p50_ms":41,"p95_ms":50,"cut":0},
		{"depth":100,"r1":1,"r5":1,"r10":1,"mrr":1,"ndcg10":0.997,"map_100":1,"p50_ms":180,"p95_ms":220,"cut":3}],
		"reliability":{"pairs":5000,"relevant":60,"brier":0.004,"ece":0.012,"bins":[]}}`, model)
}

func evaluationName(i int) string { return fmt.Sprintf("2026112%dT200000.000Z", 9-i) }

func (f *fakeAPI) evaluations(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []map[string]any{}
	for i, body := range f.reports {
		var told map[string]any
		if err := json.Unmarshal([]byte(body), &told); err != nil {
			reply(w, 500, map[string]any{"detail": err.Error()})
			return
		}
		list = append(list, map[string]any{"name": evaluationName(i), "time": told["time"], "model": told["model"], "items": told["items"], "queries": told["queries"], "file": told["file"]})
	}
	reply(w, 200, map[string]any{"evaluations": list})
}

func (f *fakeAPI) evaluation(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, body := range f.reports {
		if evaluationName(i) == r.PathValue("name") {
			reply(w, 200, json.RawMessage(body))
			return
		}
	}
	reply(w, 404, map[string]any{"detail": "There is no evaluation of this name."})
}

// send hands an event to the stream that is open.
func (f *fakeAPI) send(t *testing.T, e string) {
	t.Helper()
	select {
	case f.news <- e:
	case <-t.Context().Done():
		t.Fatal("no stream is open")
	}
}

// set changes what the API knows.
func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}
