package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sightline/encoder"
	"sightline/encoder/decode"
)

// maxRank bounds how many answers are read to their end at once: a row of the
// decoder each, with logits of 122 kB of BLIP-base.
const maxRank = 256

// answersAnswer is the answer to one question.
type answersAnswer struct {
	writtenText

	Others []writtenText  `json:"others,omitempty"`
	Ranked []rankedOption `json:"ranked,omitempty"` // of a list, best first

	Question  askedQuestion  `json:"question"`
	Model     string         `json:"model"`
	Seed      *uint64        `json:"seed,omitempty"`
	Cached    bool           `json:"cached"`
	RequestID string         `json:"request_id,omitempty"`
	Timings   writingTimings `json:"timings_ms"`
}

// rankedOption is one of the answers to choose from. Score is minus the decoder's
// loss over it, as in BLIP's evaluation: the nearest to 0 is the best.
type rankedOption struct {
	Index int     `json:"index"`
	Text  string  `json:"text"`
	Score float64 `json:"score"`
}

// askedQuestion says how the model read the question.
type askedQuestion struct {
	Tokens int `json:"tokens"`
	Cut    int `json:"cut"` // that were left out at the end
}

// answering is one request under way.
type answering struct {
	*authors

	req      answersRequest
	question encoder.Query
	options  decode.Options
	seed     *uint64
}

// planAnswer settles what the request leaves to the model, and finds what the model
// cannot do.
func (p *authors) planAnswer(req answersRequest) (answering, error) {
	a := p.engine.Answerer
	_, own := a.Model.Writing()
	q := answering{authors: p, req: req, question: a.Model.Tokenize(req.question)}
	var wrong Invalid
	q.options, q.seed = req.over(a, own, &wrong)
	if len(q.question.IDs) <= noWords {
		wrong.add("question", "has no words that the model can read")
	}
	for i, text := range req.answers {
		if a.Model.Tokenize(text).Cut > 0 && len(wrong.Fields) < maxListProblems {
			wrong.add(indexed("answers", i), "is longer than the model reads: shorten it")
		}
	}
	return q, wrong.err()
}

// write answers the question, in one absolute deadline.
func (q answering) write(ctx context.Context) (answersAnswer, error) {
	start := time.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(q.req.deadline))
	defer cancel()
	a := q.engine.Answerer
	res := answersAnswer{Model: a.Fingerprint, Seed: q.seed, Question: askedQuestion{Tokens: len(q.question.IDs), Cut: q.question.Cut}}
	pictures := []*visual{&q.req.picture}
	if _, err := q.pictures(ctx, pictures, false); err != nil {
		return res, err
	}
	states, err := a.look(ctx, pictures)
	if err != nil {
		return res, err
	}
	res.Timings.Encode = since(start)
	lap := time.Now()
	if q.req.answers != nil {
		err = q.choose(ctx, states[0], &res)
	} else {
		err = q.say(ctx, states[0], &res)
	}
	res.Timings.Write, res.Timings.Total = since(lap), since(start)
	return res, err
}

// say answers in the model's own words.
func (q answering) say(ctx context.Context, picture encoder.States, res *answersAnswer) error {
	a := q.engine.Answerer
	written, err := a.write(taskAnswer, func() (encoder.Generated, error) { return a.Pen.Answer(ctx, picture, q.question, q.options) })
	if err != nil {
		return err
	}
	texts := textsOf(written, q.req.ids)
	res.writtenText, res.Others = texts[0], texts[1:]
	return nil
}

// choose takes the best of the list. One is ranked at a time: its rows fill the
// device, and two would hold twice the memory.
func (q answering) choose(ctx context.Context, picture encoder.States, res *answersAnswer) error {
	give, err := q.ranking.await(ctx)
	if err != nil {
		return fmt.Errorf("wait for another ranking: %w", err)
	}
	defer give()
	k := encoder.DefaultRank
	set(&k, q.req.rank)
	a, begin := q.engine.Answerer, time.Now()
	all, err := a.Model.RankAnswers(ctx, picture, q.question, q.req.answers, k)
	if err != nil {
		return err
	}
	a.observe(taskAnswer, Written{Took: time.Since(begin)})
	for _, r := range all {
		res.Ranked = append(res.Ranked, rankedOption(r))
	}
	res.Text, res.LogProbability = all[0].Text, all[0].Score
	return nil
}

// recall answers from the cache where the answer would be the same.
func (q answering) recall(ctx context.Context) (answersAnswer, bool, error) {
	rank := 0
	set(&rank, q.req.rank)
	parts := []string{
		q.engine.Answerer.Fingerprint, fmt.Sprintf("%v %+v ids %t rank %d in %s", q.question.IDs, q.options, q.req.ids, rank, q.req.deadline),
		strings.Join(q.req.answers, "\x00"),
	}
	key, ok := q.cacheKey(ctx, taskAnswer, []*visual{&q.req.picture}, q.req.sampled(), parts)
	return recallWriting(ctx, q.authors, key, ok, q.write, func(*answersAnswer) bool { return true })
}
