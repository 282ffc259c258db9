package deploy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

func loadCompose(t *testing.T, name string) *types.Project {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  "docker",
		ConfigFiles: []types.ConfigFile{{Filename: "docker/" + name}},
		Environment: types.Mapping{"S3_USER": "sightline", "S3_PASSWORD": "a-password", "SIGHTLINE_MODEL_DIR": "/models"},
	}, func(o *loader.Options) { o.SetProjectName("sightline", false) })
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// TestCompose: the compose files are valid, ours are confined and published on this
// machine only, and the programs accept their settings.
func TestCompose(t *testing.T) {
	p := buildPrograms(t)
	for name, want := range map[string]int{"compose.yaml": 1, "compose.cluster.yaml": 3} {
		ours := 0
		for _, s := range loadCompose(t, name).Services {
			for _, port := range s.Ports {
				if port.HostIP != "127.0.0.1" {
					t.Errorf("%s: %s is published on %q", name, s.Name, port.HostIP)
				}
			}
			if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
				t.Errorf("%s: image %s", name, s.Image)
			}
			if s.Build == nil {
				continue
			}
			ours++
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.SecurityOpt) != 1 || s.Build.Target != "cpu" {
				t.Errorf("%s: %s is not confined", name, s.Name)
			}
			t.Run(name+"/"+s.Name, func(t *testing.T) { checkService(t, p, s) })
		}
		if ours != want {
			t.Errorf("%s: %d services are built here, want %d", name, ours, want)
		}
	}
}

// checkService gives a service's settings to its program.
func checkService(t *testing.T, p programs, s types.ServiceConfig) {
	t.Helper()
	env := maps.Clone(imageEnvironment("x/sightline:1"))
	for name, value := range s.Environment {
		if value != nil {
			env[name] = *value
		}
	}
	checkVariables(t, p, env)
	env["SIGHTLINE_DATA"], env["SIGHTLINE_MODEL"] = t.TempDir(), p.model
	args, want := []string{"searchd", "--check-config"}, 0
	if len(s.Entrypoint) > 0 { // indexd, which has to fail for its model alone
		args, want = []string{"indexd", s.Entrypoint[1]}, 1
		env["SIGHTLINE_LISTEN"], env["SIGHTLINE_MODEL"] = "127.0.0.1:0", t.TempDir()
	}
	if out, errs, code := p.run(t, sandbox{}.environ(env), args...); code != want {
		t.Errorf("exit code %d, want %d\n%s%s", code, want, out, errs)
	}
}
