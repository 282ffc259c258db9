package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/store/embedded"
)

const (
	// followEvery is how often an embedded collection is asked whether it
	// changed, some 50 µs each time, and the least time between two passes.
	followEvery = 200 * time.Millisecond
	// scanEvery is the least time between passes over a collection in Milvus,
	// each of which reads all of it.
	scanEvery = time.Second
	// quiet is how long nothing must have been written to a collection in Milvus
	// before it is left: servers show writes of others after 5 s at most.
	quiet = 6 * time.Second
)

// follow repeats what is written to the live collection until ctx ends or the
// new one is the current one.
func (g *migration) follow(ctx context.Context) error {
	for {
		done, err := g.step(ctx)
		if done || err != nil {
			return err
		}
		timer := time.NewTimer(g.interval())
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("stopped: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

// interval leaves some of the machine to the program that serves the collection.
func (g *migration) interval() time.Duration {
	if g.live.reader != nil {
		return min(max(followEvery, g.took), time.Second)
	}
	return max(scanEvery, 4*g.took)
}

// step brings over what changed, and switches when all is there.
func (g *migration) step(ctx context.Context) (done bool, err error) {
	if err := g.live.moved(ctx); err != nil {
		return false, err
	}
	changed, err := g.changed(ctx)
	if err != nil {
		return false, err
	}
	if changed || g.live.reader == nil {
		if err := g.pass(ctx); err != nil {
			return false, err
		}
		g.tell()
	}
	switch {
	case !g.env.Switch:
		g.say("up to date; what is written to the current collection is brought over until Ctrl-C")
		return false, nil
	case g.lacking() > 0:
		return true, nil
	case g.live.reader == nil:
		return g.switchQuiet(ctx)
	}
	return g.switchHeld(ctx)
}

// switchHeld switches while no other program can have the live collection open,
// so that nothing comes between the last pass and the switch.
func (g *migration) switchHeld(ctx context.Context) (done bool, err error) {
	held, err := g.live.files().Hold(ctx, g.live.fingerprint)
	if errors.Is(err, embedded.ErrHeld) {
		g.say("all is ready, and what is written is brought over: stop the program that has the current collection open; this switches then. Start searchd with --model " + g.env.Model + " when this has ended")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	changed, err := g.changed(ctx)
	for range maxPasses { // two are enough, since nobody writes
		if err != nil || !changed || g.lacking() > 0 {
			break
		}
		if err = g.pass(ctx); err == nil {
			changed, err = g.changed(ctx)
		}
	}
	if err != nil || changed || g.lacking() > 0 {
		return g.lacking() > 0, err
	}
	return true, g.switchNow(ctx)
}

// switchQuiet waits for a while without writes: with Milvus nothing keeps
// writers out.
func (g *migration) switchQuiet(ctx context.Context) (done bool, err error) {
	if !g.covered || g.began.Sub(g.written) < quiet {
		g.say(fmt.Sprintf("all is ready, and what is written is brought over: stop what writes to the current collection; this switches after %s without a change", quiet))
		return false, nil
	}
	return true, g.switchNow(ctx)
}

func (g *migration) switchNow(ctx context.Context) error {
	if err := g.live.moved(ctx); err != nil {
		return err
	}
	if err := g.seal(ctx); err != nil {
		return err
	}
	if err := g.data.Place.Switch(ctx, g.model.Fingerprint()); err != nil {
		return err
	}
	g.switched = true
	return nil
}

// tell says now and then what was brought over.
func (g *migration) tell() {
	if g.env.JSON || time.Since(g.told) < plainInterval || g.written.Before(g.began) {
		return
	}
	g.told = time.Now()
	fmt.Fprintf(g.env.Err, "%d items written and %d deleted so far\n", g.total.Written, g.total.Deleted)
}

// say prints a line for a person, once while it holds.
func (g *migration) say(line string) {
	if g.env.JSON || g.said == line {
		return
	}
	g.said = line
	fmt.Fprintln(g.env.Err, line)
}
