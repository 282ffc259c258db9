package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// author converts a checkpoint of the repository.
func convertAuthor(t *testing.T, name string, path ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	runIndexd(t, nil, "model", "convert", filepath.Join(append([]string{"..", ".."}, path...)...), "--out", dir)
	return dir
}

// writtenCaption and writtenAnswer have the names of the REST API.
type writtenCaption struct {
	Captions []struct {
		Text        string   `json:"text"`
		IDs         []int64  `json:"ids"`
		Probability *float64 `json:"match_probability"`
	} `json:"captions"`
	Model  string `json:"model"`
	Cached bool   `json:"cached"`
}

type writtenAnswer struct {
	Text   string `json:"text"`
	Ranked []struct {
		Text string `json:"text"`
	} `json:"ranked"`
}

func (s *server) post(t *testing.T, path, body string, v any) int {
	t.Helper()
	req := s.request(t, http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	return s.do(t, req, v)
}

// TestWriting: captions by the demo's captioner, what they say as indexd model
// caption says it, answers by a random model, all while searches go on.
func TestWriting(t *testing.T) {
	environ := clitest.Environ(t)
	captioner := convertAuthor(t, "captioner", "demo", "model", "captioning")
	answerer := convertAuthor(t, "answerer", "encoder", "testdata", "decoder", "vqa")
	s := serve(t, environ, "--model", model(t), "--data", data(t, environ, "auto"), "--read-only", "--captioner", captioner, "--answerer", answerer)
	said := strings.TrimSpace(runIndexd(t, environ, "model", "caption", "--model", captioner, "--image", filepath.Join(samples, "pictures", "p0001.png")))

	var searches sync.WaitGroup
	stop := make(chan struct{})
	searches.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.get(t, fmt.Sprintf("/v1/search?q=red+shoe+%d", i), nil)
			}
		}
	})
	var c writtenCaption
	code := s.post(t, "/v1/captions", `{"images":[{"id":"p0001"},{"id":"p0002"}],"ids":true}`, &c)
	if code != http.StatusOK || len(c.Captions) != 2 || c.Captions[0].Text != said || len(c.Captions[0].IDs) < 3 || c.Captions[0].Probability == nil || *c.Captions[0].Probability < 0.5 {
		t.Errorf("%d: %+v, indexd says %q", code, c, said)
	}
	var a writtenAnswer
	if code := s.post(t, "/v1/answers", `{"image":{"id":"p0001"},"question":"what is it?","answers":["shoe","hat"]}`, &a); code != http.StatusOK || len(a.Ranked) != 2 || a.Text != a.Ranked[0].Text {
		t.Errorf("%d: %+v", code, a)
	}
	if code := s.post(t, "/v1/answers", `{"image":{"id":"p0001"},"question":"what is it?","max_length":6,"min_length":4}`, &a); code != http.StatusOK || a.Text == "" {
		t.Errorf("%d: %+v", code, a)
	}
	close(stop)
	searches.Wait()
	if code := s.post(t, "/v1/captions", `{"images":[{"id":"p0001"},{"id":"p0002"}],"ids":true}`, &c); code != http.StatusOK || !c.Cached || c.Captions[0].Text != said {
		t.Errorf("the second time: %d %+v", code, c)
	}
	var ready map[string]any
	if s.get(t, "/readyz", &ready); ready["captioner"] != c.Model || ready["answerer"] == nil {
		t.Errorf("ready: %v", ready)
	}
	rows := documented(t)
	shown := s.families(t)
	for name := range shown {
		if _, ok := rows[name]; !ok && strings.HasPrefix(name, "sightline_writing") {
			t.Errorf("docs/metrics.md lacks %s", name)
		}
	}
	for name := range rows {
		if strings.HasPrefix(name, "sightline_writing") && !shown[name] {
			t.Errorf("docs/metrics.md has %s, which is not shown", name)
		}
	}
}

// TestWrongAuthor: a model of another task is refused at the start, and by
// --check-config, with the fix.
func TestWrongAuthor(t *testing.T) {
	environ := clitest.Environ(t)
	out, errs, code := searchd(t, environ, "--check-config", "--model", model(t), "--captioner", model(t), "--answerer", filepath.Join(t.TempDir(), "none"))
	for _, want := range []string{"--captioner", "needs one for captioning", "blip-image-captioning", "--answerer", "none"} {
		if code != cli.ExitUsage || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in %s%s", code, want, out, errs)
		}
	}
	s := start(t, environ, "--model", model(t), "--data", data(t, environ, "auto"), "--read-only", "--captioner", model(t))
	err := <-s.done
	if err == nil || !strings.Contains(err.Error(), "needs one for captioning") {
		t.Errorf("served with a model of another task: %v", err)
	}
	s = serve(t, append(environ, "SIGHTLINE_CAPTIONER="), "--model", model(t), "--data", data(t, environ, "auto"), "--read-only")
	var p struct{ Detail string }
	if code := s.post(t, "/v1/captions", `{"image":{"id":"p0001"}}`, &p); code != http.StatusNotImplemented || !strings.Contains(p.Detail, "--captioner DIR") {
		t.Errorf("without a captioner: %d %s", code, p.Detail)
	}
}
