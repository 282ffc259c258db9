package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// asProgram makes this test binary run main: tests that need a process of its
// own, to send signals to, start themselves with it.
const asProgram = "SIGHTLINE_TEST_AS_PROGRAM"

const samples = clitest.Samples

// shared is what several tests use and none changes, made when first needed.
type shared struct {
	dir string

	build sync.Once
	err   error
	model sync.Once
	data  map[string]*sync.Once // by form of the patch states
}

var common shared

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	dir, err := os.MkdirTemp("", "searchd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	common = shared{dir: dir, data: map[string]*sync.Once{"auto": {}, "int8": {}}}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// indexd is the path of the real program. It is built with the race detector
// where this test is, because the compiled packages are at hand then.
func indexd(t *testing.T) string {
	t.Helper()
	path := filepath.Join(common.dir, "indexd")
	common.build.Do(func() {
		args := []string{"build", "-o", path}
		if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, "sightline/cmd/indexd")...).CombinedOutput(); err != nil {
			common.err = fmt.Errorf("build indexd: %w\n%s", err, out)
		}
	})
	if common.err != nil {
		t.Fatal(common.err)
	}
	return path
}

// runIndexd runs the real program to its end.
func runIndexd(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), indexd(t), args...)
	c.Env = environ
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("indexd %v: %v\n%s%s", args, err, out, errs.String())
	}
	return string(out)
}

// model is the samples' model, converted.
func model(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(common.dir, "model")
	common.model.Do(func() {
		runIndexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", dir)
	})
	return dir
}

// data is a data folder with the samples imported, patch states as named.
func data(t *testing.T, environ []string, states string) string {
	t.Helper()
	dir := filepath.Join(common.dir, "data-"+states)
	common.data[states].Do(func() {
		out := runIndexd(t, environ, "import", filepath.Join(samples, "feed.jsonl"), "--data", dir, "--model", model(t), "--states", states)
		if !strings.Contains(out, "240 written, 0 unchanged, 0 failed") {
			t.Errorf("import: %s", out)
		}
	})
	return dir
}

// server is a searchd in this process.
type server struct {
	url    string
	log    *clitest.Buffer
	stop   context.CancelFunc
	done   chan error
	client *http.Client
}

// addressWriter hands the first line on and checks that there is no other.
type addressWriter struct {
	first chan string
	buf   bytes.Buffer
}

func (w *addressWriter) Write(p []byte) (int, error) {
	w.buf.Write(p)
	if line, rest, ok := strings.Cut(w.buf.String(), "\n"); ok {
		w.first <- line + rest // rest is "" unless more was printed
	}
	return len(p), nil
}

// start runs searchd on a free port and waits for its address, not for ready.
func start(t *testing.T, environ []string, args ...string) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &server{log: &clitest.Buffer{}, stop: cancel, done: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}}}
	out := &addressWriter{first: make(chan string, 2)}
	args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	go func() { s.done <- run(ctx, args, environ, cli.Streams{Out: out, Err: s.log}) }()
	t.Cleanup(func() { cancel(); s.client.CloseIdleConnections() })
	select {
	case s.url = <-out.first:
	case err := <-s.done:
		t.Fatalf("searchd ended before it printed its address: %v\n%s", err, s.log)
	case <-time.After(time.Minute):
		t.Fatal("no address after a minute")
	}
	return s
}

// serve is start, and waits for ready. The server stops with the test, which
// holds it to exit code 0.
func serve(t *testing.T, environ []string, args ...string) *server {
	t.Helper()
	s := start(t, environ, args...)
	s.waitReady(t)
	t.Cleanup(func() { s.end(t, cli.ExitOK) })
	return s
}

func (s *server) waitReady(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); s.get(t, "/readyz", nil) != http.StatusOK; time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-s.done:
			t.Fatalf("searchd ended: %v\n%s", err, s.log)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("not ready after a minute\n%s", s.log)
		}
	}
}

// end stops the server as a signal does and checks its exit code.
func (s *server) end(t *testing.T, code int) {
	t.Helper()
	s.stop()
	s.client.CloseIdleConnections()
	select {
	case err := <-s.done:
		if got := cli.ExitCode(err); got != code {
			t.Errorf("exit code %d, want %d: %v\n%s", got, code, err, s.log)
		}
	case <-time.After(time.Minute):
		t.Errorf("searchd has not ended after a minute\n%s", s.log)
	}
}

// do sends a request and reads the JSON of the answer into v unless it is nil.
func (s *server) do(t *testing.T, req *http.Request, v any) int {
	t.Helper()
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if v == nil {
		return res.StatusCode
	}
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%s: %d, %v: %.500s", req.URL, res.StatusCode, err, body)
	}
	return res.StatusCode
}

func (s *server) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func (s *server) get(t *testing.T, path string, v any) int {
	t.Helper()
	return s.do(t, s.request(t, http.MethodGet, path, nil), v)
}

// hit and answer have the names of the REST API, as a client would write them.
type hit struct {
	ID          string         `json:"id"`
	Score       float64        `json:"score"`
	ITC         float64        `json:"itc"`
	Logit       *float64       `json:"itm_logit"`
	Probability *float64       `json:"match_probability"`
	Rank        int            `json:"rank"`
	ITCRank     int            `json:"itc_rank"`
	Item        map[string]any `json:"item"`
}

type reading struct {
	Scored  int    `json:"scored"`
	Of      int    `json:"of"`
	Stopped string `json:"stopped"`
}

type answer struct {
	Hits   []hit `json:"hits"`
	Rerank struct {
		reading

		Read     string  `json:"read"`
		Titles   reading `json:"titles"`
		Negative reading `json:"negative"`
	} `json:"rerank"`
	Timings map[string]float64 `json:"timings_ms"`
	Cached  bool               `json:"cached"`
}

// search posts a JSON request that must succeed, with all the time there may be
// unless it says another one: the machine may be busy.
func (s *server) search(t *testing.T, body map[string]any) answer {
	t.Helper()
	patient := map[string]any{"deadline_ms": 30_000}
	maps.Copy(patient, body)
	data, err := json.Marshal(patient)
	if err != nil {
		t.Fatal(err)
	}
	req := s.request(t, http.MethodPost, "/v1/search", bytes.NewReader(data))
	req.Header.Set("Content-Type", "application/json")
	var res answer
	if code := s.do(t, req, &res); code != http.StatusOK {
		t.Fatalf("%s: %d\n%s", data, code, s.log)
	}
	return res
}
