package deploy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// host runs what a cluster would run, with the command lines, variables and volumes of
// the manifests, as processes of this machine. It has no network: addresses are replaced.
type host struct {
	programs

	cluster *cluster
	root    string
	model   string // the image of models
	library string
	address string // of searchd
	feed    string
}

// runtimeLibrary is ONNX Runtime; the test ends where there is none.
func runtimeLibrary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("SIGHTLINE_ORT_LIB"); path != "" {
		return path
	}
	cache, err := os.UserCacheDir()
	if dir := os.Getenv("SIGHTLINE_CACHE_DIR"); dir != "" {
		cache = dir
	} else {
		cache = filepath.Join(cache, "sightline")
	}
	found, globErr := filepath.Glob(filepath.Join(cache, "onnxruntime-*", "libonnxruntime.so"))
	if err != nil || globErr != nil || len(found) == 0 {
		if slices.Contains(strings.Split(os.Getenv("SIGHTLINE_TEST_REQUIRE"), ","), "onnxruntime") {
			t.Fatalf("ONNX Runtime is not in %s and SIGHTLINE_TEST_REQUIRE lists it", cache)
		}
		t.Skipf("ONNX Runtime is not in %s: nothing of the manifests was run; 'make runtime' fetches it", cache)
	}
	return found[len(found)-1]
}

// command is a container as a process.
func (h *host) command(t *testing.T, w workload, each corev1.Container) *exec.Cmd {
	t.Helper()
	s := newSandbox(t, h.programs, h.root, w, each)
	env, args := environment(h.cluster, each), s.args(expand(h.cluster, each))
	env["SIGHTLINE_ORT_LIB"], env["SIGHTLINE_LISTEN"] = h.library, "127.0.0.1:0"
	for i := range args {
		if args[i] == "/model" { // of the image
			args[i] = h.model
		}
		args[i] = strings.ReplaceAll(args[i], "http://sightline:8080", h.address)
		args[i] = strings.ReplaceAll(args[i], "https://shop.example/products.xml", h.feed)
	}
	program := args[0]
	if program == "searchd" || program == "indexd" {
		program = filepath.Join(h.dir, program)
	}
	c := exec.CommandContext(t.Context(), program, args[1:]...)
	c.Env, c.Dir = append(s.environ(env), "PATH="+os.Getenv("PATH")), t.TempDir()
	return c
}

// finish runs containers that have to end well, one after the other.
func (h *host) finish(t *testing.T, w workload, containers []corev1.Container) {
	t.Helper()
	for _, each := range containers {
		c := h.command(t, w, each)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s, container %s: %v: %v\n%s", w, each.Name, c.Args, err, out)
		}
	}
}

func (h *host) workload(t *testing.T, name string) workload {
	t.Helper()
	for _, w := range h.cluster.workloads() {
		if w.GetName() == name {
			return w
		}
	}
	t.Fatal("there is no workload", name)
	return workload{}
}

// job runs all containers of a job.
func (h *host) job(t *testing.T, name string) {
	t.Helper()
	w := h.workload(t, name)
	h.finish(t, w, w.containers())
}

// start runs searchd's pod until its startup probe is answered.
func (h *host) start(t *testing.T) *exec.Cmd {
	t.Helper()
	w := h.workload(t, "searchd")
	h.finish(t, w, w.pod.Spec.InitContainers)
	each := w.pod.Spec.Containers[0]
	c := h.command(t, w, each)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer // read when the program has ended
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = c.Process.Kill(), c.Wait() // it has mostly ended
		if t.Failed() {
			t.Logf("searchd:\n%s", &log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	h.address = strings.TrimSpace(line)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		code, _ := h.get(t, each.StartupProbe.HTTPGet.Path, "")
		if code == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("searchd was not ready after two minutes: ", code)
		}
	}
	if code, _ := h.get(t, each.LivenessProbe.HTTPGet.Path, ""); code != http.StatusOK {
		t.Fatal("liveness probe: ", code)
	}
	return c
}

