//go:build cgo

package kernel_test

import (
	"slices"
	"sync"
	"testing"

	"sightline/encoder/ort/kernel"
)

func clean[T comparable](t *testing.T, what string, whole, inner []T, mark T) {
	t.Helper()
	outside := slices.Concat(whole[:guard], whole[guard+len(inner):])
	if slices.ContainsFunc(outside, func(v T) bool { return v != mark }) {
		t.Errorf("%s: written outside", what)
	}
}

func TestWritesInside(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		for _, s := range shapes() {
			a := attention(s[0], s[1], s[2], s[3], 1)
			run(a, level)
			scratch, inner := guarded[byte](len(a.Scratch), 0xa5)
			a.Scratch = inner
			packed, p := guarded[byte](len(a.Packed), 0xa5)
			a.Packed = p
			out, o := guarded[float32](len(a.Out), 12345)
			a.Out = o
			kernel.PackInto(level, a.Packed, a.States, a.Tokens, a.Width)
			a.Run(level)
			clean(t, "out", out, o, 12345)
			eight(a)
			out8, o8 := guarded[byte](len(a.Out8), 77)
			scales, sc := guarded[float32](len(a.OutScale), 12345)
			a.Out8, a.OutScale = o8, sc
			a.Run(level)
			clean(t, "bytes", out8, o8, 77)
			clean(t, "scales", scales, sc, 12345)
			clean(t, "scratch", scratch, inner, 0xa5)
			clean(t, "packed", packed, p, 0xa5)
		}
	})
}

// Every call depends on what it is given only: not on what scratch holds.
func TestScratchDoesNotMatter(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		a := attention(3, 7, 90, 72, 1)
		run(a, level)
		want := slices.Clone(a.Out)
		for i := range a.Scratch {
			a.Scratch[i] = 0xff
		}
		a.Run(level)
		if !slices.Equal(a.Out, want) {
			t.Error("another result")
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		a := attention(3, 8, 150, 96, 1)
		run(a, level)
		want := slices.Clone(a.Out)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				b := *a
				b.Scratch, b.Out = kernel.Scratch(rows(a), a.Tokens, a.Width), make([]float32, len(a.Out))
				for range 20 {
					clear(b.Out)
					b.Run(level)
					if !slices.Equal(b.Out, want) {
						t.Error("another result beside others")
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// Heads may lie apart: a call takes the rows of one text of several.
func TestSomeRows(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		a := attention(3, 8, 70, 40, 1)
		a.QScale = make([]float32, rows(a))
		for i := range a.QScale {
			a.QScale[i] = 1 + float32(i)/8
		}
		run(a, level)
		want := slices.Clone(a.Out)
		clear(a.Out)
		for from := 0; from < 8; from += 4 {
			b := *a
			b.Length, b.Q, b.Out, b.QScale = 4, a.Q[from*40:], a.Out[from*40:], a.QScale[from:]
			b.Run(level)
		}
		if !slices.Equal(a.Out, want) {
			t.Error("another result in two calls")
		}
	})
}
