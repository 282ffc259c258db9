package encoder

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"slices"
)

// poolShare is how many patches one pooled state stands for on average.
const poolShare = 4

// maxRows is what States.Of can number.
const maxRows = math.MaxUint16 + 1

// PooledRows is how many states Pool leaves of a picture of so many tokens: the
// class token's and a quarter of the patches'.
func PooledRows(tokens int) int { return 1 + (tokens-1+poolShare-1)/poolShare }

// Pool keeps a quarter of the patch states: neighbours in the grid that differ
// least become their mean, until PooledRows are left. A region of one colour
// becomes one state while an edge keeps its own. The pair that is merged next
// is the one that adds least to the squared error of all (Ward's criterion);
// the class token stays alone. docs/features.md has what that costs, and what
// other ways of halving the grid twice cost.
//
// The result is fp32, and Of says which state each patch has; Quantize and
// Expand are the next steps. Pooled states are returned as they are. About 5 ms
// for [577,768].
func (s States) Pool() (States, error) {
	if err := s.Check(); err != nil {
		return States{}, fmt.Errorf("pool: %w", err)
	}
	if s.Of != nil {
		return s, nil
	}
	side := int(math.Sqrt(float64(s.Tokens - 1)))
	if side*side != s.Tokens-1 {
		return States{}, fmt.Errorf("pool: %d patches are no square grid", s.Tokens-1)
	}
	if PooledRows(s.Tokens) > maxRows {
		return States{}, errors.New("pool: more states than can be numbered")
	}
	r := newRegions(s.Dequantize(), side)
	for range s.Tokens - PooledRows(s.Tokens) {
		r.merge()
	}
	return r.states(s), nil
}

// Expand gives each token its own state again, the one that pooling left for
// it. A match reads the expanded states as it reads any: attention over s equal
// states is attention over one that counts s times. States that are not pooled
// are returned as they are.
func (s States) Expand() States {
	if s.Of == nil {
		return s
	}
	full := States{Tokens: len(s.Of), Width: s.Width, Mean: s.Mean}
	if s.Float != nil {
		full.Float = spread(s.Float, s.Of, s.Width)
		return full
	}
	full.Int8, full.Scale = spread(s.Int8, s.Of, s.Width), spread(s.Scale, s.Of, 1)
	return full
}

// spread copies the row of each token.
func spread[T any](rows []T, of []uint16, width int) []T {
	out := make([]T, 0, len(of)*width)
	for _, row := range of {
		out = append(out, rows[int(row)*width:(int(row)+1)*width]...)
	}
	return out
}

// regions are the patches of a picture on their way to fewer. A region has the
// number of its first patch.
type regions struct {
	width int
	mean  []float32 // [patches,width]; of a region that was merged into another, no longer read
	size  []int     // patches in it
	into  []int     // the region that a patch, or a region, went into; itself where it is one
	pairs pairs     // one for each two patches that touch
}

func newRegions(s States, side int) *regions {
	n := side * side
	r := &regions{width: s.Width, mean: slices.Clone(s.Float[s.Width:]), size: make([]int, n), into: make([]int, n)}
	for i := range n {
		r.size[i], r.into[i] = 1, i
	}
	for i := range n {
		if i%side > 0 {
			r.pairs = append(r.pairs, r.pair(i-1, i))
		}
		if i >= side {
			r.pairs = append(r.pairs, r.pair(i-side, i))
		}
	}
	heap.Init(&r.pairs)
	return r
}

func (r *regions) row(i int) []float32 { return r.mean[i*r.width : (i+1)*r.width] }

// region is the one that a patch belongs to by now.
func (r *regions) region(i int) int {
	for r.into[i] != i {
		r.into[i] = r.into[r.into[i]] // keeps the way short
		i = r.into[i]
	}
	return i
}

// pair is what merging two regions, a before b, costs as they are now.
func (r *regions) pair(a, b int) pair {
	var squares float32
	y := r.row(b)
	for i, x := range r.row(a) {
		d := x - y[i]
		squares += d * d
	}
	sa, sb := r.size[a], r.size[b]
	return pair{cost: squares * float32(sa*sb) / float32(sa+sb), a: a, b: b, sizes: [2]int{sa, sb}}
}

// merge joins the two neighbours that cost least. A grid is connected, so there
// is such a pair while there is more than one region. What a pair costs is
// worked out again only when it comes up: a large region has hundreds of
// neighbours, and all would change with each patch that it takes up. So a pair
// that became cheaper may come late.
func (r *regions) merge() {
	for {
		p := heap.Pop(&r.pairs).(pair)
		a, b := r.region(p.a), r.region(p.b)
		a, b = min(a, b), max(a, b)
		switch {
		case a == b:
		case p.sizes == [2]int{r.size[a], r.size[b]} && p.a == a && p.b == b:
			r.join(a, b)
			return
		default:
			heap.Push(&r.pairs, r.pair(a, b))
		}
	}
}

// join makes b a part of a.
func (r *regions) join(a, b int) {
	sa, sb := float32(r.size[a]), float32(r.size[b])
	mean, other := r.row(a), r.row(b)
	for i := range mean {
		mean[i] = (mean[i]*sa + other[i]*sb) / (sa + sb)
	}
	r.size[a] += r.size[b]
	r.into[b] = a
}

// states are the class token's and the regions', in the order of their first
// patches.
func (r *regions) states(s States) States {
	out := States{Width: s.Width, Of: make([]uint16, s.Tokens), Float: slices.Clone(s.Dequantize().Float[:s.Width]), Tokens: 1}
	for i := range r.into {
		region := r.region(i)
		if region == i {
			out.Of[i+1] = uint16(out.Tokens)
			out.Tokens++
			out.Float = append(out.Float, r.row(i)...)
			continue
		}
		out.Of[i+1] = out.Of[region+1] // an earlier patch, which is settled already
	}
	return out
}

// pair are two neighbours, a before b, and what merging them costs, as long as
// they have these sizes.
type pair struct {
	cost  float32
	a, b  int
	sizes [2]int
}

// pairs is a heap, the cheapest first; of equals the one that comes first in
// the picture, so that the same states are always pooled alike.
type pairs []pair

// Len is for package heap, as the next four are.
func (p pairs) Len() int      { return len(p) }
func (p pairs) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p pairs) Less(i, j int) bool {
	x, y := p[i], p[j]
	if x.cost != y.cost {
		return x.cost < y.cost
	}
	return x.a < y.a || x.a == y.a && x.b < y.b
}

// Push adds a pair.
func (p *pairs) Push(x any) { *p = append(*p, x.(pair)) }

// Pop removes the last.
func (p *pairs) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}
