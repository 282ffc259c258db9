package catalogue

import (
	"math/bits"
	"math/rand/v2"
)

// dice draws integers only: float32 and float64 products may be fused on some
// processors, and one seed must give one picture everywhere. PCG's stream is
// fixed by its paper; the reduction to a range is written out here because
// rand.Rand does not promise to keep its own.
type dice struct{ pcg *rand.PCG }

// roll starts a stream. Streams of different (seed, stream) pairs are
// independent, so pictures may be made in any order and on any core.
func roll(seed, stream uint64) dice { return dice{rand.NewPCG(seed, mix(stream))} }

// mix is the finaliser of SplitMix64: neighbouring numbers become unrelated.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below draws from [0, n).
func (d dice) below(n int) int {
	hi, _ := bits.Mul64(d.pcg.Uint64(), uint64(n))
	return int(hi)
}

// between draws from [lo, hi], both ends included.
func (d dice) between(lo, hi int) int { return lo + d.below(hi-lo+1) }

func (d dice) percent(p int) bool { return d.below(100) < p }

// weighted draws an index with probability in proportion to its weight.
func (d dice) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at := d.below(sum)
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// pick draws one of the given values.
func pick[T any](d dice, of ...T) T { return of[d.below(len(of))] }

// shuffle puts s in a random order.
func shuffle[T any](d dice, s []T) {
	for i := len(s) - 1; i > 0; i-- {
		j := d.below(i + 1)
		s[i], s[j] = s[j], s[i]
	}
}
