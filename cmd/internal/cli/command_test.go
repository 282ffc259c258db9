package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
)

// execute runs a program of one group with one command that takes one
// argument, and returns what the command was given.
func execute(t *testing.T, args ...string) (got *cli.Env, out string, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	var b strings.Builder
	s := cli.Streams{Out: &b, Err: io.Discard}
	root := cli.Group(&cobra.Command{Use: "prog", Short: "Test"})
	c := &cobra.Command{
		Use: "do NAME", Args: cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do([]string{"SIGHTLINE_THREADS=2"}, s, func(_ context.Context, e cli.Env, _ []string) error {
			got = &e
			return nil
		}),
	}
	cli.ModelFlags(c.Flags())
	root.AddCommand(c)
	err = cli.Run(t.Context(), root, args, s)
	return got, b.String(), err
}

func TestDoSettlesTheSettings(t *testing.T) {
	e, _, err := execute(t, "do", "x", "--model", "m")
	if err != nil {
		t.Fatal(err)
	}
	if e.Model != "m" || e.Threads != 2 || e.Log == nil || len(e.Environ) != 1 {
		t.Errorf("got %+v", e)
	}
}

func TestWrongUse(t *testing.T) {
	cases := map[string]struct {
		args []string
		want []string
	}{
		"unknown command":   {[]string{"bogus"}, []string{`unknown command "bogus"`, "usage: prog"}},
		"unknown flag":      {[]string{"do", "x", "--bogus"}, []string{"--bogus", "see 'prog do --help'"}},
		"flag of no number": {[]string{"do", "x", "--threads", "two"}, []string{"--threads", "two"}},
		"no argument":       {[]string{"do"}, []string{"1 arg", "usage: prog do NAME"}},
		"two arguments":     {[]string{"do", "x", "y"}, []string{"1 arg", "usage: prog do NAME"}},
		"bad device":        {[]string{"do", "x", "--device", "tpu"}, []string{`"tpu"`}},
		"bad level":         {[]string{"do", "x", "--log-level", "loud"}, []string{"--log-level", `"loud"`, "debug, info"}},
		"bad settings file": {[]string{"do", "x", "--settings", "absent.yaml"}, []string{"absent.yaml"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e, _, err := execute(t, c.args...)
			if e != nil {
				t.Error("the command ran")
			}
			wantUsage(t, err, c.want...)
		})
	}
}

func TestGroupAloneShowsHelp(t *testing.T) {
	_, out, err := execute(t)
	if err != nil || !strings.Contains(out, "Available Commands") {
		t.Errorf("%v, %q", err, out)
	}
}

func TestPrintJSON(t *testing.T) {
	var b strings.Builder
	if err := cli.PrintJSON(&b, map[string]int{"written": 3}); err != nil || b.String() != "{\"written\":3}\n" {
		t.Errorf("%v, %q", err, b.String())
	}
	if err := cli.PrintJSON(&b, math.NaN()); err == nil {
		t.Error("NaN was printed")
	}
	broken, w := io.Pipe()
	broken.CloseWithError(errors.New("reader left"))
	if err := cli.PrintJSON(w, 1); err == nil || !strings.Contains(err.Error(), "reader left") {
		t.Errorf("got %v", err)
	}
}

func TestLogger(t *testing.T) {
	var b strings.Builder
	log, err := cli.NewLogger(&b, cli.Settings{LogLevel: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hidden")
	log.Warn("shown", "items", 3)
	if s := b.String(); strings.Contains(s, "hidden") || !strings.Contains(s, "level=WARN msg=shown items=3") {
		t.Errorf("text log: %q", s)
	}
	b.Reset()
	if log, err = cli.NewLogger(&b, cli.Settings{LogLevel: "debug", LogJSON: true}); err != nil {
		t.Fatal(err)
	}
	log.Debug("shown")
	var line map[string]any
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil || line["msg"] != "shown" || line["level"] != "DEBUG" {
		t.Errorf("JSON log: %q, %v", b.String(), err)
	}
	_, err = cli.NewLogger(&b, cli.Settings{LogLevel: "loud"})
	wantUsage(t, err, `"loud"`)
}

func TestIsTerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if cli.IsTerminal(f) || cli.IsTerminal(io.Discard) {
		t.Error("a file is no terminal")
	}
}
