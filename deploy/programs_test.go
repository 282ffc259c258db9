package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// programs are searchd and indexd, and a model. They are built from this tree unless
// SIGHTLINE_TEST_BIN names a folder that has them already, as the gate's does.
type programs struct {
	dir, model string

	variables map[string]bool // that they have
}

var buildOnce = sync.OnceValues(func() (programs, error) {
	p := programs{dir: os.Getenv("SIGHTLINE_TEST_BIN"), model: filepath.Join(scratch, "model")}
	if p.dir == "" {
		p.dir = scratch
		build := exec.Command("go", "build", "-o", p.dir+"/", "./cmd/searchd", "./cmd/indexd")
		build.Dir = ".."
		if out, err := build.CombinedOutput(); err != nil {
			return p, errors.New(string(out))
		}
	}
	out, err := exec.Command(filepath.Join(p.dir, "indexd"), "model", "convert", "../demo/samples/model", "--out", p.model).CombinedOutput()
	if err != nil {
		return p, errors.New(string(out))
	}
	p.variables, err = p.known()
	return p, err
})

// scratch is the folder of buildOnce, for as long as the tests run.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "sightline-deploy"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch) // a folder of the system's temporary ones
	os.Exit(code)
}

func buildPrograms(t *testing.T) programs {
	t.Helper()
	p, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a program to its end with no variables but those given.
func (p programs) run(t *testing.T, environ []string, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), filepath.Join(p.dir, args[0]), args[1:]...)
	c.Env, c.Stdout, c.Stderr, c.Dir = environ, &stdout, &stderr, t.TempDir()
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

// environment is what a container's variables come to: the image's, those of its
// ConfigMaps, its own.
func environment(c *cluster, each corev1.Container) map[string]string {
	env := maps.Clone(imageEnvironment(each.Image))
	for _, from := range each.EnvFrom {
		if m, ok := c.configMap(from.ConfigMapRef.Name); ok {
			maps.Copy(env, m.Data)
		}
	}
	for _, e := range each.Env {
		env[e.Name] = e.Value
	}
	return env
}

var reference = regexp.MustCompile(`\$\((\w+)\)`)

// expand is a container's command line with $(NAME) replaced, as Kubernetes does.
func expand(c *cluster, each corev1.Container) []string {
	env := environment(c, each)
	args := slices.Concat(each.Command, each.Args)
	for i := range args {
		args[i] = reference.ReplaceAllStringFunc(args[i], func(r string) string { return env[r[2:len(r)-1]] })
	}
	return args
}

// sandbox is a container's file system on this machine: a folder for each mount.
type sandbox struct{ places map[string]string }

// newSandbox makes the folders below root. Containers of one pod share its volumes,
// pods of one root share disks. Secrets are filled when they are first mounted.
func newSandbox(t *testing.T, p programs, root string, w workload, each corev1.Container) sandbox {
	t.Helper()
	s := sandbox{places: map[string]string{}}
	for _, m := range each.VolumeMounts {
		dir := filepath.Join(root, "claims", m.Name+"-"+w.GetName()+"-0") // of a StatefulSet
		for _, v := range w.pod.Spec.Volumes {
			switch {
			case v.Name != m.Name:
			case v.PersistentVolumeClaim != nil:
				dir = filepath.Join(root, "claims", v.PersistentVolumeClaim.ClaimName)
			case v.Secret != nil:
				dir = filepath.Join(root, "secrets", v.Secret.SecretName)
				if _, err := os.Stat(dir); err != nil {
					fillSecret(t, p, dir, v.Secret.SecretName)
				}
			default:
				dir = filepath.Join(root, "pods", w.GetName(), m.Name)
			}
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s.places[m.MountPath] = dir
	}
	return s
}

// fillSecret makes the files of a Secret.
func fillSecret(t *testing.T, p programs, dir, name string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, key := range secrets[name] {
		path := filepath.Join(dir, key)
		if key == "keys.jsonl" {
			if _, errs, code := p.run(t, nil, "searchd", "key", "create", "--name", "shop", "--scopes", "search,write,admin", "--keys", path); code != 0 {
				t.Fatal(errs)
			}
			continue
		}
		if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// path is where a path of the container is here; other words stay as they are.
func (s sandbox) path(text string) string {
	best := ""
	for place := range s.places {
		if (text == place || strings.HasPrefix(text, place+"/")) && len(place) > len(best) {
			best = place
		}
	}
	if best == "" {
		return text
	}
	return filepath.Join(s.places[best], text[len(best):])
}

func (s sandbox) environ(env map[string]string) []string {
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+s.path(value))
	}
	return environ
}

func (s sandbox) args(args []string) []string {
	here := slices.Clone(args)
	for i := range here {
		here[i] = s.path(here[i])
	}
	return here
}

// line is a command line of ours somewhere in the manifests.
type line struct {
	workload  workload
	container corev1.Container
	env       map[string]string
	args      []string
}

// lines are all different command lines of a set.
func lines(c *cluster) map[string]line {
	found := map[string]line{}
	for _, w := range c.workloads() {
		for _, each := range w.containers() {
			if args := expand(c, each); args[0] == "searchd" || args[0] == "indexd" {
				found[w.GetName()+"/"+each.Name] = line{w, each, environment(c, each), args}
			}
		}
	}
	return found
}

// TestPrograms: the programs accept every command line and every variable in the
// manifests. searchd looks at all of them and at the files they lead to; indexd is run on an
// empty model folder and empty disks, and must fail for that and not for its settings.
func TestPrograms(t *testing.T) {
	p := buildPrograms(t)
	done := map[string]bool{}
	for name, c := range sets(t) {
		for what, l := range lines(c) {
			if key := strings.Join(l.args, " ") + strings.Join(slices.Sorted(maps.Keys(l.env)), " "); done[key] {
				continue
			} else {
				done[key] = true
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				checkVariables(t, p, l.env)
				if l.args[0] == "searchd" {
					checkSearchd(t, p, l)
				} else {
					checkIndexd(t, p, l)
				}
			})
		}
	}
	if len(done) < 10 {
		t.Errorf("only %d command lines were found", len(done))
	}
}

