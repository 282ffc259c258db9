package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/encodertest"
)

// contractTime is what Schemathesis has for its requests, beside its start.
const contractTime = 40 * time.Second

// TestContract lets Schemathesis make up requests from /openapi.json, good and
// bad ones, for a searchd with the samples in it and pictures to fetch: no answer
// may be a failure of the server or other than the document says.
func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	program, err := encodertest.Program("SIGHTLINE_SCHEMATHESIS", "schemathesis", "schemathesis")
	if err != nil {
		encodertest.Missing(t, "schemathesis", err)
	}
	w := newWriting(t, "--max-searches", "64",
		"--captioner", convertAuthor(t, "captioner", "demo", "model", "captioning"),
		"--answerer", convertAuthor(t, "answerer", "encoder", "testdata", "decoder", "vqa"))
	w.fill(t)
	dir := t.TempDir() // where it also leaves notes of its own
	for _, name := range []string{"schemathesis.toml", "schemathesis_hooks.py"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), contractTime+2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program, "--config-file", "schemathesis.toml", "run", w.url+"/openapi.json",
		"--max-time", strconv.Itoa(int(contractTime/time.Second)), "--seed", "1", "--no-color", "--generation-database", "none")
	c.Dir, c.Env = dir, append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("schemathesis: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), " generated, ") {
		t.Errorf("nothing was tried:\n%s", out)
	}
	t.Logf("%s", tail(string(out), 1500))
	if strings.Contains(w.log.String(), "panic: ") {
		t.Errorf("the server's log:\n%s", tail(w.log.String(), 5000))
	}
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// fill puts some items in, so that the ids of the document's examples are there.
func (w writing) fill(t *testing.T) {
	t.Helper()
	var lines strings.Builder
	for i := range 20 {
		fmt.Fprintf(&lines, `{"id":"p%04d","title":"product %[1]d","price":%[1]d,"currency":"EUR","image":"%[2]s/p%04[1]d.png"}`+"\n", i, w.shop)
	}
	code, r := w.send(t, http.MethodPost, "/v1/items:batch", lines.String(), "Content-Type", "application/x-ndjson")
	if code != http.StatusAccepted {
		t.Fatalf("batch: %d %+v", code, r)
	}
	w.settled(t, r.Job)
}

// TestDocumentOfAProcess: the document is there before the model is, and needs
// no key.
func TestDocumentOfAProcess(t *testing.T) {
	environ := clitest.Environ(t)
	s := start(t, environ, "--data", filepath.Join(t.TempDir(), "data"), "--model", model(t), "--require-keys")
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/docs"} {
		res, err := s.client.Do(s.request(t, http.MethodGet, path, nil))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || len(body) < 1000 {
			t.Errorf("%s: %d, %d bytes, %v", path, res.StatusCode, len(body), err)
		}
	}
	s.waitReady(t) // a start that is broken off has another exit code
	s.end(t, cli.ExitOK)
}
