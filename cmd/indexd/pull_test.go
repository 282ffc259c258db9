package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/bundle"
	"sightline/encoder/hub/hubtest"
)

const (
	demoModel = "../../demo/model/retrieval"
	hubRepo   = "sightline/blip-demo"
)

// hubFolder reads a checkpoint's folder as a repository's files.
func hubFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// hubEnviron is an environment with a Hub, and a cache folder of its own.
func hubEnviron(t *testing.T, s *hubtest.Server) []string {
	t.Helper()
	return []string{"HF_ENDPOINT=" + s.URL, "SIGHTLINE_CACHE_DIR=" + t.TempDir()}
}

func cacheOf(environ []string) string { return cli.Getenv(environ)("SIGHTLINE_CACHE_DIR") }

// cached are the files of weights in a cache folder, whole and in part.
func cached(environ []string) (whole, partial []string) {
	name := strings.Repeat("?", 64)
	whole, _ = filepath.Glob(filepath.Join(cacheOf(environ), "hub", "*", "*", "blobs", name))
	partial, _ = filepath.Glob(filepath.Join(cacheOf(environ), "hub", "*", "*", ".partial", name))
	return whole, partial
}

// demoFingerprint is the demo model's when it is converted from its folder.
func demoFingerprint(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	indexd(t, nil, "model", "convert", demoModel, "--out", dir).ok(t)
	m, err := bundle.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m.Fingerprint
}

// A captioner comes with what it says of lengths in generation_config.json.
func TestPullCaptioner(t *testing.T) {
	s := hubtest.New(t)
	s.Put(hubRepo, "main", hubFolder(t, "../../demo/model/captioning"))
	out := filepath.Join(t.TempDir(), "model")
	indexd(t, hubEnviron(t, s), "model", "pull", hubRepo, "--out", out).ok(t)
	m, err := bundle.Read(out)
	if err != nil || m.Task != bundle.Captioning || len(s.Requests("generation_config.json")) == 0 {
		t.Errorf("task %s, %v", m.Task, err)
	}
}

// TestPull is a user's way from a name on the Hub to a model folder.
func TestPull(t *testing.T) {
	s := hubtest.New(t)
	s.Token = "hf_secret"
	commit := s.Put(hubRepo, "refs/pr/5", hubFolder(t, demoModel))
	token := filepath.Join(t.TempDir(), "token")
	writeFile(t, token, []byte("hf_secret\n"))
	environ := append(hubEnviron(t, s), "HF_TOKEN_PATH="+token)
	out := filepath.Join(t.TempDir(), "model")
	r := indexd(t, environ, "model", "pull", hubRepo+"@refs/pr/5", "--out", out, "--json").ok(t)
	var m bundle.Manifest
	r.unmarshal(t, &m)
	if m.Fingerprint != demoFingerprint(t) || m.Source.Path != hubRepo+"@"+commit || m.Calibration == nil {
		t.Errorf("manifest: fingerprint %s, source %+v, calibration %+v", m.Fingerprint, m.Source, m.Calibration)
	}
	n := len(s.Requests("model.safetensors"))
	if again := indexd(t, environ, "model", "pull", hubRepo+"@refs/pr/5", "--out", out).ok(t); !strings.Contains(again.out, "already") {
		t.Errorf("the model again: %s", again.out)
	}
	indexd(t, environ, "model", "pull", hubRepo+"@refs/pr/5", "--out", out, "--precision", "int8").want(t, cli.ExitFailed, out, "--force")
	if len(s.Requests("model.safetensors")) != n {
		t.Error("a model that is there was downloaded again")
	}
	var last struct {
		Done, Total int64
		File        string
	}
	lines := strings.Split(strings.TrimSpace(r.errs), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Done != last.Total || last.File != "model.safetensors" {
		t.Errorf("progress ends with %+v, %v:\n%s", last, err, r.errs)
	}
	if whole, partial := cached(environ); len(whole)+len(partial) > 0 {
		t.Errorf("left in the cache: %v, %v", whole, partial)
	}
	indexd(t, nil, "model", "verify", out).ok(t)
}

// TestPullKeep: what is kept serves other precisions without a network.
func TestPullKeep(t *testing.T) {
	s := hubtest.New(t)
	s.Put(hubRepo, "main", hubFolder(t, demoModel))
	environ, dir := hubEnviron(t, s), t.TempDir()
	indexd(t, environ, "model", "pull", hubRepo, "--out", filepath.Join(dir, "a"), "--offline").want(t, cli.ExitFailed, "offline, and the cache has nothing", "--keep")
	indexd(t, environ, "model", "pull", hubRepo, "--out", filepath.Join(dir, "a"), "--keep").ok(t)
	s.Spoil(func(w http.ResponseWriter, _ *http.Request) bool {
		t.Error("the server was asked")
		w.WriteHeader(http.StatusTeapot)
		return true
	})
	for _, offline := range []string{"HF_HUB_OFFLINE=1", "HF_HUB_OFFLINE=true"} {
		indexd(t, append(environ, offline), "model", "pull", hubRepo, "--out", filepath.Join(dir, offline), "--precision", "int8").ok(t)
	}
	m, err := bundle.Read(filepath.Join(dir, "HF_HUB_OFFLINE=1"))
	if err != nil || m.Precision != bundle.INT8 {
		t.Errorf("precision %s, %v", m.Precision, err)
	}
}

// TestPullKilled kills the real program in the middle of the weights. There is
// then no model and no whole file of weights, and the next run asks for the rest.
func TestPullKilled(t *testing.T) {
	files := hubFolder(t, demoModel)
	weights := files["model.safetensors"]
	const half = 5_000_000
	for name, end := range map[string]os.Signal{"kill": os.Kill, "Ctrl-C": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			s := hubtest.New(t)
			s.Put(hubRepo, "main", files)
			environ, out := hubEnviron(t, s), filepath.Join(t.TempDir(), "model")
			s.Spoil(stopAt(weights, half))
			var log clitest.Buffer
			c := start(t, environ, &log, "model", "pull", hubRepo, "--out", out)
			clitest.Eventually(t, "half of the weights", func() bool {
				_, partial := cached(environ)
				return len(partial) == 1 && fileSize(partial[0]) == half
			})
			if err := c.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err == nil {
				t.Error("the program ended well")
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); len(left) > 0 {
				t.Errorf("left where the model would be: %v", left)
			}
			if whole, _ := cached(environ); len(whole) > 0 {
				t.Errorf("whole files: %v", whole)
			}
			s.Spoil(nil)
			indexd(t, environ, "model", "pull", hubRepo, "--out", out).ok(t)
			m, err := bundle.Read(out)
			if err != nil || m.Fingerprint != demoFingerprint(t) {
				t.Errorf("fingerprint %s, %v\n%s", m.Fingerprint, err, log.String())
			}
			requests := s.Requests("model.safetensors")
			if got := requests[len(requests)-1].Header; got.Get("Range") != "bytes=5000000-" || got.Get("If-Range") == "" {
				t.Errorf("the rest was asked for with %v", got)
			}
		})
	}
}

