package cli

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// Build is what a program was built from, as the go command wrote it into it.
type Build struct {
	Version  string // the commit's tag, else Go's pseudo-version of it, else the linker's, else "devel"
	Revision string // commit; "" in a program that was not built in a Git work tree
	Time     string // of the commit, RFC 3339
	Modified bool   // the work tree had changes
	Go       string
}

// version and revision are set by the linker where the build has no Git work tree to
// read them from, as in images:
//
//	go build -ldflags '-X sightline/cmd/internal/cli.version=1.2.0 -X sightline/cmd/internal/cli.revision=COMMIT'
//
// What Go itself has written into the program goes before them.
var version, revision string

// BuildInfo reads the running program's.
func BuildInfo() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Version: cmp.Or(version, "devel"), Revision: revision, Go: runtime.Version()}
	}
	return buildOf(info, version, revision)
}

// buildOf takes version and revision where Go has written none.
func buildOf(info *debug.BuildInfo, version, revision string) Build {
	b := Build{Version: info.Main.Version, Revision: revision, Go: info.GoVersion}
	if b.Version == "(devel)" || b.Version == "" {
		b.Version = cmp.Or(version, "devel")
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is one line for --version.
func (b Build) String() string {
	text := b.Version
	if b.Revision != "" {
		text += " (commit " + b.Revision
		if b.Time != "" {
			text += ", " + b.Time
		}
		if b.Modified {
			text += ", with changes"
		}
		text += ")"
	}
	return text + " " + b.Go + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// Metric shows the build as sightline_build_info.
func (b Build) Metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sightline_build_info", Help: "1; the labels say what the program was built from.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": cmp.Or(b.Revision, "unknown"), "go": b.Go},
	}, func() float64 { return 1 })
}
