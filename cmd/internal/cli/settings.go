// Package cli is what indexd and searchd share: settings, logging, the model
// behind a device, printing and exit codes.
package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"reflect"
	"regexp"
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
	File     string `koanf:"settings"`
	Data     string `koanf:"data"`
	Model    string `koanf:"model"`
	Device   string `koanf:"device"`
	Threads  int    `koanf:"threads"`
	Spin     bool   `koanf:"spin"`
	LogLevel string `koanf:"log-level"`
	LogJSON  bool   `koanf:"log-json"`
	JSON     bool   `koanf:"json"`
	Format   string `koanf:"format"`

	Map         string `koanf:"map"`
	Encoding    string `koanf:"encoding"`
	Currency    string `koanf:"currency"`
	Variants    bool   `koanf:"shopify-variants"`
	Unpublished bool   `koanf:"shopify-unpublished"`
	Report      string `koanf:"report"`

	FetchAllow   string        `koanf:"fetch-allow"`
	FetchPorts   string        `koanf:"fetch-ports"`
	FetchPerHost int           `koanf:"fetch-per-host"`
	FetchTimeout time.Duration `koanf:"fetch-timeout"`
	FetchContact string        `koanf:"fetch-contact"`
	Revalidate   time.Duration `koanf:"revalidate"`
	FullSync     bool          `koanf:"full-sync"`
	MaxVanish    int           `koanf:"max-vanish"`
	Force        bool          `koanf:"force"`
	DryRun       bool          `koanf:"dry-run"`

	Older   time.Duration `koanf:"older"`
	Queue   string        `koanf:"queue"`
	Workers int           `koanf:"workers"`
	Server  string        `koanf:"server"`
	Feed    string        `koanf:"feed"`
	Every   time.Duration `koanf:"every"`
	Shops   string        `koanf:"shopify-shops"`

	Batch    int    `koanf:"batch"`
	Deep     bool   `koanf:"deep"`
	Switch   bool   `koanf:"switch"`
	Estimate bool   `koanf:"estimate"`
	Follow   bool   `koanf:"follow"`
	States   string `koanf:"states"`
	Listen   string `koanf:"listen"`
	Insecure bool   `koanf:"insecure-listen"`
	Hosts    string `koanf:"hosts"`
	Searches int    `koanf:"max-searches"`
	ReadOnly bool   `koanf:"read-only"`

	FeaturesMB     int    `koanf:"features-budget-mb"`
	PicturesMB     int    `koanf:"pictures-budget-mb"`
	Blobs          string `koanf:"blobs"`
	Store          string `koanf:"store"`
	MilvusAddr     string `koanf:"milvus-addr"`
	MilvusUser     string `koanf:"milvus-user"`
	MilvusDatabase string `koanf:"milvus-database"`
	MilvusPrefix   string `koanf:"milvus-prefix"`
	MilvusCA       string `koanf:"milvus-ca"`

	Cache       string        `koanf:"cache"`
	CacheMB     int           `koanf:"cache-mb"`
	CacheTTL    time.Duration `koanf:"cache-ttl"`
	CacheFresh  time.Duration `koanf:"cache-fresh"`
	RedisURL    string        `koanf:"redis-url"`
	RedisPrefix string        `koanf:"redis-prefix"`
	RedisCA     string        `koanf:"redis-ca"`
}

const variablePrefix = "SIGHTLINE_"

// delimiter joins the keys of nested settings. There are none, so it is a
// character that no key contains.
const delimiter = "\x00"

// defaultConfig is read where it exists; one named by --settings must.
const defaultConfig = "sightline.yaml"

// ModelFlags adds the flags of every command that runs a model.
func ModelFlags(fs *pflag.FlagSet) {
	fs.String("model", "sightline-model", "folder of the model, from 'indexd model convert'")
	fs.String("device", "cpu", "what to run on: cpu, cuda, cuda:N or auto")
	// GOMAXPROCS heeds a container's CPU limit; the number of CPUs does not.
	fs.Int("threads", runtime.GOMAXPROCS(0), "threads of one model run")
	fs.Bool("spin", false, "let idle threads poll: a little faster, but an idle core stays busy")
}

