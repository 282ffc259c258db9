package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/bundle"
	"sightline/indexer"
)

// asProgram makes this test binary run main: tests that need a process of its
// own, to send signals to, start themselves with it.
const asProgram = "SIGHTLINE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

const (
	samples = clitest.Samples
	parity  = "../../encoder/testdata/parity"
)

// result is what a run of the program left.
type result struct {
	out  string
	errs string
	code int
}

// indexd runs the program in this process.
func indexd(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	return indexdUntil(t.Context(), environ, args...)
}

func indexdUntil(ctx context.Context, environ []string, args ...string) result {
	var out, errs clitest.Buffer
	err := run(ctx, args, environ, cli.Streams{Out: &out, Err: &errs})
	code := cli.Report(&errs, "indexd", err)
	return result{out.String(), errs.String(), code}
}

// ok fails the test unless the program exited with 0.
func (r result) ok(t *testing.T) result {
	t.Helper()
	if r.code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.errs)
	}
	return r
}

// want holds the exit code and words of the error to what they should be.
func (r result) want(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", r.code, code, r.out, r.errs)
	}
	for _, w := range words {
		if !strings.Contains(r.errs, w) {
			t.Errorf("the error does not say %q:\n%s", w, r.errs)
		}
	}
}

// says holds the exit code and words of all that was printed to what they
// should be.
func (r result) says(t *testing.T, code int, words ...string) {
	t.Helper()
	result{errs: r.out + r.errs, code: r.code}.want(t, code, words...)
}

// unmarshal reads the program's only line of output.
func (r result) unmarshal(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), v); err != nil {
		t.Fatalf("output is not JSON: %v\n%s%s", err, r.out, r.errs)
	}
}

// sampleModel converts the model of the samples.
func sampleModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	indexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", dir).ok(t)
	return dir
}

// importSummary runs an import with --json.
func importSummary(t *testing.T, environ []string, args ...string) (indexer.Summary, result) {
	t.Helper()
	r := indexd(t, environ, append([]string{"import", "--json"}, args...)...)
	var sum indexer.Summary
	r.unmarshal(t, &sum)
	return sum, r
}

// openData opens what an import wrote.
func openData(t *testing.T, dir, model string) *cli.Data {
	t.Helper()
	m, err := bundle.Read(model)
	if err != nil {
		t.Fatal(err)
	}
	log, err := cli.NewLogger(t.Output(), cli.Settings{LogLevel: "info"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := cli.OpenData(t.Context(), cli.Env{Settings: cli.Settings{Data: dir}, Log: log}, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// start runs the program as a process of its own.
func start(t *testing.T, environ []string, errs io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append([]string{asProgram + "=1"}, environ...)
	c.Stderr = errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, data)
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
