package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/encodertest"
	"sightline/store/cache/redistest"
	"sightline/store/milvus/milvustest"
)

// cluster is what programs share that serve one catalogue: Milvus, Redis and a
// bucket. Each has a data folder of its own for what it keeps at hand.
type cluster struct {
	environ []string
	shared  []string
	model   string
	dir     string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	lite, redis := milvustest.Own(t), redistest.Start(t)
	dir := t.TempDir()
	return &cluster{
		environ: clitest.Environ(t), model: model(t), dir: dir,
		shared: []string{
			"--store", "milvus", "--milvus-addr", lite.Address(), "--cache", "redis", "--redis-url", redis.URL(),
			"--blobs", "file://" + filepath.Join(dir, "bucket"), "--model", model(t),
		},
	}
}

// node is the arguments of one program.
func (c *cluster) node(name string) []string {
	return append([]string{"--data", filepath.Join(c.dir, name)}, c.shared...)
}

// feed writes a feed of the first n samples with a title that tells feeds apart.
func (c *cluster) feed(t *testing.T, n int, title string) string {
	t.Helper()
	dir := t.TempDir()
	var lines strings.Builder
	for i := range n {
		name := fmt.Sprintf("p%04d.png", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(c.picture(t, i)), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "{\"id\":\"item-%d\",\"title\":%q,\"image\":%q}\n", i, title, name)
	}
	path := filepath.Join(dir, "feed.jsonl")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (c *cluster) picture(t *testing.T, i int) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, "pictures", fmt.Sprintf("p%04d.png", i)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func titles(a answer) string {
	var all []string
	for _, h := range a.Hits {
		all = append(all, fmt.Sprint(h.Item["title"]))
	}
	return strings.Join(all, " ")
}

// TestCluster: two searchd answer from one catalogue, the second from what the
// first kept, and both hear of a write within two seconds. Pictures and patch states
// come from the bucket, so the second look reads every candidate.
func TestCluster(t *testing.T) {
	c := newCluster(t)
	importer := c.node("importer")
	runIndexd(t, c.environ, append([]string{"import", c.feed(t, 12, "old")}, importer...)...)
	first, second := serve(t, c.environ, c.node("first")...), serve(t, c.environ, c.node("second")...)
	question := map[string]any{"text": "a red mug", "limit": 12, "deadline_ms": 20_000}

	if one := first.searchWhole(t, question); len(one.Hits) != 12 || strings.Contains(titles(one), "new") {
		t.Fatalf("%d hits, rerank %+v, %s\n%s", len(one.Hits), one.Rerank, titles(one), first.log)
	}
	res, err := second.client.Do(second.request(t, http.MethodGet, "/v1/items/item-0/image", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || string(got) != c.picture(t, 0) {
		t.Errorf("the second's picture: status %d, %d bytes, %v", res.StatusCode, len(got), err)
	}
	clitest.Eventually(t, "the second to find the first's answer", func() bool { return second.search(t, question).Cached })

	runIndexd(t, c.environ, append([]string{"import", c.feed(t, 12, "new")}, importer...)...)
	written := time.Now()
	for _, s := range []*server{first, second} {
		clitest.Eventually(t, "the new titles", func() bool {
			late := time.Since(written) // of the question: a busy machine may take its time for the answer
			old := strings.Contains(titles(s.search(t, question)), "old")
			if old && late > 2*time.Second {
				t.Fatalf("who asks %s after the write does not see it", late)
			}
			return !old
		})
	}
}

// searchWhole searches until the second look has read every hit: patch states
// come from the bucket, for which it has 300 ms.
func (s *server) searchWhole(t *testing.T, question map[string]any) (a answer) {
	t.Helper()
	clitest.Eventually(t, "the second look at all", func() bool {
		a = s.search(t, question)
		return a.Rerank.Scored == len(a.Hits)
	})
	return a
}

// worker starts a real 'indexd serve' and waits until it is ready.
func (c *cluster) worker(t *testing.T, name string, log *clitest.Buffer) *exec.Cmd {
	t.Helper()
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--queue", "redis", "--workers", "3"}, c.node(name)...)
	p := exec.CommandContext(t.Context(), indexd(t), args...)
	p.Env, p.Stdout, p.Stderr = c.environ, log, log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Process.Kill(), p.Wait() }) // most have ended
	clitest.Eventually(t, name+" to be ready", func() bool { return strings.Contains(log.String(), "ready") })
	return p
}

// TestClusterWrites: searchd take changes, indexd do them; one of these is
// killed at its work. Every change is done, and both searchd see it, uploaded
// pictures too, which only the bucket has in common.
func TestClusterWrites(t *testing.T) {
	c := newCluster(t)
	c.shared = append(c.shared, "--redis-prefix", "writes:")
	runIndexd(t, c.environ, append([]string{"import", c.feed(t, 1, "old")}, c.node("importer")...)...)
	var logs [2]clitest.Buffer
	killed, other := c.worker(t, "worker-1", &logs[0]), c.worker(t, "worker-2", &logs[1])
	quiet := []string{"--queue", "redis", "--workers", "0"}
	first := writing{server: serve(t, c.environ, append(c.node("first"), quiet...)...)}
	second := writing{server: serve(t, c.environ, append(c.node("second"), quiet...)...)}
	const items = 24
	for i := range items {
		body, media := multipartOf(t, fmt.Sprintf(`{"title":"item %d"}`, i), fmt.Sprintf("p%04d.png", i))
		req := first.request(t, http.MethodPut, fmt.Sprintf("/v1/items/item-%d", i), body)
		req.Header.Set("Content-Type", media)
		req.Header.Set("Prefer", "wait=0")
		if code := first.do(t, req, nil); code != http.StatusAccepted {
			t.Fatalf("upload %d: %d", i, code)
		}
		if i == items/2 {
			if err := killed.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	clitest.Eventually(t, "the queue to be empty", func() bool { return second.pending(t) == 0 })
	if n := second.metric(t, `sightline_queue_jobs{state="dead"}`); n != 0 {
		t.Errorf("%v dead jobs\n%s", n, logs[1].String())
	}
	if n := len(second.titles(t)); n != items {
		t.Errorf("%d items, want %d", n, items)
	}
	if a := second.searchWhole(t, map[string]any{"text": "a red mug", "limit": items, "deadline_ms": 20_000}); len(a.Hits) != items {
		t.Errorf("%d hits, want %d", len(a.Hits), items)
	}
	if err := other.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err != nil {
		t.Errorf("indexd serve: %v\n%s", err, logs[1].String())
	}
}

// TestClusterModelIsChecked: a model that is not the catalogue's is refused in
// Milvus too.
func TestClusterModelIsChecked(t *testing.T) {
	c := newCluster(t)
	runIndexd(t, c.environ, append([]string{"import", c.feed(t, 2, "old")}, c.node("importer")...)...)
	other := filepath.Join(t.TempDir(), "other")
	runIndexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", other, "--clean", "on")
	_, errs, code := searchd(t, c.environ, append(c.node("first"), "--listen", "127.0.0.1:0", "--model", other)...)
	if code != cli.ExitFailed || !strings.Contains(errs, "made with another model") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	args := append([]string{"collection", "build", "--switch"}, append(c.node("builder"), "--model", other)...)
	runIndexd(t, c.environ, args...)
	s := serve(t, c.environ, append(c.node("second"), "--model", other)...)
	if a := s.searchWhole(t, map[string]any{"text": "a red mug", "deadline_ms": 20_000}); len(a.Hits) != 2 {
		t.Errorf("%d hits, rerank %+v", len(a.Hits), a.Rerank)
	}
}

// A Milvus that is not there is an error that says so, within the time that a
// user waits.
func TestNoMilvus(t *testing.T) {
	port, release, err := encodertest.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	environ := clitest.Environ(t)
	begin := time.Now()
	_, errs, code := searchd(t, environ, "--store", "milvus", "--milvus-addr", "127.0.0.1:"+port, "--data", t.TempDir(), "--model", model(t), "--listen", "127.0.0.1:0")
	if code != cli.ExitFailed || !strings.Contains(errs, "--milvus-addr") || time.Since(begin) > time.Minute {
		t.Errorf("exit code %d after %s: %s", code, time.Since(begin), errs)
	}
}