// CommonFlags adds the flags of every command.
func CommonFlags(fs *pflag.FlagSet) {
	fs.String("settings", "", "settings file (default "+defaultConfig+", where there is one)")
	fs.String("log-level", "info", "debug, info, warn or error")
	fs.Bool("log-json", false, "log lines as JSON")
}

// Load settles the settings of a command whose flags are parsed.
func Load(flags *pflag.FlagSet, environ []string) (Settings, error) {
	k := koanf.New(delimiter)
	path, required := configPath(flags, environ)
	from := "settings file " + path
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil && (required || !errors.Is(err, fs.ErrNotExist)) {
		return Settings{}, Usagef("%s: %w", from, err)
	}
	if err := checkKeys(k, from); err != nil {
		return Settings{}, err
	}
	if _, err := decode(k, from); err != nil {
		return Settings{}, err
	}
	if err := k.Load(variables(environ), nil); err != nil {
		return Settings{}, Usagef("SIGHTLINE_* variables: %w", err)
	}
	if _, err := decode(k, "SIGHTLINE_* variables"); err != nil {
		return Settings{}, err
	}
	if err := k.Load(posflag.Provider(flags, delimiter, k), nil); err != nil {
		return Settings{}, Usagef("flags: %w", err)
	}
	return decode(k, "flags")
}

// decode is called after each layer, so that an error names the one at fault.
// The decoder spreads its errors over lines; they are put back on one.
func decode(k *koanf.Koanf, from string) (Settings, error) {
	var s Settings
	if err := k.Unmarshal("", &s); err != nil {
		_, text, _ := strings.Cut(err.Error(), "\n\n")
		return s, Usagef("%s: %s", from, strings.ReplaceAll(cmp.Or(text, err.Error()), "\n", "; "))
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

// checkKeys refuses a key that no setting has, and one without a value: either
// would otherwise be ignored in silence.
func checkKeys(k *koanf.Koanf, from string) error {
	var known []string
	for f := range reflect.TypeFor[Settings]().Fields() {
		known = append(known, f.Tag.Get("koanf"))
	}
	slices.Sort(known)
	for _, key := range k.Keys() {
		name := strings.ReplaceAll(key, delimiter, ": ")
		if !slices.Contains(known, key) {
			return Usagef("%s: there is no setting %q; there are %s", from, name, strings.Join(known, ", "))
		}
		if k.Get(key) == nil {
			return Usagef("%s: setting %q has no value; give one or leave the line out", from, name)
		}
	}
	return nil
}

// variables reads SIGHTLINE_*; an empty one counts as not set. Names that no
// setting has are passed over: Kubernetes makes SIGHTLINE_PORT and the like for
// a service that is called sightline.
func variables(environ []string) *env.Env {
	return env.Provider(delimiter, env.Opt{
		Prefix:      variablePrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(key, value string) (string, any) {
			if value == "" {
				return "", nil
			}
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

// devicePattern is what encoder/ort understands.
const devicePattern = `^(cpu|auto|cuda(:[0-9]{1,2})?)$`

// Check reports settings that no command accepts. A setting that the command
// has no flag for is zero, which passes.
func (s Settings) Check() error {
	switch {
	case s.Threads < 0 || s.Threads > 1024:
		return Usagef("--threads %d: use 1 to 1024, or 0 for one a CPU", s.Threads)
	case s.Batch < 0 || s.Batch > 1024:
		return Usagef("--batch %d: use 1 to 1024", s.Batch)
	case s.MaxVanish < 0 || s.MaxVanish > 100:
		return Usagef("--max-vanish %d: use 0 to 100 percent", s.MaxVanish)
	case s.Searches < 0:
		return Usagef("--max-searches %d: use 1 or more, or 0 for 4 a CPU", s.Searches)
	case s.Device != "" && !regexp.MustCompile(devicePattern).MatchString(s.Device):
		return Usagef("--device %q: use cpu, cuda, cuda:N or auto", s.Device)
	case s.States != "" && !slices.Contains([]string{"auto", "int8", "fp32"}, s.States):
		return Usagef("--states %q: use auto, int8 or fp32", s.States)
	}
	return cmp.Or(s.checkData(), s.checkFetch(), s.checkIngest(), s.checkCache())
}
