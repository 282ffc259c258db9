package decode

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// none is what transformers writes for the score of a sequence that is not there.
const none float32 = -1e9

// beams is the beam search of one picture: GenerationMixin._beam_search, float32
// where that is float32.
type beams struct {
	Options
	prompt  []int64
	running []hypothesis // best first
	done    []hypothesis // finished, best first, at most Beams
	tokens  int          // behind the prompt
}

// hypothesis is a sequence with the sum of its log-probabilities, or, when it is
// finished, that by length.
type hypothesis struct {
	tail  *node
	score float32
}

func newBeams(prompt []int64, o Options) *beams {
	return &beams{Options: o, prompt: prompt, running: []hypothesis{{}}}
}

// next reads one row for each running beam; at the first step there is one.
func (b *beams) next(logits [][]float32) ([]move, error) {
	best, was, err := b.candidates(logits)
	if err != nil {
		return nil, err
	}
	b.tokens++
	atEnd := len(b.prompt)+b.tokens >= b.MaxLength
	full := len(b.done) == b.Beams && b.EarlyStopping == EarlyTrue
	var running, finished []hypothesis
	var moves []move
	for i, c := range best {
		before := b.running[c.row]
		raw := original(was[c.row], c.id, logits[c.row][c.id])
		h := hypothesis{&node{id: c.id, prob: raw, prev: before.tail}, c.score}
		if stops := c.id == b.End || atEnd; stops {
			if i < b.Beams && !full {
				h.score /= b.length(b.tokens)
				finished = append(finished, h)
			}
		} else if len(running) < b.Beams {
			running, moves = append(running, h), append(moves, move{c.row, c.id})
		}
	}
	b.running = running
	b.finish(finished)
	if len(running) == 0 || b.over() {
		return nil, nil
	}
	return moves, nil
}

// candidates are the 2·Beams best continuations of all rows, best first: with one
// end token that leaves Beams which go on. was is, for each row, what processors
// changed.
func (b *beams) candidates(logits [][]float32) ([]candidate, [][]changed, error) {
	top := newTop(2 * b.Beams)
	was := make([][]changed, len(logits))
	for i, x := range logits {
		if len(x) <= 2*b.Beams {
			return nil, nil, fmt.Errorf("%w: %d logits for %d beams", errNarrow, len(x), b.Beams)
		}
		if err := logSoftmax(x); err != nil {
			return nil, nil, err
		}
		var err error
		if was[i], err = b.process(x, b.prompt, b.running[i].tail, len(b.prompt)+b.tokens); err != nil {
			return nil, nil, err
		}
		top.scan(x, i, b.running[i].score)
	}
	return top.best, was, nil
}

// length is what scores are divided by.
func (b *beams) length(tokens int) float32 {
	return float32(math.Pow(float64(tokens), b.LengthPenalty))
}

// finish keeps the best of the finished sequences.
func (b *beams) finish(more []hypothesis) {
	b.done = append(b.done, more...)
	slices.SortStableFunc(b.done, func(x, y hypothesis) int { return cmp.Compare(y.score, x.score) })
	b.done = b.done[:min(len(b.done), b.Beams)]
}

// over says whether the running beams are given up: _check_early_stop_heuristic and
// _beam_search_has_unfinished_sequences. It is not asked again once it is true:
// what is finished can then not be bettered.
func (b *beams) over() bool {
	full := len(b.done) == b.Beams
	if full && b.EarlyStopping == EarlyTrue {
		return true
	}
	tokens := b.tokens
	if b.EarlyStopping == EarlyNever && b.LengthPenalty > 0 {
		tokens = b.MaxLength - len(b.prompt)
	}
	worst := none
	if full {
		worst = b.done[len(b.done)-1].score
	}
	return b.running[0].score/b.length(tokens) <= worst
}

func (b *beams) result() []Sequence {
	out := make([]Sequence, min(b.Returns, len(b.done)))
	for i := range out {
		out[i] = sequence(b.prompt, b.done[i].tail, float64(b.done[i].score))
	}
	return out
}
