package milvus

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sightline/store"
	"sightline/store/cache/redistest"
	"sightline/store/turns"
)

const writerVariable = "SIGHTLINE_TEST_MILVUS_WRITER" // makes the test binary a writer, as the JSON in it says

// writer is one of several processes that write to one collection.
type writer struct {
	Name, Milvus, Redis, Prefix, Log string
}

// written is a line of its log: what was acknowledged.
type written struct {
	Kept, Gone []string
	Shared     int64 // version of the item that all of them write
}

func (w writer) run(ctx context.Context) error {
	log, err := os.OpenFile(w.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	o := Options{Address: w.Milvus, Prefix: w.Prefix, FlushRows: 20, FlushIdle: time.Millisecond, WriteTimeout: 2 * time.Minute, SearchTimeout: 2 * time.Minute}
	if w.Redis != "" {
		o.Strong = true
		if o.Turns, err = turns.New(turns.Options{Client: redis.NewClient(&redis.Options{Addr: w.Redis}), TTL: 6 * time.Second}); err != nil {
			return err
		}
	}
	c, err := Open(ctx, o)
	if err != nil {
		return err
	}
	x, err := c.Open(ctx, "m", 2)
	if err != nil {
		return err
	}
	for round := 0; ; round++ {
		line, err := w.step(ctx, x, round)
		if errors.Is(err, store.ErrUnavailable) {
			continue // such as a turn that ended on a busy machine
		}
		if err != nil {
			return err
		}
		text, err := json.Marshal(line)
		if err == nil {
			_, err = log.Write(append(text, '\n')) // one call, so that lines stay whole
		}
		if err != nil {
			return err
		}
	}
}

// step writes ten items with a view each, deletes three of them, and makes the
// shared item's version one greater than it is.
func (w writer) step(ctx context.Context, x store.Index, round int) (line written, err error) {
	var batch []store.Entry
	for i := range 10 {
		e := plain(fmt.Sprintf("%s %d %d", w.Name, round, i), 1, 1, 0)
		e.Picture = pictureOf(e.Item.ID, 0)
		e.Views = []store.View{{Picture: pictureOf(e.Item.ID, 1), Embedding: []float32{0, 1}}}
		batch = append(batch, e)
		if i < 3 {
			line.Gone = append(line.Gone, e.Item.ID)
		} else {
			line.Kept = append(line.Kept, e.Item.ID)
		}
	}
	if err := x.Upsert(ctx, batch); err != nil {
		return line, err
	}
	found, err := x.Get(ctx, []string{"shared"})
	if err != nil {
		return line, err
	}
	if len(found) > 0 {
		line.Shared = found[0].Item.Version + int64(rand.IntN(3))
	}
	if err := x.Upsert(ctx, []store.Entry{plain("shared", line.Shared, 1, 0)}); err != nil {
		return line, err
	}
	_, err = x.Delete(ctx, line.Gone)
	return line, err
}

func readWritten(t *testing.T, path string) (all []written) {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var line written
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

// TestWritersOfSeveralProcesses: three processes write, delete and flush, and are
// killed at it. They take turns, so nothing that was acknowledged is lost or comes
// back, and versions do not go back.
func TestWritersOfSeveralProcesses(t *testing.T) {
	lite, server := shared.Server(t), redistest.Start(t)
	c := openCatalogue(t, lite, nil)
	x := openIndex(t, c, "m", 2)
	log := filepath.Join(t.TempDir(), "log")
	start := func(name string) *exec.Cmd {
		text, err := json.Marshal(writer{name, lite.Address(), server.Address(), c.server.options.Prefix, log})
		if err != nil {
			t.Fatal(err)
		}
		p := exec.CommandContext(t.Context(), os.Args[0])
		p.Env, p.Stderr = append(os.Environ(), writerVariable+"="+string(text)), os.Stderr
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	kill := func(p *exec.Cmd) {
		_ = p.Process.Kill()
		_ = p.Wait() // says that it was killed
	}
	all := []*exec.Cmd{start("a"), start("b"), start("c")}
	for i := range 3 {
		before := len(readWritten(t, log))
		eventually(t, "writes", func() bool { return len(readWritten(t, log)) >= before+10 })
		if i < 2 {
			kill(all[i])
			all[i] = start(fmt.Sprint("again ", i))
		}
	}
	for _, p := range all {
		kill(p)
	}
	var kept, gone []string
	version := int64(0)
	for _, line := range readWritten(t, log) {
		kept, gone = append(kept, line.Kept...), append(gone, line.Gone...)
		version = max(version, line.Shared)
	}
	checkWritten(t, x, kept, gone)
	if found, err := x.Get(t.Context(), []string{"shared"}); err != nil || len(found) != 1 || found[0].Item.Version < version {
		t.Errorf("the shared item is %+v, and version %d was acknowledged; %v", found, version, err)
	}
	t.Logf("%d items kept, %d deleted", len(kept), len(gone))
}

func checkWritten(t *testing.T, x *Index, kept, gone []string) {
	t.Helper()
	for chunk := range slices.Chunk(kept, 500) {
		found, err := x.Get(t.Context(), chunk)
		if err != nil || len(found) != len(chunk) {
			t.Errorf("%d of %d items are there, %v", len(found), len(chunk), err)
		}
		for _, e := range found {
			if len(e.Views) != 1 {
				t.Errorf("%s has %d views", e.Item.ID, len(e.Views))
			}
		}
	}
	for chunk := range slices.Chunk(gone, 500) {
		if back, err := x.Get(t.Context(), chunk); err != nil || len(back) > 0 {
			t.Errorf("%d of %d deleted items came back, %v", len(back), len(chunk), err)
		}
	}
}
