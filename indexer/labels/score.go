package labels

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"sightline/encoder"
)

// Matcher judges texts by pictures; encoder.Model of a retrieval bundle is one.
type Matcher interface {
	Tokenize(text string) encoder.Query
	Project(ctx context.Context, image encoder.States) (encoder.Projected, error)
	MatchProjected(ctx context.Context, image encoder.Projected, queries []encoder.Query) ([]encoder.Logits, error)
	Fingerprint() string
}

// Scorer judges pictures by the texts of a Set. It is safe for concurrent use when
// its Matcher is.
type Scorer struct {
	Set     Set
	matcher Matcher
	queries []encoder.Query
	of      []int // label of each query
	rules   string
}

// noWords is [CLS] and [SEP] alone.
const noWords = 2

// chunk is how many texts are judged in one run: with BLIP-base some 30 MB of
// activations.
const chunk = 32

// NewScorer reports every text that the model cannot read, and thresholds that were
// fitted for another model, unless any model is allowed, as calibrating does.
func NewScorer(set Set, m Matcher, anyModel bool) (*Scorer, error) {
	s := &Scorer{Set: set, matcher: m, rules: set.rules(m.Fingerprint())}
	var errs []error
	for i, l := range set {
		if l.Model != "" && l.Model != m.Fingerprint() && !anyModel {
			errs = append(errs, fmt.Errorf("labels: %q: its threshold was fitted for the model %s, and the model in use is %s: run 'indexd labels calibrate' again", l.Name, l.Model, m.Fingerprint()))
		}
		for _, text := range l.Texts {
			q := m.Tokenize(text)
			switch {
			case len(q.IDs) <= noWords:
				errs = append(errs, fmt.Errorf("labels: %q: the text %q has no words", l.Name, text))
			case q.Cut > 0:
				errs = append(errs, fmt.Errorf("labels: %q: the text %q is longer than the model reads, by %d tokens", l.Name, text, q.Cut))
			}
			s.queries, s.of = append(s.queries, q), append(s.of, i)
		}
	}
	return s, errors.Join(errs...)
}

// Unknown lists texts with a word for which the vocabulary has the token unk only.
// The model reads all such words alike, so that labels of them mean nothing.
func (s *Scorer) Unknown(unk int64) []string {
	var texts []string
	n := 0
	for _, l := range s.Set {
		for _, text := range l.Texts {
			if slices.Contains(s.queries[n].IDs, unk) {
				texts = append(texts, text)
			}
			n++
		}
	}
	return texts
}

// Margins are the labels' margins on a picture: of each the greatest of its texts.
func (s *Scorer) Margins(ctx context.Context, image encoder.States) ([]float64, error) {
	projected, err := s.matcher.Project(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("label picture: %w", err)
	}
	margins := make([]float64, len(s.Set))
	for i := range margins {
		margins[i] = math.Inf(-1)
	}
	n := 0
	for some := range slices.Chunk(s.queries, chunk) {
		logits, err := s.matcher.MatchProjected(ctx, projected, some)
		if err != nil {
			return nil, fmt.Errorf("label picture: %w", err)
		}
		if len(logits) != len(some) {
			return nil, fmt.Errorf("label picture: the model answered %d of %d texts", len(logits), len(some))
		}
		for _, l := range logits {
			margins[s.of[n]] = max(margins[s.of[n]], l.Margin())
			n++
		}
	}
	return margins, nil
}

// Label says which labels a picture has, what they were made by (for
// store.Item.WithLabels), and in words what is done about it; "" for nothing.
func (s *Scorer) Label(ctx context.Context, image encoder.States) (names []string, rules, notice string, err error) {
	margins, err := s.Margins(ctx, image)
	if err != nil {
		return nil, "", "", err
	}
	names = s.Set.Given(margins)
	return names, s.rules, s.Set.notice(names), nil
}

func (s Set) notice(names []string) string {
	var said []string
	for _, l := range s {
		if slices.Contains(names, l.Name) && (l.Action == Hide || l.Action == Flag) {
			said = append(said, fmt.Sprintf("labelled %q (%s)", l.Name, l.Action))
		}
	}
	return strings.Join(said, ", ")
}
