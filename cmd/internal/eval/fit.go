package eval

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"sightline/api"
	"sightline/rerank/blend"
)

// Recorder keeps what a Searcher answers at one depth, in the order of the
// searches, for FitWeights. It is not safe for concurrent use: Run asks one
// after the other.
type Recorder struct {
	Searcher
	Depth   int // whose answers are kept
	answers [][]blend.Candidate
}

// Search asks the Searcher.
func (r *Recorder) Search(ctx context.Context, req api.SearchRequest) (api.SearchResponse, error) {
	res, err := r.Searcher.Search(ctx, req)
	if err != nil || !req.Rerank || req.Depth != r.Depth {
		return res, err
	}
	cands := make([]blend.Candidate, len(res.Hits))
	for i, h := range res.Hits {
		cands[i] = blend.Candidate{ID: h.ID, ITC: h.ITC, Logit: h.ITMLogit}
	}
	r.answers = append(r.answers, cands)
	return res, nil
}

// Folds is how many parts the queries are cut into for cross-validation.
const Folds = 5

// l2 is the strength of the penalty on the weights of standardised inputs: a
// Gaussian prior of variance 1, as is the custom. With some thousand pairs it
// moves nothing; with few, or where the logit separates all pairs, it keeps the
// weights finite.
const l2 = 1.0

// WeightsReport says what fitted weights are worth: each query is ranked with
// weights that were fitted without it.
type WeightsReport struct {
	Weights blend.Weights `json:"weights"` // fitted to all queries
	BLIP    Quality       `json:"blip"`    // by match logit + cosine
	Fitted  Quality       `json:"fitted"`  // by weights of the other folds
	Better  int           `json:"better"`  // queries whose nDCG@10 rises
	Worse   int           `json:"worse"`   // queries whose nDCG@10 falls
	Folds   []Fold        `json:"folds"`
}

// Fold is one part of the queries, held out.
type Fold struct {
	Queries int     `json:"queries"`
	Logit   float64 `json:"logit"`  // weights fitted to the other folds
	Cosine  float64 `json:"cosine"` // …
	BLIP    Quality `json:"blip"`
	Fitted  Quality `json:"fitted"`
}

// labelled is a query with its candidates.
type labelled struct {
	cands    []blend.Candidate
	relevant map[string]bool
	fold     int
}

// FitWeights fits the weights of match logit and cosine to the answers that a
// Recorder kept of Run over the same queries, by logistic regression of
// relevance over all pairs that were read. Cross-validation is over queries:
// the candidates of one query are never on both sides, and neither are two
// queries of the same text. The rest of each ranking stays as it was.
func FitWeights(r *Recorder, queries []Query, model string) (WeightsReport, error) {
	var out WeightsReport
	if len(r.answers) != len(queries) {
		return out, fmt.Errorf("cannot fit weights: %d of %d queries were asked at depth %d; was the second look off?", len(r.answers), len(queries), r.Depth)
	}
	all := label(r.answers, queries)
	kept, pairs, err := fitTo(all, -1)
	if err != nil {
		return out, err
	}
	kept.Model = model
	kept.Fitted = &blend.Fitted{Queries: len(queries), Pairs: pairs, Depth: r.Depth, L2: l2}
	out.Weights = kept
	var blip, fitted []Quality
	for fold := range Folds {
		f, a, b, err := holdOut(all, fold)
		if err != nil {
			return out, fmt.Errorf("fold %d of %d: %w", fold+1, Folds, err)
		}
		out.Folds, blip, fitted = append(out.Folds, f), append(blip, a...), append(fitted, b...)
	}
	out.BLIP, out.Fitted = mean(blip), mean(fitted)
	for i := range blip {
		switch {
		case fitted[i].NDCG > blip[i].NDCG:
			out.Better++
		case fitted[i].NDCG < blip[i].NDCG:
			out.Worse++
		}
	}
	return out, nil
}

// label brings answers and queries together and deals the folds: texts in an
// order of chance that is the same each time, then one by one, so that folds
// differ by one text at most.
func label(answers [][]blend.Candidate, queries []Query) []labelled {
	fold := map[string]int{}
	var texts []string
	seed := fnv.New64a()
	for _, q := range queries {
		if _, known := fold[q.Text]; !known {
			fold[q.Text] = 0
			texts = append(texts, q.Text)
			seed.Write([]byte(q.Text))
		}
	}
	rng := rand.New(rand.NewPCG(seed.Sum64(), Folds)) //nolint:gosec // deals folds, guards nothing
	for i, j := range rng.Perm(len(texts)) {
		fold[texts[j]] = i % Folds
	}
	all := make([]labelled, len(queries))
	for i, q := range queries {
		all[i] = labelled{answers[i], make(map[string]bool, len(q.Relevant)), fold[q.Text]}
		for _, id := range q.Relevant {
			all[i].relevant[id] = true
		}
	}
	return all
}

// least is how many pairs of each kind a fit takes, as in Calibrate.
const least = 10

// fitTo fits to all queries but those of one fold; -1 for all.
func fitTo(all []labelled, without int) (w blend.Weights, pairs int, err error) {
	var points []point
	positive := 0
	for _, q := range all {
		if q.fold == without {
			continue
		}
		for _, c := range q.cands {
			if c.Logit == nil {
				continue
			}
			points = append(points, point{float64(*c.Logit), c.ITC, q.relevant[c.ID]})
			if q.relevant[c.ID] {
				positive++
			}
		}
	}
	if negative := len(points) - positive; positive < least || negative < least {
		return w, 0, fmt.Errorf("cannot fit weights to %d relevant and %d other candidates: it takes at least %d of each; use more queries or a larger depth", positive, negative, least)
	}
	w.Logit, w.Cosine, w.Bias, err = logistic(points)
	if err != nil {
		return w, 0, err
	}
	if err := w.Validate(); err != nil {
		return w, 0, fmt.Errorf("fitted %w: the logits or cosines of the queries hardly differ; use more queries", err)
	}
	return w, len(points), nil
}

// holdOut ranks the queries of one fold by BLIP's sum and by weights that know
// nothing of them.
func holdOut(all []labelled, fold int) (f Fold, blip, fitted []Quality, err error) {
	w, _, err := fitTo(all, fold)
	if err != nil {
		return f, nil, nil, err
	}
	f.Logit, f.Cosine = w.Logit, w.Cosine
	for _, q := range all {
		if q.fold != fold {
			continue
		}
		a, errA := q.quality(blend.BLIP())
		b, errB := q.quality(w)
		if err := errors.Join(errA, errB); err != nil {
			return f, nil, nil, err
		}
		blip, fitted = append(blip, a), append(fitted, b)
	}
	f.Queries, f.BLIP, f.Fitted = len(blip), mean(blip), mean(fitted)
	return f, blip, fitted, nil
}

func (q labelled) quality(w blend.Weights) (Quality, error) {
	order, err := blend.Order(q.cands, blend.Options{Weights: &w})
	if err != nil {
		return Quality{}, err
	}
	ranking := make([]string, len(order))
	for i, c := range order {
		ranking[i] = c.ID
	}
	return measure(ranking, q.relevant), nil
}
