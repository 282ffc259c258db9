package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder"
)

// TestMigrateFollows: with --follow a write is repeated without any further
// command, and Ctrl-C ends it in peace.
func TestMigrateFollows(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	_, data := shop(t, environ, model)
	w := newWriter(t, data, model)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs clitest.Buffer
	ended := inBackground(ctx, environ, &errs, "migrate", "--follow", "--data", data, "--model", other)
	clitest.Eventually(t, "it to follow", func() bool { return strings.Contains(errs.String(), "brought over until Ctrl-C") })
	w.put("new", 2)
	w.remove("p0000")
	clitest.Eventually(t, "the writes to come over", func() bool {
		ids := idsOf(stored(t, data, other))
		return slices.Equal(ids, []string{"new", "p0001", "p0002"})
	})
	cancel()
	if code := <-ended; code != cli.ExitOK {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
	wantCurrent(t, data, model)
}

// TestMigrateUnderWrites writes all the time while a migration follows, stops at
// whatever moment, and then finds every write in the new collection, which has
// become the current one. Then the same back.
func TestMigrateUnderWrites(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	_, data := shop(t, environ, model)
	for _, way := range [][2]string{{model, other}, {other, model}} {
		w := newWriter(t, data, way[0])
		for range 60 {
			w.anything()
		}
		var errs clitest.Buffer
		ended := inBackground(t.Context(), environ, &errs, "migrate", "--switch", "--data", data, "--model", way[1])
		writes := 0
		for begin := time.Now(); !strings.Contains(errs.String(), "all is ready") && time.Since(begin) < time.Minute; writes++ {
			w.anything()
		}
		for range rand.IntN(40) {
			w.anything()
		}
		if err := w.data.Close(); err != nil {
			t.Fatal(err)
		}
		if code := <-ended; code != cli.ExitOK {
			t.Fatalf("exit code %d after %d writes\n%s", code, writes, errs.String())
		}
		wantCurrent(t, data, way[1])
		sameCollections(t, data, way[0], way[1])
		news := stored(t, data, way[1])
		if len(news) != len(w.items) {
			t.Errorf("%d items, want %d", len(news), len(w.items))
		}
		for _, e := range news {
			if !reflect.DeepEqual(e.Item, w.items[e.Item.ID]) {
				t.Errorf("%+v, want %+v", e.Item, w.items[e.Item.ID])
			}
		}
		if t.Failed() {
			t.Fatalf("the migration said:\n%s", errs.String())
		}
	}
}

// TestMigrateInterrupted: Ctrl-C while it waits for the other program leaves
// everything as it was.
func TestMigrateInterrupted(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	_, data := shop(t, environ, model)
	serving := openData(t, data, model)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs clitest.Buffer
	ended := inBackground(ctx, environ, &errs, "migrate", "--switch", "--data", data, "--model", other)
	clitest.Eventually(t, "it to wait", func() bool { return strings.Contains(errs.String(), "all is ready") })
	cancel()
	if code := <-ended; code != cli.ExitInterrupted {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
	wantCurrent(t, data, model)
	if err := serving.Close(); err != nil {
		t.Error(err)
	}
}

// TestSwitchBringsTheLastWrites: what came after the last pass, until the other
// program closed the collection, is brought over before the switch.
func TestSwitchBringsTheLastWrites(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	_, data := shop(t, environ, model)
	e := cli.Env{
		Settings: cli.Settings{Data: data, Model: other, Device: "cpu", Batch: 4, Switch: true},
		Streams:  cli.Streams{Out: t.Output(), Err: t.Output()}, Environ: environ, Log: slog.New(slog.DiscardHandler),
	}
	l, err := openLive(t.Context(), e, fingerprint(t, other))
	if err != nil {
		t.Fatal(err)
	}
	err = withData(t.Context(), e, cli.OpenBeside, func(m *encoder.Model, d *cli.Data) error {
		g := newMigration(e, l, m, d)
		if err := errors.Join(g.prepare(t.Context()), g.catchUp(t.Context())); err != nil {
			return err
		}
		w := newWriter(t, data, model)
		w.put("p0000", 2)
		w.put("late", 3)
		w.remove("p0001")
		if done, err := g.switchHeld(t.Context()); done || err != nil {
			t.Errorf("while it is open: %v, %v", done, err)
		}
		if err := w.data.Close(); err != nil {
			return err
		}
		if done, err := g.switchHeld(t.Context()); !done || err != nil || !g.switched {
			t.Errorf("after that: %v, %v, switched %v", done, err, g.switched)
		}
		sameCollections(t, data, model, other)
		return nil
	})
	if err := errors.Join(err, l.close()); err != nil {
		t.Fatal(err)
	}
	wantCurrent(t, data, other)
}
