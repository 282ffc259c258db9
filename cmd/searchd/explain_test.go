package main

import (
	"image/png"
	"math"
	"net/http"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
)

// explanation has the names of the REST API.
type explanation struct {
	ITC         float64 `json:"itc"`
	Logit       float64 `json:"itm_logit"`
	Probability float64 `json:"match_probability"`
	Score       float64 `json:"score"`
	Words       []struct {
		Word   string      `json:"word"`
		Tokens []string    `json:"tokens"`
		Share  float64     `json:"share"`
		Grid   [][]float64 `json:"grid"`
	} `json:"words"`
	Rows   int   `json:"rows"`
	Cols   int   `json:"cols"`
	Layers []int `json:"layers"`
}

// TestExplain: the best hit of a search, explained, has the numbers that the
// search gave it, and a map a word.
func TestExplain(t *testing.T) {
	environ := clitest.Environ(t)
	for states, allowed := range map[string]float64{"auto": 1e-4, "int8": 0.15} {
		t.Run(states, func(t *testing.T) {
			s := serve(t, environ, "--data", data(t, environ, states), "--model", model(t))
			s.checkExplain(t, allowed)
			s.checkOverlay(t)
		})
	}
}

// checkExplain allows for what int8 products in the search move: the
// explanation computes in fp32, of the same stored states.
func (s *server) checkExplain(t *testing.T, allowed float64) {
	t.Helper()
	const text = "a brown striped hat with a white band"
	best := s.search(t, map[string]any{"text": text, "limit": 1}).Hits[0]
	var e explanation
	if code := s.explain(t, `{"text":"`+text+`","id":"`+best.ID+`"}`, &e); code != http.StatusOK {
		t.Fatalf("status %d: %s", code, s.log)
	}
	if math.Abs(e.Logit-*best.Logit) > allowed || math.Abs(e.ITC-best.ITC) > 1e-5 || math.Abs(e.Probability-*best.Probability) > allowed {
		t.Errorf("%+v, the search said %g, %g, %g", e, *best.Logit, best.ITC, *best.Probability)
	}
	if math.Abs(e.Score-e.ITC-e.Logit) > 1e-6 || e.Rows < 4 || e.Cols != e.Rows || len(e.Layers) == 0 {
		t.Errorf("score %g, %d x %d, layers %v", e.Score, e.Rows, e.Cols, e.Layers)
	}
	var words []string
	for _, w := range e.Words {
		words = append(words, w.Word)
		sum := 0.0
		for _, row := range w.Grid {
			for _, v := range row {
				sum += v
			}
		}
		if len(w.Grid) != e.Rows || math.Abs(sum-1) > 1e-3 || w.Share <= 0 || w.Share > 1.00001 {
			t.Errorf("%s: %d rows, sum %g, share %g", w.Word, len(w.Grid), sum, w.Share)
		}
	}
	if got := strings.Join(words, " "); got != text {
		t.Errorf("words %q", got)
	}
}

func (s *server) checkOverlay(t *testing.T) {
	t.Helper()
	req := s.request(t, http.MethodPost, "/v1/explain", strings.NewReader(`{"text":"hat with white band","id":"p0001","word":"white band"}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "image/png")
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	img, err := png.Decode(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || max(img.Bounds().Dx(), img.Bounds().Dy()) != 768 {
		t.Errorf("status %d, %v", res.StatusCode, err)
	}
}

func (s *server) explain(t *testing.T, body string, v any) int {
	t.Helper()
	req := s.request(t, http.MethodPost, "/v1/explain", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	return s.do(t, req, v)
}
