//go:build faults

package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"sightline/encoder"
)

// faulty is a model whose second look hangs between a SIGUSR1 and the next, and
// fails between a SIGUSR2 and the next, as a broken device would: a hang does not
// heed its context. For bench/load only.
type faulty struct {
	*encoder.Model

	mu      sync.Mutex
	hanging chan struct{} // closed when the hang ends; nil for none
	failing bool
}

// seam returns a model that breaks when it is told to.
func seam(m *encoder.Model) secondModel {
	f := &faulty{Model: m}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range signals {
			f.toggle(s)
		}
	}()
	return f
}

func (f *faulty) toggle(s os.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case s == syscall.SIGUSR2:
		f.failing = !f.failing
	case f.hanging == nil:
		f.hanging = make(chan struct{})
	default:
		close(f.hanging)
		f.hanging = nil
	}
}

// strike is called before each run.
func (f *faulty) strike() error {
	f.mu.Lock()
	hanging, failing := f.hanging, f.failing
	f.mu.Unlock()
	if hanging != nil {
		<-hanging
	}
	if failing {
		return errors.New("a fault that was asked for")
	}
	return nil
}

func (f *faulty) Match(ctx context.Context, q encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	if err := f.strike(); err != nil {
		return nil, err
	}
	return f.Model.Match(ctx, q, states)
}

func (f *faulty) Project(ctx context.Context, image encoder.States) (encoder.Projected, error) {
	if err := f.strike(); err != nil {
		return encoder.Projected{}, err
	}
	return f.Model.Project(ctx, image)
}

func (f *faulty) MatchProjected(ctx context.Context, image encoder.Projected, texts []encoder.Query) ([]encoder.Logits, error) {
	if err := f.strike(); err != nil {
		return nil, err
	}
	return f.Model.MatchProjected(ctx, image, texts)
}
