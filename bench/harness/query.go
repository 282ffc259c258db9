package harness

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Queries is the steady load's mix: texts, of which a third were asked before;
// one in ten by the picture of an item that stays; one in five within the items
// that are being changed.
func (w *World) Queries(brand string, deadline time.Duration) func(n int, rng *rand.Rand) Query {
	ids, words := slices.Sorted(maps.Keys(w.Items)), someWords()
	return func(n int, rng *rand.Rand) Query {
		q := Query{Limit: 50, Deadline: deadline}
		if n%10 == 9 {
			q.Image = ids[rng.IntN(len(ids))]
			return q
		}
		q.Text = fmt.Sprintf("%s %s", words[rng.IntN(len(words))], words[rng.IntN(len(words))])
		if n%3 > 0 {
			q.Text = fmt.Sprintf("%s with %s %d", q.Text, words[rng.IntN(len(words))], rng.IntN(1000))
		}
		if n%5 == 0 {
			q.Filter = fmt.Sprintf("brand = %q", brand)
		}
		return q
	}
}
