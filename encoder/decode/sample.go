package decode

import (
	"math"
	"math/rand/v2"
	"slices"
)

// lines are the sequences of one picture in greedy search (one) and in sampling
// (Returns): GenerationMixin._sample.
type lines struct {
	Options
	prompt []int64
	all    []line
	first  bool // the first step is still to come
}

// line is one sequence under way.
type line struct {
	tail   *node
	tokens int
	done   bool
	random *rand.PCG
}

func newLines(prompt []int64, o Options) *lines {
	l := &lines{Options: o, prompt: prompt, all: make([]line, o.Returns), first: true}
	for i := range l.all {
		l.all[i].random = rand.NewPCG(o.Seed, uint64(i)) // #nosec G404 -- captions, and the same ones each time
	}
	return l
}

// next reads one row for each line; at the first step they share one. Lines that
// are finished go on beside those that are not, in vain: a picture's number of rows
// stays.
func (l *lines) next(logits [][]float32) ([]move, error) {
	moves, unfinished := make([]move, len(l.all)), false
	for i := range l.all {
		n, row := &l.all[i], i
		x := logits[0]
		switch {
		case !l.first:
			x = logits[i] // #nosec G602 -- a row for each line, as the moves of the step before asked
		case len(l.all) > 1:
			x, row = slices.Clone(x), 0
		}
		if n.done {
			moves[i] = move{row, l.End}
			continue
		}
		if err := l.extend(n, x); err != nil {
			return nil, err
		}
		moves[i] = move{row, n.tail.id}
		unfinished = unfinished || !n.done
	}
	l.first = false
	if !unfinished {
		return nil, nil
	}
	return moves, nil
}

// extend chooses the next token of a line.
func (l *lines) extend(n *line, x []float32) error {
	peak, logSum, err := normaliser(x)
	if err != nil {
		return err
	}
	was, err := l.process(x, l.prompt, n.tail, len(l.prompt)+n.tokens)
	if err != nil {
		return err
	}
	id := largest(x)
	if l.Sample {
		id = l.draw(x, n.random)
	}
	raw := original(was, id, x[id])
	n.tail = &node{id: id, prob: raw - peak - logSum, prev: n.tail}
	n.tokens++
	n.done = id == l.End || len(l.prompt)+n.tokens >= l.MaxLength
	return nil
}

func (l *lines) result() []Sequence {
	out := make([]Sequence, len(l.all))
	for i, n := range l.all {
		out[i] = sequence(l.prompt, n.tail, 0)
		out[i].Score = out[i].LogProb()
	}
	return out
}

// draw takes a token of those that kept leaves.
func (o Options) draw(x []float32, random *rand.PCG) int64 {
	some, mass := o.kept(x)
	u := float64(random.Uint64()>>11) * 0x1p-53 * mass
	for _, w := range some {
		if u -= w.weight; u < 0 {
			return w.id
		}
	}
	return some[len(some)-1].id // u was within rounding of the mass
}

// weighted is a token with e to the power of its score, less the best one's.
type weighted struct {
	id     int64
	weight float64
}

// kept are the tokens that sampling chooses from, and the sum of their weights:
// transformers' warpers, temperature, top k, top p, in their order. With a limit the
// most probable come first, else they come by id.
func (o Options) kept(x []float32) (some []weighted, mass float64) {
	if o.Temperature != 1 {
		for i := range x {
			x[i] /= float32(o.Temperature)
		}
	}
	peak := x[largest(x)]
	switch {
	case o.TopK > 0 && o.TopK < len(x):
		for _, c := range mostProbable(x, o.TopK) {
			w := math.Exp(float64(c.score - peak))
			some, mass = append(some, weighted{c.id, w}), mass+w
		}
	case o.TopP < 1:
		mass = sumExp(x, peak)
		some = mostMass(x, peak, o.TopP*mass)
	default:
		return above(x, peak, math.Inf(-1))
	}
	if o.TopP < 1 {
		return nucleus(some, o.TopP*mass)
	}
	return some, mass
}