func (h *host) get(t *testing.T, path, key string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// key makes a key of a scope in the list that searchd reads, and puts it into the Secret of
// that name.
func (h *host) key(t *testing.T, secret, scope string) string {
	t.Helper()
	list, dir := filepath.Join(h.root, "secrets", "sightline-keys"), filepath.Join(h.root, "secrets", secret)
	if err := errors.Join(os.MkdirAll(list, 0o700), os.MkdirAll(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	out, errs, code := h.run(t, nil, "searchd", "key", "create", "--name", secret, "--scopes", scope, "--keys", filepath.Join(list, "keys.jsonl"))
	if code != 0 {
		t.Fatal(errs)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// writeFeed writes a feed of the first n samples.
func (h *host) writeFeed(t *testing.T, n int) {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	for i := range n {
		name := fmt.Sprintf("p%04d.png", i)
		picture, err := os.ReadFile(filepath.Join("../demo/samples/pictures", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), picture, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "{\"id\":\"item-%d\",\"title\":\"item %d\",\"image\":%q}\n", i, i, name)
	}
	h.feed = filepath.Join(dir, "feed.jsonl")
	if err := os.WriteFile(h.feed, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	a, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const items = 4

// TestStandalone: what the overlay standalone says works, as far as one machine can tell:
// init containers, searchd and its probes, the feed and backup jobs, a scrape with a key, the end by
// SIGTERM; then the jobs that restore and move to another model.
func TestStandalone(t *testing.T) {
	p := buildPrograms(t)
	h := &host{
		programs: p, root: t.TempDir(), model: p.model, library: runtimeLibrary(t),
		cluster: built(t, kustomizeWith(t, "overlays/standalone", "feed", "monitoring")),
	}
	h.writeFeed(t, items)
	searcher, admin := h.key(t, "shop", "search"), h.key(t, "sightline-metrics", "admin")
	h.key(t, "sightline-feed", "write")
	searchd := h.start(t)
	h.job(t, "feed")
	h.look(t, searcher)
	m := all[*serviceMonitor](h.cluster)[0].Spec.Endpoints[0]
	if code, text := h.get(t, m.Path, admin); code != http.StatusOK || !strings.Contains(text, "\nsightline_rerank_waiting ") {
		t.Errorf("scrape: %d\n%s", code, text)
	}
	h.job(t, "backup")
	h.stop(t, searchd)

	h.cluster = with(t, "overlays/standalone", "jobs/restore")
	if err := os.RemoveAll(filepath.Join(h.root, "claims", "data-searchd-0")); err != nil {
		t.Fatal(err)
	}
	h.job(t, "restore")
	h.cluster = with(t, "overlays/standalone", "jobs/repair")
	h.job(t, "repair")
	h.stop(t, h.again(t, searcher))

	h.model = filepath.Join(t.TempDir(), "model") // a folder of that name, as in the image
	if _, errs, code := h.run(t, nil, "indexd", "model", "convert", absolute(t, "../demo/samples/model"), "--clean", "on", "--out", h.model); code != 0 {
		t.Fatal(errs)
	}
	h.cluster = with(t, "overlays/standalone", "jobs/migrate-standalone")
	h.job(t, "migrate")
	h.stop(t, h.again(t, searcher))
}

// again starts searchd's pod anew, with the model of now, and looks whether all is there.
func (h *host) again(t *testing.T, key string) *exec.Cmd {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(h.root, "pods", "searchd")); err != nil {
		t.Fatal(err)
	}
	c := h.start(t)
	h.look(t, key)
	return c
}

// look searches: all items are found, and the second look reads each.
func (h *host) look(t *testing.T, key string) {
	t.Helper()
	code, text := h.get(t, "/v1/search?q=red+mug&deadline_ms=20000", key)
	var answer struct {
		Hits   []struct{ ID string }
		Rerank struct{ Scored int }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || code != http.StatusOK || len(answer.Hits) != items || answer.Rerank.Scored != items {
		t.Errorf("search: %d, %v\n%s", code, err, text)
	}
	if code, _ := h.get(t, "/v1/search?q=mug", ""); code != http.StatusUnauthorized {
		t.Errorf("a search without a key: %d", code)
	}
}

// stop ends searchd as Kubernetes does.
func (h *host) stop(t *testing.T, c *exec.Cmd) {
	t.Helper()
	grace := time.Duration(*h.workload(t, "searchd").pod.Spec.TerminationGracePeriodSeconds) * time.Second
	begin := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil || time.Since(begin) > grace {
		t.Errorf("searchd ended after %s with %v", time.Since(begin), err)
	}
}
