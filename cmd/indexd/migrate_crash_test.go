package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// TestMigrateKilled kills migrations at random moments, to and fro. After each
// the collection that was served is as it was, one of the two is current, and a
// new current one is complete.
func TestMigrateKilled(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	const items = 40
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	for i := range items {
		name := fmt.Sprintf("p%04d.png", i)
		copyFile(t, filepath.Join(samples, "pictures", name), filepath.Join(dir, name))
	}
	kills := 3
	if os.Getenv("SIGHTLINE_TEST_LONG") != "" {
		kills = 100
	}
	from, to, killed := model, other, 0
	soon := sooner{within: time.Second}
	for round := 0; killed < kills && round < 10*kills; round++ {
		indexd(t, environ, "import", turned(t, dir, items, round%items), "--data", data, "--model", from).ok(t)
		before := stored(t, data, from)
		var log clitest.Buffer
		c := start(t, environ, &log, "migrate", "--switch", "--batch", "2", "--data", data, "--model", to)
		if soon.kill(t, c, &log) {
			killed++
		}
		if !reflect.DeepEqual(before, stored(t, data, from)) {
			t.Fatal("the collection that was served has changed")
		}
		if switched(t, data, to) {
			sameCollections(t, data, from, to)
			from, to = to, from
		}
	}
	if killed < kills {
		t.Errorf("only %d migrations were still running when they were to be killed", killed)
	}
	indexd(t, environ, "migrate", "--switch", "--data", data, "--model", to).ok(t)
	wantCurrent(t, data, to)
	sameCollections(t, data, from, to)
	indexd(t, environ, "check", "--deep", "--data", data).says(t, cli.ExitOK, "0 problems")
}

func switched(t *testing.T, data, to string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "current"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text)) == fingerprint(t, to)
}

// sooner kills processes at random moments while they run: within the time that
// the quickest of them took, however quick the machine is.
type sooner struct{ within time.Duration }

// kill kills a process, unless it has come to its end before.
func (s *sooner) kill(t *testing.T, c *exec.Cmd, log *clitest.Buffer) bool {
	t.Helper()
	begin, ended := time.Now(), make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, log.String())
		}
		s.within = min(s.within, time.Since(begin))
		return false
	case <-time.After(rand.N(s.within)):
		_ = c.Process.Kill() // it may just have ended
		<-ended
		return true
	}
}
