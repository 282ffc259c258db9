package cli

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestBuild(t *testing.T) {
	settings := func(pairs ...string) (s []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			s = append(s, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return s
	}
	cases := map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"a test, or sources without Git": {debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "(devel)"}}, "devel go1.26.0 "},
		"a tag": {
			debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.0"}, Settings: settings("vcs.revision", "abc", "vcs.time", "2026-11-26T00:00:00Z", "vcs.modified", "false")},
			"v1.2.0 (commit abc, 2026-11-26T00:00:00Z) go1.26.0 ",
		},
		"changes": {
			debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.1-0.2026+dirty"}, Settings: settings("vcs.revision", "abc", "vcs.time", "T", "vcs.modified", "true")},
			"v1.2.1-0.2026+dirty (commit abc, T, with changes) go1.26.0 ",
		},
	}
	for name, c := range cases {
		if got := buildOf(&c.info, "", "").String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	image := cases["a test, or sources without Git"].info
	if got := buildOf(&image, "1.2.0", "abc").String(); !strings.HasPrefix(got, "1.2.0 (commit abc) go1.26.0 ") {
		t.Errorf("told by the linker: %q", got)
	}
	tagged := cases["a tag"].info
	if got := buildOf(&tagged, "9", "def").String(); !strings.HasPrefix(got, "v1.2.0 (commit abc, ") {
		t.Errorf("what Go has written goes first: %q", got)
	}
	if b := BuildInfo(); b.Version == "" || !strings.HasPrefix(b.Go, "go1.") {
		t.Errorf("of this test: %+v", b)
	}
}
