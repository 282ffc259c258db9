package indexer

import (
	"context"
	"slices"
)

// behalf is a stage's context with the values of a caller of a Stream, such as
// the span that the work belongs to. It ends with the stage, whose own values
// go first.
type behalf struct {
	context.Context
	caller context.Context
}

// Value implements context.Context.
func (b behalf) Value(key any) any {
	if v := b.Context.Value(key); v != nil {
		return v
	}
	return b.caller.Value(key)
}

type callersKey struct{}

// Callers are the contexts of those whose items a stage of a Stream works on at
// once, each named once; ctx has the values of the first. There are none in a
// Run.
func Callers(ctx context.Context) []context.Context {
	callers, _ := ctx.Value(callersKey{}).([]context.Context)
	return callers
}

// onBehalf returns ctx with the values of the first of the jobs' callers, and
// with all of them for Callers.
func onBehalf(ctx context.Context, jobs ...*job) context.Context {
	callers := make([]context.Context, 0, len(jobs))
	for _, j := range jobs {
		if j.caller != nil && !slices.Contains(callers, j.caller) {
			callers = append(callers, j.caller)
		}
	}
	if len(callers) == 0 {
		return ctx
	}
	return context.WithValue(behalf{ctx, callers[0]}, callersKey{}, callers)
}
