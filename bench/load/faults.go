package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Times of a fault run: the load before the fault and after recovery, how long
// the fault lasts, and how long recovery is waited for. A hang lasts long enough
// for probes to hang as well.
const (
	around    = 5 * time.Second
	lasts     = 12 * time.Second
	patience  = 60 * time.Second
	halfwayTo = 0.5 // of the capacity
)

// faults has the device hang, and then fail, under load.
func (b *bench) faults(ctx context.Context) error {
	if b.faulty == "" {
		b.missing("faults", "-faulty names no searchd that was built with -tags faults")
		return nil
	}
	if err := b.needCapacity(ctx); err != nil {
		return err
	}
	for _, kind := range []struct {
		name   string
		signal os.Signal
	}{{"hang", syscall.SIGUSR1}, {"fail", syscall.SIGUSR2}} {
		if err := b.fault(ctx, kind.name, kind.signal); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) fault(ctx context.Context, kind string, signal os.Signal) error {
	deadline := b.deadlines[0]
	row := faultRow{Kind: kind, Rate: halfwayTo * b.capacity, Deadline: ms(deadline), Lasted: lasts.Seconds()}
	return b.with(ctx, b.faulty, b.slots, func(s *server, c *client) error {
		var got shots
		loading, cancel := context.WithCancel(ctx)
		defer cancel()
		done := make(chan struct{})
		begin := time.Now()
		go func() {
			defer close(done)
			openLoop(loading, row.Rate, &got, func() shot {
				return c.ask(ctx, query{text: b.words.next(), depth: b.depth, deadline: deadline})
			})
		}()
		broke, mended, err := b.breakFor(ctx, s, signal, begin)
		if err == nil {
			awaitWhole(ctx, &got, mended)
			pause(ctx, around)
		}
		cancel()
		<-done
		if err != nil {
			return err
		}
		row.fill(got.all, broke, mended)
		b.r.Faults = append(b.r.Faults, row)
		fmt.Fprintf(b.log, "  %s of %v: noticed after %.2f s, recovered %.2f s after its end; p99 %.0f ms until noticed, %.0f ms then; %d out of order; statuses %v %v\n",
			kind, lasts, row.Noticed, row.Recovered, row.Waiting.P99, row.During.P99, row.Disorder, row.Waiting.Statuses, row.During.Statuses)
		return ctx.Err()
	})
}

// breakFor begins a fault and ends it, and says when, since begin.
func (b *bench) breakFor(ctx context.Context, s *server, signal os.Signal, begin time.Time) (broke, mended time.Duration, err error) {
	pause(ctx, around)
	broke = time.Since(begin)
	if err := s.cmd.Process.Signal(signal); err != nil {
		return 0, 0, fmt.Errorf("break the device: %w", err)
	}
	pause(ctx, lasts)
	mended = time.Since(begin)
	if err := s.cmd.Process.Signal(signal); err != nil {
		return 0, 0, fmt.Errorf("mend the device: %w", err)
	}
	return broke, mended, ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// awaitWhole waits until a request that was due after a moment was read whole.
func awaitWhole(ctx context.Context, got *shots, after time.Duration) {
	for end := time.Now().Add(patience); ctx.Err() == nil && time.Now().Before(end); pause(ctx, 50*time.Millisecond) {
		if _, ok := got.find(func(s shot) bool { return s.due > after && s.whole() }); ok {
			return
		}
	}
}

// fill sorts the requests by when they were due.
func (f *faultRow) fill(all []shot, broke, mended time.Duration) {
	noticed, recovered := mended, time.Duration(-1)
	f.Noticed, f.Recovered = -1, -1
	for _, s := range all {
		inside := s.due >= broke && s.ended() < mended
		if inside && s.stopped == "failed" && s.ended() < noticed {
			noticed, f.Noticed = s.ended(), (s.ended() - broke).Seconds()
		}
		if inside && s.status == 200 && s.scored == 0 && !s.inOrder {
			f.Disorder++
		}
		if s.due > mended && s.whole() && (recovered < 0 || s.ended() < recovered) {
			recovered, f.Recovered = s.ended(), (s.ended() - mended).Seconds()
		}
	}
	f.Before = summarise(of(all, func(s shot) bool { return s.ended() < broke }))
	f.Waiting = summarise(of(all, func(s shot) bool { return s.due >= broke && s.due < noticed }))
	f.During = summarise(of(all, func(s shot) bool { return s.due >= noticed && s.due < mended }))
	f.After = summarise(of(all, func(s shot) bool { return recovered >= 0 && s.due >= recovered }))
}
