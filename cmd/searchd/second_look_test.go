package main

import (
	"testing"

	"sightline/cmd/internal/clitest"
)

// TestPicturesShareTheScheduler: a search by picture is counted with the others,
// at a pace of its own, and what it needs is loaded when it comes.
func TestPicturesShareTheScheduler(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t), "--cache", "none")
	s.search(t, map[string]any{"text": "a red mug", "deadline_ms": 20_000})
	if got := s.metric(t, "sightline_rerank_title_seconds"); got != 0 {
		t.Errorf("a title takes %v s before the first was read", got)
	}
	a := s.search(t, map[string]any{"image": map[string]any{"id": "p0074"}, "deadline_ms": 20_000})
	if a.Rerank.Read != "titles" || a.Rerank.Scored != 50 || a.Rerank.Stopped != "" {
		t.Fatalf("%+v", a.Rerank)
	}
	if got := s.metric(t, `sightline_rerank_requests_total{stopped="none"}`); got != 2 {
		t.Errorf("%v requests were read whole, want 2", got)
	}
	for _, name := range []string{"sightline_rerank_title_seconds", "sightline_rerank_projection_seconds"} {
		if got := s.metric(t, name); got <= 0 {
			t.Errorf("%s is %v", name, got)
		}
	}
}
