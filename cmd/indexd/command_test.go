package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

func TestHelpHasExamples(t *testing.T) {
	clitest.Help(t, func(args ...string) string {
		return indexd(t, nil, append(args, "--help")...).ok(t).out
	})
}

// TestFlagsPage holds docs/flags.md to the help.
func TestFlagsPage(t *testing.T) {
	clitest.Flags(t, "indexd", func(args ...string) string {
		return indexd(t, nil, append(args, "--help")...).ok(t).out
	})
}

func TestWrongArguments(t *testing.T) {
	cases := map[string]struct {
		args []string
		want []string
	}{
		"unknown command":        {[]string{"inport", "x"}, []string{`"inport"`, "usage: indexd"}},
		"unknown model command":  {[]string{"model", "inspect", "x"}, []string{`"inspect"`, "usage: indexd model"}},
		"unknown flag":           {[]string{"import", "x", "--fast"}, []string{"--fast", "indexd import --help"}},
		"import of nothing":      {[]string{"import"}, []string{"usage: indexd import FEED"}},
		"import of two":          {[]string{"import", "a", "b"}, []string{"usage: indexd import FEED"}},
		"import of what is not":  {[]string{"import", "absent.jsonl"}, []string{"absent.jsonl"}},
		"import of odd format":   {[]string{"import", samples, "--format", "xml"}, []string{`"xml"`, "google-xml"}},
		"import of no feed":      {[]string{"import", "command_test.go"}, []string{"no column is the id"}},
		"odd states":             {[]string{"import", samples, "--states", "int4"}, []string{`"int4"`, "auto, int8 or fp32"}},
		"odd batch":              {[]string{"import", samples, "--batch", "-1"}, []string{"--batch -1"}},
		"odd device":             {[]string{"import", samples, "--device", "gpu"}, []string{`"gpu"`, "cuda:N"}},
		"info of nothing":        {[]string{"model", "info"}, []string{"usage: indexd model info DIR"}},
		"verify of nothing":      {[]string{"model", "verify"}, []string{"usage: indexd model verify DIR"}},
		"convert of nothing":     {[]string{"model", "convert"}, []string{"usage: indexd model convert SRC"}},
		"convert to nowhere":     {[]string{"model", "convert", samples}, []string{"--out DIR"}},
		"score of nothing":       {[]string{"model", "score"}, []string{"--image FILE and --text TEXT, or --pairs"}},
		"score without text":     {[]string{"model", "score", "--image", "x.png"}, []string{"--image FILE and --text TEXT"}},
		"score without image":    {[]string{"model", "score", "--text", "x"}, []string{"--image FILE and --text TEXT"}},
		"score of one and many":  {[]string{"model", "score", "--image", "x", "--text", "x", "--pairs", "x"}, []string{"or --pairs"}},
		"score of pairs, a text": {[]string{"model", "score", "--text", "x", "--pairs", "x"}, []string{"or --pairs"}},
		"no settings file":       {[]string{"model", "info", "x", "--settings", "absent.yaml"}, []string{"absent.yaml", "no such file"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			indexd(t, nil, c.args...).want(t, cli.ExitUsage, c.want...)
		})
	}
}

// TestSettingsPrecedence reads from the error which log level was taken.
func TestSettingsPrecedence(t *testing.T) {
	t.Chdir(t.TempDir())
	level := func(environ []string, args ...string) result {
		return indexd(t, environ, append([]string{"model", "info", "absent"}, args...)...)
	}
	level(nil).want(t, cli.ExitFailed, "absent is not a model folder")
	writeFile(t, "sightline.yaml", []byte("log-level: of-file\n"))
	level(nil).want(t, cli.ExitUsage, `"of-file"`)
	environ := []string{"SIGHTLINE_LOG_LEVEL=of-variable"}
	level(environ).want(t, cli.ExitUsage, `"of-variable"`)
	level(environ, "--log-level", "of-flag").want(t, cli.ExitUsage, `"of-flag"`)
	writeFile(t, "own.yaml", []byte("log-level: of-own-file\n"))
	level(nil, "--settings", "own.yaml").want(t, cli.ExitUsage, `"of-own-file"`)
	writeFile(t, "sightline.yaml", []byte("log-levle: warn\n"))
	level(nil).want(t, cli.ExitUsage, "sightline.yaml", `"log-levle"`, "log-level")
}

func TestMissingParts(t *testing.T) {
	feed := filepath.Join(samples, "feed.jsonl")
	t.Run("library", func(t *testing.T) {
		r := indexd(t, []string{"SIGHTLINE_CACHE_DIR=" + t.TempDir()}, "import", feed, "--data", t.TempDir())
		r.want(t, cli.ExitFailed, "ONNX Runtime not found", "make runtime")
	})
	t.Run("model", func(t *testing.T) {
		data := filepath.Join(t.TempDir(), "data")
		r := indexd(t, clitest.Environ(t), "import", feed, "--data", data, "--model", "absent")
		r.want(t, cli.ExitFailed, "absent is not a model folder", "indexd model convert")
		if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a data folder was made for no model: %v", err)
		}
	})
}
