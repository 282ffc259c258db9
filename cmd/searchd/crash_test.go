package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sightline/cmd/internal/clitest"
)

// crashing is a searchd that is killed again and again while it is written to.
// want is what a catalogue holds in which nothing was ever killed.
type crashing struct {
	environ []string
	args    []string
	shop    string
	want    map[string]string // title by id; an id is missing when its item was deleted
	open    map[string]bool   // ids of whose last change no answer came
	n       int               // changes so far
}

// change makes a change of a random item; it is in want once it was answered.
func (c *crashing) change(t *testing.T, p *process) (answered bool) {
	t.Helper()
	c.n++
	id := fmt.Sprintf("i%02d", rand.IntN(20))
	method, body, title := http.MethodPut, "", fmt.Sprintf("change %d", c.n)
	_, there := c.want[id]
	there = there && !c.open[id] // a deletion without an answer may have been one
	switch kind := rand.IntN(4); {
	case kind == 0 && there:
		method, title = http.MethodDelete, ""
	case kind == 1 && there:
		method, body = http.MethodPatch, fmt.Sprintf(`{"title":%q}`, title)
	default:
		body = fmt.Sprintf(`{"title":%q,"image":"%s/p%04d.png"}`, title, c.shop, rand.IntN(40))
	}
	req := p.request(t, method, "/v1/items/"+id, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Prefer", "wait=0")
	res, err := p.client.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	if err != nil || res.StatusCode >= 300 {
		c.open[id] = true // it may have been taken; only its next change settles it
		return false
	}
	delete(c.open, id)
	if c.want[id] = title; method == http.MethodDelete {
		delete(c.want, id)
	}
	return true
}

// TestQueueWorkKilled kills the program at random moments while changes come
// and are done. Every change that was answered is in the catalogue at the end,
// in its order, as if nothing had happened; no job is left over, none is dead.
func TestQueueWorkKilled(t *testing.T) {
	environ := clitest.Environ(t)
	address, flags := shop(t)
	data := filepath.Join(t.TempDir(), "data")
	kills := 5
	if os.Getenv("SIGHTLINE_TEST_LONG") != "" {
		kills = 50
	}
	c := &crashing{
		environ: environ, shop: address, want: map[string]string{}, open: map[string]bool{},
		args: append([]string{"--data", data, "--model", model(t), "--workers", "3"}, flags...),
	}
	for range kills {
		p := startProcess(t, c.environ, c.args...)
		stop := time.Now().Add(time.Duration(rand.IntN(1500)) * time.Millisecond)
		for n := rand.IntN(100); n > 0 && c.change(t, p); n-- {
		}
		time.Sleep(time.Until(stop)) // of workers at their work
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // killed
		p.client.CloseIdleConnections()
	}
	p := startProcess(t, c.environ, c.args...)
	w := writing{server: &p.server, shop: c.shop}
	for id := range c.open {
		clitest.Eventually(t, "item "+id+" to be settled", func() bool { return c.settle(t, p, id) })
	}
	clitest.Eventually(t, "the queue to be empty", func() bool { return w.pending(t) == 0 })
	c.compare(t, w)
	t.Logf("%d changes, %d items, killed %d times", c.n, len(c.want), kills)
	p.signal(t, os.Interrupt)
	p.client.CloseIdleConnections()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("searchd: %v\n%s", err, p.log)
	}
}

// settle puts an item whose state nobody knows.
func (c *crashing) settle(t *testing.T, p *process, id string) bool {
	t.Helper()
	req := p.request(t, http.MethodPut, "/v1/items/"+id, strings.NewReader(fmt.Sprintf(`{"title":"settled","image":"%s/p0000.png"}`, c.shop)))
	req.Header.Set("Content-Type", "application/json")
	if p.do(t, req, nil) >= 300 {
		return false
	}
	c.want[id] = "settled"
	return true
}

// compare holds the catalogue to what it should be.
func (c *crashing) compare(t *testing.T, w writing) {
	t.Helper()
	var list struct {
		Items []struct{ ID, Title string }
	}
	if code := w.get(t, "/v1/items?limit=1000", &list); code != http.StatusOK {
		t.Fatalf("list: %d", code)
	}
	got := map[string]string{}
	for _, item := range list.Items {
		got[item.ID] = item.Title
	}
	for id, title := range c.want {
		if got[id] != title {
			t.Errorf("item %s is %q, want %q", id, got[id], title)
		}
		delete(got, id)
	}
	for id, title := range got {
		t.Errorf("item %s, %q, should not be there", id, title)
	}
	if n := w.metric(t, `sightline_queue_jobs{state="dead"}`); n != 0 {
		t.Errorf("%v jobs are dead", n)
	}
}
