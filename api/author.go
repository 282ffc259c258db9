package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/encoder/writer"
)

// Author is a model that writes about pictures: captions, or answers to questions.
// All of it is safe for concurrent use.
type Author struct {
	Images      ImageEncoder // its own: another model's patch states mean nothing to it
	Model       AuthorModel
	Pen         Pen // in front of Model
	Fingerprint string
	Longest     int // ids that it can write, with the prompt
	// Observe is told of each picture that was written about, for metrics; nil for none.
	Observe func(task string, w Written)
}

// fingerprint is that of an author; "" of none.
func (a *Author) fingerprint() string {
	if a == nil {
		return ""
	}
	return a.Fingerprint
}

// AuthorModel is what writing needs of a model besides looking; encoder.Model is one.
type AuthorModel interface {
	Tokenize(text string) encoder.Query
	Writing() (prompt string, o decode.Options)
	RankAnswers(ctx context.Context, image encoder.States, question encoder.Query, answers []string, k int) ([]encoder.RankedAnswer, error)
}

// Pen writes about one picture, together with others who wait; writer.Writer is one.
type Pen interface {
	Caption(ctx context.Context, states encoder.States, prompt string, o decode.Options) (encoder.Generated, error)
	Answer(ctx context.Context, states encoder.States, question encoder.Query, o decode.Options) (encoder.Generated, error)
}

// Written is what one picture took.
type Written struct {
	Tokens int           // that were written; 0 where an answer was chosen
	Took   time.Duration // from the picture's patch states on, the queue included
}

// Tasks of an Author, in metrics and cache keys.
const (
	taskCaption = "caption"
	taskAnswer  = "answer"
)

// write has one picture written about.
func (a *Author) write(task string, f func() (encoder.Generated, error)) (encoder.Generated, error) {
	begin := time.Now()
	text, err := f()
	if err != nil {
		return text, fmt.Errorf("write %s: %w", task, err)
	}
	n := len(text.Tokens)
	for _, other := range text.Others {
		n += len(other.Tokens)
	}
	a.observe(task, Written{Tokens: n, Took: time.Since(begin)})
	return text, nil
}

func (a *Author) observe(task string, w Written) {
	if a.Observe != nil {
		a.Observe(task, w)
	}
}

// look decodes and encodes pictures whose bytes are there, for this author.
func (a *Author) look(ctx context.Context, pictures []*visual) ([]encoder.States, error) {
	eyes := &Engine{Images: a.Images}
	seen, err := eyes.gather(ctx, gathering{pictures: pictures, exact: true})
	if err != nil {
		return nil, err
	}
	states := make([]encoder.States, len(seen))
	for i, s := range seen {
		states[i] = s.states
	}
	return states, nil
}

// authorKind recognises errors of writing.
func authorKind(err error) (kind, string) {
	switch {
	case errors.Is(err, writer.ErrBusy):
		return kindBusy, "Too many pictures wait to be written about: try again in a moment."
	case errors.Is(err, writer.ErrClosed):
		return kindUnavailable, "The service is shutting down."
	}
	return "", ""
}

// writtenText is one that was written.
type writtenText struct {
	Text string `json:"text"`
	// LogProbability is the model's of all that it wrote, the end included.
	LogProbability float64 `json:"log_probability"`
	IDs            []int64 `json:"ids,omitempty"`
	// Of captions, by the model that searches; null where it did not read them.
	ITMLogit         *float32 `json:"itm_logit,omitempty"`
	MatchProbability *float64 `json:"match_probability,omitempty"`
}

// textsOf are the best and the others.
func textsOf(g encoder.Generated, ids bool) []writtenText {
	var all []writtenText
	for _, one := range append([]encoder.Generated{g}, g.Others...) {
		t := writtenText{Text: one.Text, LogProbability: one.LogProb}
		if ids {
			t.IDs = one.IDs
		}
		all = append(all, t)
	}
	return all
}

type writingTimings struct {
	Encode milliseconds `json:"encode"`
	Write  milliseconds `json:"write"`
	Match  milliseconds `json:"match,omitzero"`
	Total  milliseconds `json:"total"`
}
