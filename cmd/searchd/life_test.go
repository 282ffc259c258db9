package main

import (
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/bundle"
)

// searchd runs the program to its end, which is a refusal in these tests.
func searchd(t *testing.T, environ []string, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e clitest.Buffer
	code = cli.Report(&e, "searchd", run(t.Context(), args, environ, cli.Streams{Out: &o, Err: &e}))
	return o.String(), e.String(), code
}

// slowModel is a model folder whose vocabulary comes from the test: who opens
// the model waits for it.
func slowModel(t *testing.T) (dir string, reached, release func()) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(model(t))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, bundle.VocabularyFile)
	vocabulary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	pipe := clitest.Fifo(t, path)
	write := func(part []byte) {
		t.Helper()
		if _, err := pipe.Write(part); err != nil {
			t.Error(err)
		}
	}
	reached = func() {
		t.Helper()
		write(vocabulary[:1])
		// Only when that is gone has the program its end open: what lies in a
		// pipe that nobody has open is lost.
		clitest.Eventually(t, "the program to read the model", func() bool {
			left, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
			return err == nil && left == 0
		})
	}
	return dir, reached, func() {
		write(vocabulary[1:])
		if err := pipe.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestStart: alive at once, ready when model and data are loaded.
func TestStart(t *testing.T) {
	environ := clitest.Environ(t)
	dir, reached, release := slowModel(t)
	s := start(t, environ, "--data", data(t, environ, "auto"), "--model", dir)
	if code := s.get(t, "/healthz", nil); code != http.StatusOK {
		t.Errorf("healthz before ready: %d", code)
	}
	for _, path := range []string{"/readyz", "/v1/search?q=mug", "/v1/items/p0000", "/v1/items/p0000/image"} {
		var p struct{ Code, Detail string }
		if code := s.get(t, path, &p); code != http.StatusServiceUnavailable || p.Code != "unavailable" || !strings.Contains(p.Detail, "loading the model") {
			t.Errorf("%s before ready: %d, %+v", path, code, p)
		}
	}
	if code := s.get(t, "/", nil); code != http.StatusOK {
		t.Errorf("the page before ready: %d", code)
	}
	reached()
	release()
	s.waitReady(t)
	if code := s.get(t, "/v1/search?q=mug&deadline_ms=30000", nil); code != http.StatusOK {
		t.Errorf("search when ready: %d", code)
	}
	s.end(t, cli.ExitOK)
	if log := s.log.String(); !strings.Contains(log, "msg=ready items=240") {
		t.Errorf("log:\n%s", log)
	}
}

// TestStopWhileLoading: asked to stop before it was ready, it says so.
func TestStopWhileLoading(t *testing.T) {
	environ := clitest.Environ(t)
	dir, reached, release := slowModel(t)
	s := start(t, environ, "--data", data(t, environ, "auto"), "--model", dir)
	reached()
	s.stop()
	release()
	s.end(t, cli.ExitInterrupted)
	// The data folder is free again.
	serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
}

// upload is a search by picture whose body the test holds in its hand.
type upload struct {
	body   *io.PipeWriter
	form   *multipart.Writer
	answer chan string
}

// beginUpload returns once the service reads the body.
func (s *server) beginUpload(t *testing.T) *upload {
	t.Helper()
	r, w := io.Pipe()
	u := &upload{body: w, form: multipart.NewWriter(w), answer: make(chan string, 1)}
	reading := make(chan struct{})
	trace := &httptrace.ClientTrace{Got100Continue: func() { close(reading) }}
	req := s.request(t, http.MethodPost, "/v1/search", r)
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	req.Header.Set("Content-Type", u.form.FormDataContentType())
	req.Header.Set("Expect", "100-continue") // net/http sends it at the handler's first read
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
	go func() {
		res, err := client.Do(req)
		if err != nil {
			u.answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		u.answer <- fmt.Sprint(res.StatusCode, " ", string(body), err)
	}()
	select {
	case <-reading:
	case a := <-u.answer:
		t.Fatal(a)
	case <-time.After(time.Minute):
		t.Fatal("the service does not read the upload")
	}
	return u
}

// finish sends the picture and returns the answer.
func (u *upload) finish(t *testing.T, picture []byte) string {
	t.Helper()
	part, err := u.form.CreateFormFile("image", "photo.png")
	if err == nil {
		_, err = part.Write(picture)
	}
	if err == nil {
		err = u.form.Close()
	}
	if err != nil {
		t.Error(err)
	}
	u.body.Close()
	return <-u.answer
}

// waitRefused waits until new connections are refused.
func (s *server) waitRefused(t *testing.T) {
	t.Helper()
	clitest.Eventually(t, "connections to be refused", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// TestDrain: a search that is under way when the stop comes is answered, in
// full, and nobody new is let in.
func TestDrain(t *testing.T) {
	environ := clitest.Environ(t)
	s := start(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	s.waitReady(t)
	u := s.beginUpload(t)
	s.stop()
	s.waitRefused(t)
	select {
	case err := <-s.done:
		t.Fatalf("searchd ended with a request under way: %v", err)
	default:
	}
	if got := u.finish(t, samplePicture(t, "p0074")); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, `"hits":[{"id":"p0074"`) {
		t.Errorf("answer while stopping: %s", got)
	}
	s.end(t, cli.ExitOK)
}

func TestSecondServer(t *testing.T) {
	environ := clitest.Environ(t)
	dir := data(t, environ, "auto")
	s := serve(t, environ, "--data", dir, "--model", model(t))
	_, errs, code := searchd(t, environ, "--listen", "127.0.0.1:0", "--data", dir, "--model", model(t))
	if code != cli.ExitFailed || !strings.Contains(errs, fmt.Sprintf("another Sightline program (pid %d) has this data folder open", os.Getpid())) {
		t.Errorf("exit code %d, %s", code, errs)
	}
	if code := s.get(t, "/v1/search?q=mug&deadline_ms=30000", nil); code != http.StatusOK {
		t.Errorf("the first server: %d", code)
	}
}

// refusal is a call that cannot be served, its exit code and words of the error.
type refusal struct {
	environ []string
	args    []string
	code    int
	want    []string
}

func (r refusal) check(t *testing.T) {
	_, errs, code := searchd(t, r.environ, append([]string{"--listen", "127.0.0.1:0"}, r.args...)...)
	if code != r.code {
		t.Errorf("exit code %d, want %d", code, r.code)
	}
	for _, w := range r.want {
		if !strings.Contains(errs, w) {
			t.Errorf("%q does not say %q", errs, w)
		}
	}
	last := errs[strings.LastIndex(strings.TrimSuffix(errs, "\n"), "\n")+1:]
	if !strings.HasPrefix(last, "searchd: ") {
		t.Errorf("the error is not one line: %q", errs)
	}
}

func TestRefusals(t *testing.T) {
	environ := clitest.Environ(t)
	other := filepath.Join(t.TempDir(), "other")
	runIndexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", other, "--clean", "on")
	captioner := filepath.Join(t.TempDir(), "captioner")
	runIndexd(t, nil, "model", "convert", "../../demo/model/captioning", "--out", captioner)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	folder, port := data(t, environ, "auto"), busy.Addr().String()
	cases := map[string]refusal{
		"data of another model": {environ, []string{"--data", folder, "--model", other}, 1, []string{folder, "made with another model", "new --data folder"}},
		"no library":            {[]string{"SIGHTLINE_CACHE_DIR=" + t.TempDir()}, nil, 1, []string{"ONNX Runtime not found", "make runtime"}},
		"no model":              {environ, []string{"--model", "absent"}, 1, []string{"absent is not a model folder", "indexd model convert"}},
		"a captioner":           {environ, []string{"--model", captioner}, 1, []string{captioner, "the model is for captioning", "indexd model convert"}},
		"open and asking":       {environ, []string{"--listen", "0.0.0.0:0", "--insecure-listen", "--require-keys"}, 2, []string{"--insecure-listen", "--require-keys"}},
		"open with keys":        {environ, []string{"--listen", ":0", "--insecure-listen", "--keys", "k"}, 2, []string{"--insecure-listen", "--keys"}},
		"all pages, no keys":    {environ, []string{"--cors-origins", "*"}, 2, []string{"--cors-origins *", "needs keys"}},
		"not an origin":         {environ, []string{"--cors-origins", "shop.example"}, 2, []string{"--cors-origins", `"shop.example"`}},
		"not a proxy":           {environ, []string{"--trusted-proxies", "10.0.0.0/8,proxy.example"}, 2, []string{"--trusted-proxies", `"proxy.example"`}},
		"half a certificate":    {environ, []string{"--tls-cert", "cert.pem"}, 2, []string{"--tls-cert and --tls-key"}},
		"no certificate":        {environ, []string{"--tls-cert", "absent.pem", "--tls-key", "absent.pem"}, 1, []string{"--tls-cert", "absent.pem"}},
		"no file of keys":       {environ, []string{"--keys", "absent.jsonl"}, 1, []string{"absent.jsonl"}},
		"no folder for audit":   {environ, []string{"--audit", "absent/audit.jsonl"}, 1, []string{"--audit", "absent/audit.jsonl"}},
		"two problems":          {environ, []string{"--rate-limit", "-1", "--threads", "-1", "--cache", "much"}, 2, []string{"--threads -1", `--cache "much"`}},
		"no address":            {environ, []string{"--listen", "localhost"}, 2, []string{"HOST:PORT"}},
		"no port":               {environ, []string{"--listen", "127.0.0.1:http8"}, 1, []string{"--listen 127.0.0.1:http8"}},
		"busy port":             {environ, []string{"--listen", port}, 1, []string{port, "in use by another program", "--listen"}},
		"unknown command":       {environ, []string{"sevre"}, 2, []string{`"sevre"`, "usage: searchd"}},
		"unknown flag":          {environ, []string{"serve", "--prot", "80"}, 2, []string{"--prot", "searchd serve --help"}},
		"argument":              {environ, []string{"serve", "now"}, 2, []string{`"now"`, "usage: searchd serve"}},
		"number":                {environ, []string{"--max-searches", "-1"}, 2, []string{"--max-searches -1"}},
		"device":                {environ, []string{"--device", "gpu"}, 2, []string{`"gpu"`, "cuda:N"}},
	}
	for name, c := range cases {
		t.Run(name, c.check)
	}
	if _, err := os.Stat("sightline-data"); err == nil {
		t.Error("a refusal made a data folder")
	}
}

// TestInsecureListen: with the flag, every address is served.
func TestInsecureListen(t *testing.T) {
	environ := clitest.Environ(t)
	s := start(t, environ, "--listen", "0.0.0.0:0", "--insecure-listen", "--data", data(t, environ, "auto"), "--model", model(t))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://127.0.0.1:" + port
	s.waitReady(t)
	s.end(t, cli.ExitOK)
}

func TestHelpHasExamples(t *testing.T) {
	clitest.Help(t, func(args ...string) string { return help(t, args) })
}

// TestFlagsPage holds docs/flags.md to the help.
func TestFlagsPage(t *testing.T) {
	clitest.Flags(t, "searchd", func(args ...string) string { return help(t, args) })
}

func help(t *testing.T, args []string) string {
	t.Helper()
	out, errs, code := searchd(t, nil, append(args, "--help")...)
	if code != cli.ExitOK {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	return out
}

// failingWriter is an output that nobody reads any more.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestAddressMustBePrinted: a script that cannot read the address cannot use
// the service.
func TestAddressMustBePrinted(t *testing.T) {
	err := run(t.Context(), []string{"--listen", "127.0.0.1:0"}, nil, cli.Streams{Out: failingWriter{}, Err: io.Discard})
	if code := cli.ExitCode(err); code != cli.ExitFailed || !strings.Contains(err.Error(), "print address") {
		t.Errorf("exit code %d, %v", code, err)
	}
}