// stopAt sends the first n bytes of the weights and then nothing until the
// client leaves.
func stopAt(data []byte, n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("signature") == "" {
			return false
		}
		sum := sha256.Sum256(data)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data[:n])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

func TestPullRefusals(t *testing.T) {
	demo := hubFolder(t, demoModel)
	without := func(name string, more ...string) map[string][]byte {
		files := map[string][]byte{}
		for n, data := range demo {
			if n != name {
				files[n] = data
			}
		}
		for _, n := range more {
			files[n] = []byte("{}")
		}
		return files
	}
	another := without("")
	another["config.json"] = bytes.Replace(demo["config.json"], []byte("BlipForImageTextRetrieval"), []byte("BlipForImageClassification"), 1)
	cases := map[string]struct {
		files map[string][]byte
		args  []string
		code  int
		want  []string
	}{
		"another task":     {files: another, code: cli.ExitFailed, want: []string{"BlipForImageClassification", "BlipForQuestionAnswering"}},
		"another model":    {files: map[string][]byte{"config.json": []byte(`{"model_type":"clip"}`), "vocab.txt": demo["vocab.txt"], "model.safetensors": {1}}, code: cli.ExitFailed, want: []string{`"clip"`}},
		"sharded":          {files: without("model.safetensors", "model.safetensors.index.json"), code: cli.ExitFailed, want: []string{"split over several files", "max_shard_size"}},
		"TensorFlow only":  {files: without("model.safetensors", "tf_model.h5"), code: cli.ExitFailed, want: []string{"TensorFlow or Flax only", "refs/pr/N"}},
		"no weights":       {files: without("model.safetensors"), code: cli.ExitFailed, want: []string{"no model.safetensors and no pytorch_model.bin"}},
		"no configuration": {files: without("config.json"), code: cli.ExitFailed, want: []string{"no config.json"}},
		"no vocabulary":    {files: without("vocab.txt"), code: cli.ExitFailed, want: []string{"--vocab"}},
		"a URL":            {args: []string{"https://hub.example/a/b"}, code: cli.ExitUsage, want: []string{"OWNER/NAME", "HF_ENDPOINT"}},
		"precision":        {args: []string{hubRepo, "--precision", "int3"}, code: cli.ExitFailed, want: []string{`"int3"`}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := hubtest.New(t)
			s.Put(hubRepo, "main", c.files)
			out := filepath.Join(t.TempDir(), "model")
			args := c.args
			if args == nil {
				args = []string{hubRepo}
			}
			indexd(t, hubEnviron(t, s), append([]string{"model", "pull", "--out", out}, args...)...).want(t, c.code, c.want...)
			if n := len(s.Requests("model.safetensors")); n > 0 {
				t.Errorf("weights were asked for %d times", n)
			}
		})
	}
	t.Run("token file", func(t *testing.T) {
		indexd(t, []string{"HF_TOKEN_PATH=absent", "SIGHTLINE_CACHE_DIR=" + t.TempDir()}, "model", "pull", hubRepo).want(t, cli.ExitUsage, "HF_TOKEN_PATH", "absent")
	})
}

// TestPullPickle: without safetensors the pickle is taken, by the allow-list of convert.
func TestPullPickle(t *testing.T) {
	src := filepath.Join(parity, "hf-sparse-bin")
	s := hubtest.New(t)
	s.Put(hubRepo, "main", hubFolder(t, src))
	out := filepath.Join(t.TempDir(), "model")
	indexd(t, hubEnviron(t, s), "model", "pull", hubRepo, "--out", out).ok(t)
	m, err := bundle.Read(out)
	if err != nil || m.Source.Weights != "pytorch_model.bin" {
		t.Errorf("source %+v, %v", m.Source, err)
	}
}