func checkSearchd(t *testing.T, p programs, l line) {
	t.Helper()
	s := newSandbox(t, p, t.TempDir(), l.workload, l.container)
	if err := os.CopyFS(s.path("/models/model"), os.DirFS(p.model)); err != nil {
		t.Fatal(err)
	}
	out, errs, code := p.run(t, s.environ(l.env), append(s.args(l.args), "--check-config")...)
	if code != 0 {
		t.Errorf("%v: exit code %d\n%s%s", l.args, code, out, errs)
	}
}

func checkIndexd(t *testing.T, p programs, l line) {
	t.Helper()
	out, errs, code := p.run(t, nil, append(slices.Clone(l.args), "--help")...)
	if l.args[2] == "pull" {
		l.env["HF_ENDPOINT"] = "http://127.0.0.1:1" // nothing answers there
	}
	if code != 0 {
		t.Errorf("%v: exit code %d\n%s%s", l.args, code, out, errs)
	}
	s := newSandbox(t, p, t.TempDir(), l.workload, l.container)
	want := 1
	if l.args[2] == "verify" {
		want = 0
		if err := os.CopyFS(s.path("/models/model"), os.DirFS(p.model)); err != nil {
			t.Fatal(err)
		}
	}
	args := s.args(l.args)
	for i := range args { // nothing is asked or served beyond this machine
		args[i] = strings.ReplaceAll(args[i], "0.0.0.0:8081", "127.0.0.1:0")
		args[i] = strings.ReplaceAll(args[i], "http://sightline:8080", "http://127.0.0.1:1")
		args[i] = strings.ReplaceAll(args[i], "https://shop.example/", "http://127.0.0.1:1/")
	}
	if out, errs, code := p.run(t, s.environ(l.env), args...); code != want {
		t.Errorf("%v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
	}
}

var (
	variable = regexp.MustCompile(`SIGHTLINE_[A-Z_]+`)
	flagLine = regexp.MustCompile(`(?m)^ +(?:-\w, |    )--([a-z-]+)`)
)

// known are the variables that the programs have: of each flag in their help, and
// those that help pages name.
func (p programs) known() (map[string]bool, error) {
	found := map[string]bool{"SIGHTLINE_ORT_LIB": true, "SIGHTLINE_CACHE_DIR": true} // in docs/operations.md
	for _, command := range []string{"searchd serve", "indexd serve", "indexd import", "indexd migrate", "indexd backup", "indexd repair"} {
		args := append(strings.Fields(command), "--help")
		page, err := exec.Command(filepath.Join(p.dir, args[0]), args[1:]...).Output()
		if err != nil {
			return nil, fmt.Errorf("%s --help: %w", command, err)
		}
		for _, name := range variable.FindAllString(string(page), -1) {
			found[name] = true
		}
		for _, m := range flagLine.FindAllStringSubmatch(string(page), -1) {
			found["SIGHTLINE_"+strings.ToUpper(strings.ReplaceAll(m[1], "-", "_"))] = true
		}
	}
	return found, nil
}

// checkVariables: the programs pass over variables that they do not know, so that a
// misspelt one would go unnoticed.
func checkVariables(t *testing.T, p programs, env map[string]string) {
	t.Helper()
	for name := range env {
		if strings.HasPrefix(name, "SIGHTLINE_") && !p.variables[name] {
			t.Errorf("the programs have no %s", name)
		}
	}
}

// TestVariables: a misspelt variable is noticed.
func TestVariables(t *testing.T) {
	have := buildPrograms(t).variables
	for name, want := range map[string]bool{
		"SIGHTLINE_LISTEN": true, "SIGHTLINE_MILVUS_TOKEN_FILE": true, "SIGHTLINE_REDIS_PASSWORD_FILE": true,
		"SIGHTLINE_API_KEY_FILE": true, "SIGHTLINE_LISTENS": false, "SIGHTLINE_MILVUS_TOKENS": false,
	} {
		if have[name] != want {
			t.Errorf("%s: %v, want %v", name, have[name], want)
		}
	}
}
