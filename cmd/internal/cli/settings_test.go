package cli_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
)

// flags are those of a command that takes every shared one, parsed from args.
func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	cli.CommonFlags(fs)
	cli.DataFlags(fs)
	cli.ModelFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadPrecedence(t *testing.T) {
	const file = "model: of-file\n"
	cases := map[string]struct {
		file string
		env  []string
		args []string
		want string
	}{
		"default":            {want: "sightline-model"},
		"file over default":  {file: file, want: "of-file"},
		"variable over file": {file: file, env: []string{"SIGHTLINE_MODEL=of-variable"}, want: "of-variable"},
		"flag over variable": {file: file, env: []string{"SIGHTLINE_MODEL=of-variable"}, args: []string{"--model", "of-flag"}, want: "of-flag"},
		"a flag that repeats the default is given": {file: file, args: []string{"--model", "sightline-model"}, want: "sightline-model"},
		"empty variable is not set":                {file: file, env: []string{"SIGHTLINE_MODEL="}, want: "of-file"},
		"other prefix":                             {env: []string{"MODEL=x", "XSIGHTLINE_MODEL=y"}, want: "sightline-model"},
		"variable of no setting":                   {env: []string{"SIGHTLINE_PORT=tcp://10.0.0.1:80", "SIGHTLINE_ORT_LIB=/x"}, want: "sightline-model"},
		"file of comments only":                    {file: "# nothing yet\n", want: "sightline-model"},
		"setting of another command":               {file: "listen: 127.0.0.1:80\nbatch: 4\n", want: "sightline-model"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if c.file != "" {
				writeFile(t, "sightline.yaml", c.file)
			}
			s, err := cli.Load(flags(t, c.args...), c.env)
			if err != nil {
				t.Fatal(err)
			}
			if s.Model != c.want {
				t.Errorf("model %q, want %q", s.Model, c.want)
			}
		})
	}
}

func TestLoadTypes(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "sightline.yaml", "threads: 3\nspin: true\nlisten: 127.0.0.1:8080\n")
	s, err := cli.Load(flags(t), []string{"SIGHTLINE_LOG_JSON=true", "SIGHTLINE_LOG_LEVEL=debug", "SIGHTLINE_BATCH=16"})
	if err != nil {
		t.Fatal(err)
	}
	want := cli.Settings{
		Data: "./sightline-data", Model: "sightline-model", Device: "cpu", Threads: 3, Spin: true, Features: "auto",
		Store: "embedded", MilvusAddr: "localhost:19530", MilvusPrefix: "sightline", LogLevel: "debug", LogJSON: true, Batch: 16, Listen: "127.0.0.1:8080",
	}
	if s != want {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestThreadsHeedTheLimitOfTheContainer(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	t.Chdir(t.TempDir())
	if s, err := cli.Load(flags(t), nil); err != nil || s.Threads != 1 {
		t.Errorf("%d threads, %v; want 1", s.Threads, err)
	}
}

func TestSettingsFileByName(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "sightline.yaml", "model: standard\n")
	writeFile(t, "a.yaml", "model: a\n")
	writeFile(t, "b.yaml", "model: b\n")
	for _, c := range []struct {
		want      string
		env, args []string
	}{
		{want: "a", args: []string{"--settings", "a.yaml"}},
		{want: "b", env: []string{"SIGHTLINE_SETTINGS=b.yaml"}},
		{want: "a", env: []string{"SIGHTLINE_SETTINGS=b.yaml"}, args: []string{"--settings", "a.yaml"}},
	} {
		if s, err := cli.Load(flags(t, c.args...), c.env); err != nil || s.Model != c.want {
			t.Errorf("%v %v: model %q, %v; want %q", c.env, c.args, s.Model, err, c.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	cases := map[string]struct {
		file string
		env  []string
		args []string
		want []string
	}{
		"misspelt key":             {file: "modle: x\n", want: []string{"sightline.yaml", `"modle"`, "model"}},
		"nested key":               {file: "log:\n  level: debug\n", want: []string{`"log: level"`, "log-level"}},
		"underscore":               {file: "log_level: debug\n", want: []string{`"log_level"`, "log-level"}},
		"no value":                 {file: "log-level:\n", want: []string{`"log-level" has no value`}},
		"wrong type in the file":   {file: "threads: two\n", want: []string{"sightline.yaml", "'threads'", "int"}},
		"two wrong types":          {file: "threads: two\nspin: perhaps\n", want: []string{"'threads'", "'spin'"}},
		"wrong type in a variable": {env: []string{"SIGHTLINE_THREADS=two"}, want: []string{"SIGHTLINE_* variables", "'threads'", "int"}},
		"broken YAML":              {file: "threads: [1\n", want: []string{"sightline.yaml", "line"}},
		"no such file":             {args: []string{"--settings", "absent.yaml"}, want: []string{"absent.yaml", "no such file"}},
		"no such file by variable": {env: []string{"SIGHTLINE_SETTINGS=absent.yaml"}, want: []string{"absent.yaml", "no such file"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if c.file != "" {
				writeFile(t, "sightline.yaml", c.file)
			}
			_, err := cli.Load(flags(t, c.args...), c.env)
			wantUsage(t, err, c.want...)
		})
	}
}

// wantUsage holds err to exit code 2, one line, and the words.
func wantUsage(t *testing.T, err error, words ...string) {
	t.Helper()
	if code := cli.ExitCode(err); code != cli.ExitUsage {
		t.Errorf("exit code %d for %v", code, err)
	}
	if err == nil {
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\x00") {
		t.Errorf("%q is not one plain line", err)
	}
}

func TestCheck(t *testing.T) {
	good := []cli.Settings{
		{},
		{Threads: 1024, Batch: 1024, Searches: 1, Device: "cpu", States: "auto"},
		{Device: "cuda", States: "int8"},
		{Device: "cuda:3", States: "fp32"},
		{Device: "auto"},
	}
	for _, s := range good {
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	bad := []struct {
		settings cli.Settings
		want     string
	}{
		{cli.Settings{Threads: -1}, "--threads -1: use 1 to 1024"},
		{cli.Settings{Threads: 1025}, "--threads 1025"},
		{cli.Settings{Batch: -1}, "--batch -1"},
		{cli.Settings{Batch: 1025}, "--batch 1025"},
		{cli.Settings{Searches: -1}, "--max-searches -1"},
		{cli.Settings{Device: "gpu"}, `--device "gpu": use cpu`},
		{cli.Settings{Device: "cuda:x"}, "cuda:N"},
		{cli.Settings{Device: "cpu:1"}, "cuda:N"},
		{cli.Settings{States: "int4"}, `--states "int4": use auto, int8 or fp32`},
	}
	for _, c := range bad {
		wantUsage(t, c.settings.Check(), c.want)
	}
}

func TestGetenv(t *testing.T) {
	get := cli.Getenv([]string{"A=1", "AB=2", "EMPTY=", "C=x=y"})
	for name, want := range map[string]string{"A": "1", "AB": "2", "EMPTY": "", "C": "x=y", "B": "", "": ""} {
		if got := get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
