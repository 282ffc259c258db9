package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sightline/api"
)

type fakeEvaluations map[string]string

func (f fakeEvaluations) List(context.Context) ([]api.Evaluation, error) {
	var all []api.Evaluation
	for name := range f {
		all = append(all, api.Evaluation{Name: name, Time: time.Unix(0, 0).UTC(), Model: "f00d", Items: 3, Queries: 2, File: "q.jsonl"})
	}
	return all, nil
}

func (f fakeEvaluations) Get(_ context.Context, name string) ([]byte, error) {
	if body, ok := f[name]; ok {
		return []byte(body), nil
	}
	return nil, api.ErrNoEvaluation
}

func TestEvaluations(t *testing.T) {
	s := newShop(t)
	if w := s.send("GET", "/v1/evaluations", "", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"evaluations":[]}` {
		t.Errorf("of a server that keeps none: %d %s", w.Code, w.Body)
	}
	if w := s.send("GET", "/v1/evaluations/a", "", ""); w.Code != 404 {
		t.Errorf("of a server that keeps none: %d %s", w.Code, w.Body)
	}
	s.opts.Evaluations = fakeEvaluations{"20261126T210000.000Z": `{"queries":2}`}
	var list struct{ Evaluations []api.Evaluation }
	w := s.send("GET", "/v1/evaluations", "", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Evaluations) != 1 || list.Evaluations[0].Items != 3 {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
	if w := s.send("GET", "/v1/evaluations/"+list.Evaluations[0].Name, "", ""); w.Code != 200 || w.Body.String() != `{"queries":2}` || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for target, want := range map[string]int{"/none": 404, "/..%2Fsecret": 404, "/a/b": 404, "?x=1": 422, "/none?x=1": 422} {
		if w := s.send("GET", "/v1/evaluations"+target, "", ""); w.Code != want {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := s.send("DELETE", "/v1/evaluations/20261126T210000.000Z", "", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", w.Code)
	}
}
