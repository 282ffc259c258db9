// Package cli is what indexd and searchd share: settings, logging, the model
// behind a device, printing and exit codes.
package cli

import (
	"cmp"
	"errors"
	"fmt"
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
	File      string `koanf:"settings"`
	Data      string `koanf:"data"`
	Model     string `koanf:"model"`
	Captioner string `koanf:"captioner"`
	Answerer  string `koanf:"answerer"`
	Device    string `koanf:"device"`
	Threads   int    `koanf:"threads"`
	Spin      bool   `koanf:"spin"`
	LogLevel  string `koanf:"log-level"`
	LogJSON   bool   `koanf:"log-json"`
	JSON      bool   `koanf:"json"`
	Format    string `koanf:"format"`

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
	ShrunkMB int    `koanf:"shrunk-mb"`
	ReadOnly bool   `koanf:"read-only"`
	Pprof    bool   `koanf:"pprof"`

	HeaderTimeout  time.Duration `koanf:"header-timeout"`
	BodyTimeout    time.Duration `koanf:"body-timeout"`
	IdleTimeout    time.Duration `koanf:"idle-timeout"`
	MaxConnections int           `koanf:"max-connections"`

	RequireKeys bool    `koanf:"require-keys"`
	Keys        string  `koanf:"keys"`
	Name        string  `koanf:"name"`
	Scopes      string  `koanf:"scopes"`
	Expires     string  `koanf:"expires"`
	RateLimit   float64 `koanf:"rate-limit"`
	CORS        string  `koanf:"cors-origins"`
	Proxies     string  `koanf:"trusted-proxies"`
	ProxyHeader string  `koanf:"proxy-header"`
	Audit       string  `koanf:"audit"`
	TLSCert     string  `koanf:"tls-cert"`
	TLSKey      string  `koanf:"tls-key"`
	MetricsOpen bool    `koanf:"metrics-open"`

	Captions bool `koanf:"captions"`

	// Labels is a list, or the name of a file with one: see LabelSet.
	Labels         any  `koanf:"labels"`
	HideUnlabelled bool `koanf:"hide-unlabelled"`

	Weights string `koanf:"weights"`
	Rules   string `koanf:"rules"`

	Features       string `koanf:"features"`
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
	DeviceFlags(fs)
}

// DeviceFlags adds those of them that say what to run on.
func DeviceFlags(fs *pflag.FlagSet) {
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

// Load settles the settings of a command whose flags are parsed. The error names
// all that is wrong in all layers; the settings are then those that could be read.
func Load(flags *pflag.FlagSet, environ []string) (Settings, error) {
	path, required := configPath(flags, environ)
	from := "settings file " + path
	var p problems
	given, variable := koanf.New(delimiter), koanf.New(delimiter)
	if err := given.Load(file.Provider(path), yaml.Parser()); err != nil && (required || !errors.Is(err, fs.ErrNotExist)) {
		p.note(fmt.Errorf("%s: %w", from, err))
	}
	checkKeys(given, from, &p)
	p.note(decode(given, from, &Settings{}))
	if err := variable.Load(variables(environ), nil); err != nil {
		p.note(fmt.Errorf("SIGHTLINE_* variables: %w", err))
	}
	p.note(decode(variable, "SIGHTLINE_* variables", &Settings{}))
	all, s := koanf.New(delimiter), Settings{}
	err := errors.Join(all.Merge(given), all.Merge(variable), all.Load(posflag.Provider(flags, delimiter, all), nil))
	if err == nil {
		err = decode(all, "flags", &s)
	}
	if err != nil && len(p) == 0 { // else it repeats what was noted
		p.note(err)
	}
	return s, p.err()
}

// decode is called for each layer, so that an error names the one at fault.
// The decoder spreads its errors over lines; they are put back on one.
func decode(k *koanf.Koanf, from string, into *Settings) error {
	err := k.Unmarshal("", into)
	if err == nil {
		return nil
	}
	_, text, _ := strings.Cut(err.Error(), "\n\n")
	return fmt.Errorf("%s: %s", from, strings.ReplaceAll(cmp.Or(text, err.Error()), "\n", "; "))
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
func checkKeys(k *koanf.Koanf, from string, p *problems) {
	var known []string
	for f := range reflect.TypeFor[Settings]().Fields() {
		known = append(known, f.Tag.Get("koanf"))
	}
	slices.Sort(known)
	for _, key := range k.Keys() {
		name := strings.ReplaceAll(key, delimiter, ": ")
		exists := slices.Contains(known, key)
		p.add(!exists, "%s: there is no setting %q; there are %s", from, name, strings.Join(known, ", "))
		p.add(exists && k.Get(key) == nil, "%s: setting %q has no value; give one or leave the line out", from, name)
	}
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

// checkNetwork is Check's part for how connections are served.
func (s Settings) checkNetwork(p *problems) {
	for _, t := range []struct {
		name string
		is   time.Duration
	}{{"header-timeout", s.HeaderTimeout}, {"body-timeout", s.BodyTimeout}, {"idle-timeout", s.IdleTimeout}} {
		p.add(t.is < 0 || t.is > time.Hour, "--%s %s: use 1ms to 1h", t.name, t.is)
	}
	p.add(s.MaxConnections < 0 || s.MaxConnections > 1<<20, "--max-connections %d: use 1 to 1048576", s.MaxConnections)
	p.add(s.ShrunkMB < 0 || s.ShrunkMB > 1<<20, "--shrunk-mb %d: use 1 to 1048576, or 0 to keep none", s.ShrunkMB)
}

// Check reports settings that no command accepts, all of them. A setting that the command
// has no flag for is zero, which passes.
func (s Settings) Check() error {
	var p problems
	p.add(s.Threads < 0 || s.Threads > 1024, "--threads %d: use 1 to 1024, or 0 for one a CPU", s.Threads)
	p.add(s.Batch < 0 || s.Batch > 1024, "--batch %d: use 1 to 1024", s.Batch)
	p.add(s.MaxVanish < 0 || s.MaxVanish > 100, "--max-vanish %d: use 0 to 100 percent", s.MaxVanish)
	p.add(s.Searches < 0, "--max-searches %d: use 1 or more, or 0 for 1024, or 64 a CPU if more", s.Searches)
	p.add(s.Device != "" && !regexp.MustCompile(devicePattern).MatchString(s.Device), "--device %q: use cpu, cuda, cuda:N or auto", s.Device)
	p.add(!oneOf(s.States, "", "auto", "int8", "fp32"), "--states %q: use auto, int8 or fp32", s.States)
	s.checkNetwork(&p)
	s.checkData(&p)
	s.checkFetch(&p)
	s.checkIngest(&p)
	s.checkCache(&p)
	s.checkLabels(&p)
	return p.err()
}
