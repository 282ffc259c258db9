package encoder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	// DefaultRank is BLIP's k_test: how many answers are read to their end.
	DefaultRank = 128
	// MostRank bounds it: each has a row of the decoder, and logits of 122 kB at a time.
	MostRank = 512
	// smoothing is the label smoothing of BLIP's answer decoder. It is part of the
	// ranking, since that is by the loss.
	smoothing = 0.1
)

// RankedAnswer is one of the answers that were given to choose from.
type RankedAnswer struct {
	Index int // in the list
	Text  string
	// Score is minus the decoder's loss, summed over the answer's tokens and [SEP],
	// with label smoothing 0.1; the best is nearest to 0.
	Score float64
}

// RankAnswers chooses among answers as BLIP's evaluation does: those whose first
// token is likeliest, k of them (0: DefaultRank), are read to their end and ordered
// by the loss. Answers that begin alike share rows. Of equal ones the earlier is
// first. It returns the k, best first.
func (m *Model) RankAnswers(ctx context.Context, image States, question Query, answers []string, k int) ([]RankedAnswer, error) {
	return m.RankAnswersFirst(ctx, FirstToken(m.manifest.FirstToken), image, Asked{question, answers}, k)
}

// Asked is a question with the answers to choose from.
type Asked struct {
	Question Query
	Answers  []string
}

// RankAnswersFirst is RankAnswers with token 0 of the question chosen by the caller.
func (m *Model) RankAnswersFirst(ctx context.Context, first FirstToken, image States, asked Asked, k int) (ranked []RankedAnswer, err error) {
	if k == 0 {
		k = DefaultRank
	}
	if k < 1 || k > MostRank {
		return nil, fmt.Errorf("rank answers: k is 1 to %d, not %d", MostRank, k)
	}
	if len(asked.Answers) == 0 {
		return nil, errors.New("rank answers: there are none to choose from")
	}
	d, err := m.AnswerDecoderFirst(ctx, first, []States{image}, []Query{asked.Question})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	logits, err := d.Step(ctx, nil, [][]int64{{m.manifest.Decoder.Begin}})
	if err != nil {
		return nil, fmt.Errorf("rank answers: %w", err)
	}
	some := m.likeliest(logits[0], asked.Answers, k)
	if err := finishAnswers(ctx, d, logits[0], some); err != nil {
		return nil, fmt.Errorf("rank answers: %w", err)
	}
	slices.SortStableFunc(some, func(a, b *answer) int { return cmp.Compare(a.loss, b.loss) })
	for _, a := range some {
		ranked = append(ranked, RankedAnswer{Index: a.index, Text: asked.Answers[a.index], Score: -a.loss})
	}
	return ranked, nil
}

// answer is one that is read.
type answer struct {
	index int
	ids   []int64 // [SEP] the last
	loss  float64
	row   int // of its tokens so far, in the last step
}

// likeliest are the k answers with the likeliest first tokens.
func (m *Model) likeliest(logits []float32, answers []string, k int) []*answer {
	all := make([]*answer, len(answers))
	for i, text := range answers {
		all[i] = &answer{index: i, ids: m.tokenizer.EncodeRaw(text).IDs[1:]}
	}
	slices.SortStableFunc(all, func(a, b *answer) int { return cmp.Compare(logits[b.ids[0]], logits[a.ids[0]]) })
	return all[:min(k, len(all))]
}

// finishAnswers adds up the losses. Every step has one row for each different
// beginning, so that answers of any length come together.
func finishAnswers(ctx context.Context, d *Decoder, first []float32, some []*answer) error {
	l := newLosses(first)
	for _, a := range some {
		a.loss = l.of(a.ids[0])
	}
	for n := 1; ; n++ {
		some = slices.DeleteFunc(slices.Clone(some), func(a *answer) bool { return len(a.ids) <= n })
		if len(some) == 0 {
			return nil
		}
		parents, ids := beginnings(some, n)
		logits, err := d.Step(ctx, parents, ids)
		if err != nil {
			return err
		}
		losses := make([]losses, len(logits))
		for i, x := range logits {
			losses[i] = newLosses(x)
		}
		for _, a := range some {
			a.loss += losses[a.row].of(a.ids[n])
		}
	}
}

// beginnings are the different first n tokens of answers, as rows that go on from
// those of n-1.
func beginnings(some []*answer, n int) (parents []int, ids [][]int64) {
	type row struct {
		parent int
		id     int64
	}
	at := map[row]int{}
	for _, a := range some {
		r := row{a.row, a.ids[n-1]}
		i, ok := at[r]
		if !ok {
			i = len(parents)
			at[r] = i
			parents, ids = append(parents, r.parent), append(ids, []int64{r.id})
		}
		a.row = i
	}
	return parents, ids
}

// losses of one row, for any target.
type losses struct {
	logits  []float32
	logSum  float64
	average float64
}

func newLosses(x []float32) losses {
	peak := float64(slices.Max(x))
	var sum, total float64
	for _, v := range x {
		sum += math.Exp(float64(v) - peak)
		total += float64(v)
	}
	return losses{x, peak + math.Log(sum), total / float64(len(x))}
}

// of is torch's cross_entropy with label smoothing.
func (l losses) of(target int64) float64 {
	return (1-smoothing)*(l.logSum-float64(l.logits[target])) + smoothing*(l.logSum-l.average)
}
