package queue

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// idDigits are Crockford's: no I, L, O, U.
const (
	idDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	idLength = 26
)

// IDs makes job IDs: ULIDs, 48 bits of milliseconds and 80 random ones. Those
// of one IDs sort in the order they were made, as long as the clock is not set
// back; those of several by milliseconds. Methods may be called at the same
// time; the zero value is ready.
type IDs struct {
	mu     sync.Mutex
	ms     int64
	hi, lo uint64
}

// Next makes the ID of a job of that time.
func (g *IDs) Next(now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	ms := now.UnixMilli()
	if ms != g.ms {
		g.ms, g.hi, g.lo = ms, uint64(ms)<<16|rand.Uint64()&0x7fff, rand.Uint64() //nolint:gosec // unique, not secret
	} else if g.lo++; g.lo == 0 {
		g.hi++
	}
	return encodeID(g.hi, g.lo)
}

func encodeID(hi, lo uint64) string {
	var b [idLength]byte
	for i := idLength - 1; i >= 0; i-- {
		b[i] = idDigits[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(b[:])
}

// ValidID tells whether s has the form of an ID.
func ValidID(s string) bool {
	return len(s) == idLength && strings.Trim(s, idDigits) == ""
}
