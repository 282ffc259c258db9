package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unit is a file of systemd: section and name, with all values in their order.
type unit map[string][]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	u, section := unit{}, ""
	for n, l := range strings.Split(string(text), "\n") {
		l = strings.TrimSpace(l)
		key, value, ok := strings.Cut(l, "=")
		switch {
		case l == "" || strings.HasPrefix(l, "#"):
		case strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]"):
			section = l
		case !ok || section == "":
			t.Fatalf("%s:%d: %q", name, n+1, l)
		default:
			u[section+key] = append(u[section+key], value)
		}
	}
	return u
}

// TestUnits: the programs accept the command lines and variables of the units, which
// leave searchd its time to end and are confined.
func TestUnits(t *testing.T) {
	p := buildPrograms(t)
	for _, name := range []string{"searchd.service", "sightline-backup.service"} {
		u := readUnit(t, name)
		env := map[string]string{}
		for _, e := range u["[Service]Environment"] {
			key, value, _ := strings.Cut(e, "=")
			env[key] = value
		}
		checkVariables(t, p, env)
		for _, line := range slices.Concat(u["[Service]ExecStartPre"], u["[Service]ExecStart"]) {
			args := strings.Fields(line)
			if dir := filepath.Dir(args[0]); dir != "/usr/local/bin" {
				t.Errorf("%s: programs are in %s", name, dir)
			}
			args[0] = filepath.Base(args[0])
			checkUnitLine(t, p, env, args)
		}
		for key, value := range map[string]string{
			"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "CapabilityBoundingSet": "", "User": "sightline",
		} {
			if got := u["[Service]"+key]; len(got) != 1 || got[0] != value {
				t.Errorf("%s: %s is %q, want %q", name, key, got, value)
			}
		}
	}
	if got := readUnit(t, "searchd.service")["[Service]TimeoutStopSec"]; !slices.Equal(got, []string{"60"}) {
		t.Errorf("searchd is given %s s to end", got)
	}
}

func checkUnitLine(t *testing.T, p programs, env map[string]string, args []string) {
	t.Helper()
	mine := maps.Clone(env)
	mine["SIGHTLINE_DATA"] = t.TempDir()
	want := 0
	switch {
	case args[0] == "searchd":
		mine["SIGHTLINE_MODEL"] = p.model
		args = append(args, "--check-config")
	case args[1] == "model":
		args[len(args)-1] = p.model
	default: // there is nothing to back up
		want = 1
		args[len(args)-1] = t.TempDir()
	}
	if out, errs, code := p.run(t, sandbox{}.environ(mine), args...); code != want {
		t.Errorf("%v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
	}
}

// TestUnitsVerify has systemd itself read the units, where it is installed.
func TestUnitsVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here: systemd has not read the units")
	}
	p := buildPrograms(t)
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"searchd.service", "sightline-backup.service", "sightline-backup.timer"} {
		text, err := os.ReadFile(filepath.Join("systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		// It looks for programs and for the user, which are not installed here.
		here := strings.NewReplacer("/usr/local/bin", p.dir, "User=sightline", "User=root", "Group=sightline", "Group=root").Replace(string(text))
		if err := os.WriteFile(path, []byte(here), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	out, err := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no", "--recursive-errors=no"}, paths...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("%v\n%s", err, out)
	}
}

func goList(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	c.Dir = ".."
	text, err := c.Output()
	if err != nil {
		return string(text), fmt.Sprint(err), 1
	}
	return string(text), "", 0
}
