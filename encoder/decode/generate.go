package decode

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Stepper is a decoder that keeps what it has read of each row.
type Stepper interface {
	// Step appends ids[i], the same number of tokens for all rows and at least
	// one, to the row that continues row parents[i] of the step before, and returns
	// the logits after the last token, a row each. At the first step parents is
	// nil and row i is picture i. Later the rows of a picture are adjacent and in
	// picture order, the same number for each picture that has any; several may
	// continue the same row. The caller may change what it is given until the
	// next step.
	Step(ctx context.Context, parents []int, ids [][]int64) ([][]float32, error)
}

// Sequence is one text that was generated.
type Sequence struct {
	// IDs are the prompt and what follows, the end token included where it came
	// before MaxLength.
	IDs []int64
	// LogProbs are the model's log-probabilities of the ids behind the prompt,
	// before any penalty.
	LogProbs []float32
	// Score is what sequences of a picture are ordered by: in beam search the sum
	// of the penalised log-probabilities by length (transformers' sequences_scores),
	// else LogProb.
	Score float64
}

// LogProb is the log-probability that the model gives to all that follows the
// prompt.
func (s Sequence) LogProb() float64 {
	var sum float64
	for _, p := range s.LogProbs {
		sum += float64(p)
	}
	return sum
}

// Generate continues one prompt for each picture; prompts have the same length.
// It returns Returns sequences for each, best first in beam search. The ctx is
// looked at before every step.
func Generate(ctx context.Context, s Stepper, prompts [][]int64, o Options) ([][]Sequence, error) {
	return GenerateWanted(ctx, s, prompts, o, nil)
}

// GenerateWanted is Generate for several callers at once: before every step it
// asks whether picture i is still wanted. One that is not costs nothing more, and
// gets no sequences. nil wants all.
func GenerateWanted(ctx context.Context, s Stepper, prompts [][]int64, o Options, wanted func(i int) bool) ([][]Sequence, error) {
	if err := errors.Join(o.Check(), checkPrompts(prompts, o)); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	all := make([]*task, len(prompts))
	for i, p := range prompts {
		all[i] = &task{search: newSearch(p, o), number: i, at: i, moves: []move{{}}}
	}
	err := drive(ctx, s, slices.Clone(all), prompts, wanted)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	out := make([][]Sequence, len(all))
	for i, t := range all {
		if !t.left {
			out[i] = t.result()
		}
	}
	return out, nil
}

func checkPrompts(prompts [][]int64, o Options) error {
	for i, p := range prompts {
		if len(p) == 0 || len(p) != len(prompts[0]) {
			return fmt.Errorf("prompt %d has %d ids, the first has %d: prompts of one call have the same length, at least 1", i, len(p), len(prompts[0]))
		}
		if len(p) >= o.MaxLength {
			return fmt.Errorf("the prompt has %d ids and the greatest length is %d: shorten the prompt or raise the length", len(p), o.MaxLength)
		}
	}
	return nil
}

// search chooses the tokens of one picture.
type search interface {
	// next reads the logits of the picture's rows, which it may change, and says
	// which rows go on. No moves end it.
	next(logits [][]float32) ([]move, error)
	result() []Sequence
}

// move continues a row of the picture, counted from its first, by a token.
type move struct {
	row int
	id  int64
}

// task is a picture that is under way.
type task struct {
	search
	number int // of the picture
	at     int // the first of its rows
	moves  []move
	left   bool // nobody wants it any more
}

// drive steps until every picture is finished. All of them have a row at the first
// step, since that is how the stepper knows them.
func drive(ctx context.Context, s Stepper, live []*task, prompts [][]int64, wanted func(int) bool) error {
	var parents []int
	ids := prompts
	for live = stillWanted(live, wanted); len(live) > 0; live = stillWanted(live, wanted) {
		if parents != nil {
			parents, ids = rowsOf(live)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		logits, err := s.Step(ctx, parents, ids)
		if err != nil {
			return err
		}
		if len(logits) != len(ids) {
			return fmt.Errorf("the decoder gave %d rows of logits for %d rows", len(logits), len(ids))
		}
		if live, err = advance(live, logits); err != nil {
			return err
		}
		parents = []int{}
	}
	return nil
}

func stillWanted(live []*task, wanted func(int) bool) []*task {
	if wanted == nil {
		return live
	}
	return slices.DeleteFunc(live, func(t *task) bool {
		t.left = !wanted(t.number)
		return t.left
	})
}

// rowsOf lays out the rows of the next step, and notes where each picture's begin.
func rowsOf(live []*task) (parents []int, ids [][]int64) {
	n := len(live) * len(live[0].moves)
	parents, ids = make([]int, 0, n), make([][]int64, 0, n)
	tokens := make([]int64, 0, n)
	for _, t := range live {
		from := t.at
		t.at = len(parents)
		for _, m := range t.moves {
			tokens = append(tokens, m.id)
			parents, ids = append(parents, from+m.row), append(ids, tokens[len(tokens)-1:])
		}
	}
	return parents, ids
}

// advance has every picture read its logits and drops those that are finished.
func advance(live []*task, logits [][]float32) ([]*task, error) {
	left := live[:0]
	for _, t := range live {
		var err error
		if t.moves, err = t.next(logits[t.at : t.at+len(t.moves)]); err != nil {
			return nil, fmt.Errorf("picture %d: %w", t.number, err)
		}
		if len(t.moves) > 0 {
			left = append(left, t)
		}
	}
	return left, nil
}

func newSearch(prompt []int64, o Options) search {
	if o.Beams > 1 {
		return newBeams(prompt, o)
	}
	return newLines(prompt, o)
}
