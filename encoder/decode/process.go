package decode

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// node is a token of a sequence; sequences that begin alike share nodes.
type node struct {
	id   int64
	prob float32 // the model's log-probability, before any penalty
	prev *node
}

// sequence is the prompt and the nodes up to tail.
func sequence(prompt []int64, tail *node, score float64) Sequence {
	s := Sequence{Score: score}
	for n := tail; n != nil; n = n.prev {
		s.IDs, s.LogProbs = append(s.IDs, n.id), append(s.LogProbs, n.prob)
	}
	slices.Reverse(s.IDs)
	slices.Reverse(s.LogProbs)
	s.IDs = append(slices.Clone(prompt), s.IDs...)
	return s
}

// changed is a score that a processor replaced.
type changed struct {
	id  int64
	was float32
}

var (
	errNoNumber = errors.New("the decoder gave a logit that is no finite number: check the model with indexd model verify")
	errNarrow   = errors.New("the model's vocabulary is too small")
)

// normaliser is log(sum(exp(x))) in the two parts that torch's log_softmax in
// float32 takes off one after the other.
func normaliser(x []float32) (peak, logSum float32, err error) {
	peak = float32(math.Inf(-1))
	for _, v := range x {
		if v > peak {
			peak = v
		}
	}
	sum := sumExp(x, peak)
	if math.IsNaN(sum) || math.IsInf(sum, 0) || math.IsInf(float64(peak), 0) {
		return 0, 0, errNoNumber
	}
	return peak, float32(math.Log(sum)), nil
}

// logSoftmax replaces logits by log-probabilities.
func logSoftmax(x []float32) error {
	peak, logSum, err := normaliser(x)
	if err != nil {
		return err
	}
	for i, v := range x {
		x[i] = v - peak - logSum
	}
	return nil
}

// process changes the scores of one row as transformers' processors do, in their
// order: the repetition penalty, then the least length. n is the number of ids so
// far. It says what it changed, so that the model's own values are not lost.
func (o Options) process(scores []float32, prompt []int64, tail *node, n int) ([]changed, error) {
	if o.End >= int64(len(scores)) {
		return nil, fmt.Errorf("%w: %d logits, and the end token is %d", errNarrow, len(scores), o.End)
	}
	var was []changed
	if o.RepetitionPenalty != 1 {
		penalise := func(id int64) {
			if id < 0 || id >= int64(len(scores)) || slices.ContainsFunc(was, func(c changed) bool { return c.id == id }) {
				return
			}
			was = append(was, changed{id, scores[id]})
			if scores[id] < 0 {
				scores[id] *= float32(o.RepetitionPenalty)
			} else {
				scores[id] /= float32(o.RepetitionPenalty)
			}
		}
		for _, id := range prompt {
			penalise(id)
		}
		for t := tail; t != nil; t = t.prev {
			penalise(t.id)
		}
	}
	if n < o.MinLength {
		was = append(was, changed{o.End, scores[o.End]})
		scores[o.End] = float32(math.Inf(-1))
	}
	return was, nil
}

// original is the score of id before process changed it.
func original(was []changed, id int64, now float32) float32 {
	if i := slices.IndexFunc(was, func(c changed) bool { return c.id == id }); i >= 0 {
		return was[i].was
	}
	return now
}
