// Package cli is what indexd and searchd share: settings, logging, the model
// behind a device, printing and exit codes.
package cli

import (
	"errors"
	"io/fs"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Settings are read from, weakest first: the flags' defaults, sightline.yaml,
// SIGHTLINE_* variables (SIGHTLINE_LOG_LEVEL is log-level), and flags given.
type Settings struct {
	File     string        `koanf:"settings"`
	Data     string        `koanf:"data"`
	Model    string        `koanf:"model"`
	Device   string        `koanf:"device"`
	Threads  int           `koanf:"threads"`
	Spin     bool          `koanf:"spin"`
	LogLevel string        `koanf:"log-level"`
	LogJSON  bool          `koanf:"log-json"`
	JSON     bool          `koanf:"json"`
	Format   string        `koanf:"format"`
	Batch    int           `koanf:"batch"`
	States   string        `koanf:"states"`
	Listen   string        `koanf:"listen"`
	Insecure bool          `koanf:"insecure-listen"`
	Depth    int           `koanf:"depth"`
	Deadline time.Duration `koanf:"deadline"`
	Searches int           `koanf:"max-searches"`
}

const variablePrefix = "SIGHTLINE_"

// defaultConfig is read where it exists; one named by --settings must.
const defaultConfig = "sightline.yaml"

// ModelFlags adds the flags of every command that runs a model.
func ModelFlags(fs *pflag.FlagSet) {
	fs.String("model", "sightline-model", "folder of the model, from 'indexd model convert'")
	fs.String("device", "cpu", "what to run on: cpu, cuda, cuda:N or auto")
	fs.Int("threads", runtime.NumCPU(), "threads of one model run")
	fs.Bool("spin", false, "let idle threads poll: a little faster, but an idle core stays busy")
}

// DataFlags adds the flags of every command that opens the data folder.
func DataFlags(fs *pflag.FlagSet) {
	fs.String("data", "./sightline-data", "data folder: catalogue, pictures, patch states")
}

// CommonFlags adds the flags of every command.
func CommonFlags(fs *pflag.FlagSet) {
	fs.String("settings", "", "settings file (default "+defaultConfig+", where there is one)")
	fs.String("log-level", "info", "debug, info, warn or error")
	fs.Bool("log-json", false, "log lines as JSON")
}

// Load settles the settings of a command whose flags are parsed.
func Load(flags *pflag.FlagSet, environ []string) (Settings, error) {
	k := koanf.New("\x00") // keys are flat: a delimiter that no key contains
	path, required := configPath(flags, environ)
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil && (required || !errors.Is(err, fs.ErrNotExist)) {
		return Settings{}, Usagef("settings file %s: %w", path, err)
	}
	if err := checkKeys(k, path); err != nil {
		return Settings{}, err
	}
	if err := k.Load(variables(environ), nil); err != nil {
		return Settings{}, Usagef("SIGHTLINE_* variables: %w", err)
	}
	if err := k.Load(posflag.Provider(flags, "\x00", k), nil); err != nil {
		return Settings{}, Usagef("flags: %w", err)
	}
	var s Settings
	if err := k.Unmarshal("", &s); err != nil {
		return Settings{}, Usagef("settings: %w", err)
	}
	return s, nil
}

func configPath(flags *pflag.FlagSet, environ []string) (path string, required bool) {
	if f := flags.Lookup("settings"); f != nil && f.Value.String() != "" {
		return f.Value.String(), true
	}
	if path := Getenv(environ)(variablePrefix + "SETTINGS"); path != "" {
		return path, true
	}
	return defaultConfig, false
}

// checkKeys refuses a key that no setting has: a misspelt one would otherwise
// be ignored in silence.
func checkKeys(k *koanf.Koanf, path string) error {
	known := map[string]bool{}
	for t, i := reflect.TypeFor[Settings](), 0; i < t.NumField(); i++ {
		known[t.Field(i).Tag.Get("koanf")] = true
	}
	for _, key := range k.Keys() {
		if !known[key] {
			return Usagef("settings file %s: there is no setting %q", path, key)
		}
	}
	return nil
}

func variables(environ []string) *env.Env {
	return env.Provider("\x00", env.Opt{
		Prefix:      variablePrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(key, value string) (string, any) {
			return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(key, variablePrefix)), "_", "-"), value
		},
	})
}

// Getenv looks names up in environ, as os.Getenv does in the process's own.
func Getenv(environ []string) func(string) string {
	return func(name string) string {
		for _, e := range environ {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
}

// Check reports settings that no command accepts.
func (s Settings) Check() error {
	switch {
	case s.Threads < 0 || s.Threads > 1024:
		return Usagef("--threads %d: use 1 to 1024", s.Threads)
	case s.States != "" && !slices.Contains([]string{"auto", "int8", "fp32"}, s.States):
		return Usagef("--states %q: use auto, int8 or fp32", s.States)
	}
	return nil
}
