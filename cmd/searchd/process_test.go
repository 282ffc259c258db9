package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sightline/cmd/internal/clitest"
)

// process is a searchd of its own.
type process struct {
	server
	cmd     *exec.Cmd
	callers int // addresses that from has used
}

// startProcess runs searchd and waits for ready.
func startProcess(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.CommandContext(t.Context(), self, append([]string{"--listen", "127.0.0.1:0"}, args...)...)}
	p.log, p.client = &clitest.Buffer{}, &http.Client{Transport: &http.Transport{}}
	t.Cleanup(p.client.CloseIdleConnections)
	p.cmd.Env = append([]string{asProgram + "=1"}, environ...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no address: %v\n%s", err, p.log)
	}
	p.url = strings.TrimSpace(line)
	p.waitReady(t)
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestSIGTERM: the request under way is answered, and the exit code is 0.
func TestSIGTERM(t *testing.T) {
	environ := clitest.Environ(t)
	p := startProcess(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	u := p.beginUpload(t)
	p.signal(t, syscall.SIGTERM)
	p.waitRefused(t)
	if got := u.finish(t, samplePicture(t, "p0074")); !strings.HasPrefix(got, "200 ") {
		t.Errorf("answer while stopping: %s", got)
	}
	p.client.CloseIdleConnections()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("searchd: %v\n%s", err, p.log)
	}
}

// TestSecondInterruptEndsAtOnce: whoever does not want to wait for the
// requests under way presses Ctrl-C again.
func TestSecondInterruptEndsAtOnce(t *testing.T) {
	clitest.Interruptible(t)
	environ := clitest.Environ(t)
	p := startProcess(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	u := p.beginUpload(t)
	p.signal(t, os.Interrupt)
	clitest.Eventually(t, "the first signal to be heard", func() bool {
		return strings.Contains(p.log.String(), "stopping; a second Ctrl-C ends the program at once")
	})
	clitest.Interrupt(t, p.cmd)
	u.body.Close()
	<-u.answer
}

// TestKilledImport kills the real indexd twice in the middle of an import, with
// SIGKILL, and imports again: searchd then finds everything as if nothing had
// happened.
func TestKilledImport(t *testing.T) {
	environ, ref := clitest.Environ(t), readReference(t)
	folder := filepath.Join(t.TempDir(), "data")
	var feed clitest.SlowFeed
	for _, pictures := range []int{70, 150} {
		feed = clitest.NewSlowFeed(t, pictures+20)
		c := exec.CommandContext(t.Context(), indexd(t), append(feed.Args, "--data", folder, "--model", model(t), "--batch", "4")...)
		c.Env = environ
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		clitest.Eventually(t, "pictures to be stored", func() bool { return clitest.Stored(t, folder) >= pictures })
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil {
			t.Fatal("indexd ended by itself")
		}
	}
	out := runIndexd(t, environ, "import", feed.Whole, "--data", folder, "--model", model(t))
	if !strings.Contains(out, "240 items in") || !strings.Contains(out, ", 0 failed") || strings.Contains(out, "240 written") {
		t.Errorf("import after two kills: %s", out)
	}
	t.Logf("after two kills: %s", out)
	s := serve(t, environ, "--data", folder, "--model", model(t))
	m := measurement{limit: exactTop10}
	for _, q := range ref.Queries {
		m.reranked(t, q, s.search(t, map[string]any{
			"text": q.Text, "limit": 10, "deadline_ms": 30_000, "rerank": map[string]any{"depth": ref.Summary.Depth},
		}), ref.Summary.Depth)
	}
	var ready map[string]any
	if code := s.get(t, "/readyz", &ready); code != http.StatusOK || ready["items"] != 240.0 {
		t.Errorf("readyz: %d, %v", code, ready)
	}
	if strings.Contains(s.log.String(), "patch states were repaired") {
		t.Logf("repaired:\n%s", s.log)
	}
}
