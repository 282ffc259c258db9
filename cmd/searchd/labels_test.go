package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
)

// TestLabelsServed: what is written while searchd serves gets labels at once; filters and
// facets know them, and hidden items are found by those who ask for them only.
func TestLabelsServed(t *testing.T) {
	environ := clitest.Environ(t)
	list := filepath.Join(t.TempDir(), "labels.yaml")
	const text = "labels:\n  - {name: hat, texts: [a hat]}\n  - {name: candle, texts: [a candle], action: hide}\n"
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	runIndexd(t, environ, "import", filepath.Join(samples, "feed.jsonl"), "--data", dir, "--model", model(t), "--labels", list)
	s := serve(t, environ, "--data", dir, "--model", model(t), "--labels", list)

	found := func(body map[string]any) (ids []string) {
		body["limit"] = 100
		for _, h := range s.search(t, body).Hits {
			ids = append(ids, h.ID)
		}
		return ids
	}
	const candles = `picture_labels CONTAINS "candle"`
	shown := found(map[string]any{"text": "candle", "filter": candles})
	hidden := found(map[string]any{"text": "candle", "filter": candles, "include_hidden": true})
	if len(shown) != 0 || len(hidden) == 0 {
		t.Fatalf("%v are shown, %v hidden", shown, hidden)
	}
	hats := found(map[string]any{"text": "hat", "filter": `picture_labels CONTAINS "hat"`})
	if len(hats) == 0 {
		t.Error("no hat has its label")
	}
	for _, id := range found(map[string]any{"text": "candle"}) {
		if slices.Contains(hidden, id) {
			t.Errorf("%s is hidden, and found", id)
		}
	}
	// A copy of a hidden picture under a new id has its label when it is there.
	body, form := form(t, samplePicture(t, hidden[0]), map[string]string{"item": `{"title":"New"}`})
	r := s.request(t, "PUT", "/v1/items/new-one", body)
	r.Header.Set("Content-Type", form)
	r.Header.Set("Prefer", "wait=30")
	var job struct{ State, Outcome, Reason string }
	if code := s.do(t, r, &job); code >= 300 {
		t.Fatalf("PUT: %d", code)
	}
	if now := found(map[string]any{"text": "candle", "filter": candles, "include_hidden": true}); !slices.Contains(now, "new-one") {
		t.Errorf("the new item has no label: %v", now)
	}
	// Somebody corrects it.
	r = s.request(t, "PATCH", "/v1/items/new-one", strings.NewReader(`{"picture_labels":["hat"]}`))
	r.Header.Set("Content-Type", "application/merge-patch+json")
	r.Header.Set("Prefer", "wait=30")
	if code := s.do(t, r, nil); code >= 300 {
		t.Fatalf("PATCH: %d", code)
	}
	if now := found(map[string]any{"text": "hat", "filter": `picture_labels CONTAINS "hat"`}); !slices.Contains(now, "new-one") {
		t.Errorf("the correction is not there: %v", now)
	}
}
