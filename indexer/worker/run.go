package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/indexer/queue"
)

// RunOptions are Run's.
type RunOptions struct {
	queue.RunOptions

	// KeepEnded and KeepDead are how long jobs are kept, for those who ask about
	// them: done and superseded ones, and dead ones; 0 stands for 7 and 90 days.
	KeepEnded, KeepDead time.Duration
	// ForgetEvery is how often older ones are removed, first at the start; 0
	// stands for an hour. Several processes may do that at once.
	ForgetEvery time.Duration
}

const day = 24 * time.Hour

func (o RunOptions) withDefaults() (RunOptions, error) {
	if o.KeepEnded < 0 || o.KeepDead < 0 || o.ForgetEvery < 0 {
		return o, errors.New("run workers: the times that jobs are kept for must not be negative")
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.KeepEnded, 7 * day}, {&o.KeepDead, 90 * day}, {&o.ForgetEvery, time.Hour}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	return o, nil
}

// Run is queue.Run with the queue's chores: it returns when that does and
// nothing of it runs any more. What fails of the chores Trouble is told.
func Run(ctx context.Context, q queue.Queue, handler queue.Handler, o RunOptions) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	chores, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		forgetting(chores, q, o)
	}()
	err = queue.Run(ctx, q, handler, o.RunOptions)
	stop()
	<-ended
	return err
}

func forgetting(ctx context.Context, q queue.Queue, o RunOptions) {
	tick := time.NewTicker(o.ForgetEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		_, err := q.Forget(ctx, queue.Expiry{Ended: now.Add(-o.KeepEnded), Dead: now.Add(-o.KeepDead)})
		if err != nil && ctx.Err() == nil {
			o.Trouble(fmt.Errorf("forget old jobs: %w", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
