package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
)

// Swap is a query with two things exchanged ("a blue mug and a red bottle" for
// "a red mug and a blue bottle"): not true of the query's own picture.
type Swap struct {
	Text string `json:"text"`
	Kind string `json:"kind"`
}

// SwapRow is how often the true text scores above the exchanged one on the
// picture it was written for. Chance is 0.5; a tie counts as wrong.
type SwapRow struct {
	Kind  string  `json:"kind"`
	Pairs int     `json:"pairs"`
	ITC   float64 `json:"itc"`      // by cosine
	ITM   float64 `json:"reranked"` // by match logit + cosine
}

var errUnread = errors.New("its picture was not read; import it again if its patch states are missing")

// Swaps compares each query that has a swap with it. Queries whose picture is
// not in the index, or has no patch states, are an error: the comparison would
// be of others than the file says.
func Swaps(ctx context.Context, e *api.Engine, queries []Query) ([]SwapRow, error) {
	rows := map[string]*SwapRow{}
	for _, q := range queries {
		if q.Swap == nil {
			continue
		}
		right, wrong, err := swapScores(ctx, e, q)
		if err != nil {
			return nil, fmt.Errorf("exchange %q on %s: %w", q.Swap.Text, q.Picture, err)
		}
		r := rows[q.Swap.Kind]
		if r == nil {
			r = &SwapRow{Kind: q.Swap.Kind}
			rows[q.Swap.Kind] = r
		}
		r.Pairs++
		r.ITC += one(right.ITC > wrong.ITC)
		r.ITM += one(right.Score > wrong.Score)
	}
	var out []SwapRow
	for _, kind := range slices.Sorted(maps.Keys(rows)) {
		r := *rows[kind]
		r.ITC, r.ITM = r.ITC/float64(r.Pairs), r.ITM/float64(r.Pairs)
		out = append(out, r)
	}
	return out, nil
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// swapScores reads the query's picture with the query and with its exchange.
func swapScores(ctx context.Context, e *api.Engine, q Query) (right, wrong rerank.Scored, err error) {
	entries, err := e.Index.Get(ctx, []string{q.Picture})
	if err != nil {
		return right, wrong, err
	}
	if len(entries) == 0 {
		return right, wrong, errors.New("the index has no item of that id: import the catalogue that the queries were written for")
	}
	texts := []encoder.Query{e.Texts.Tokenize(q.Text), e.Texts.Tokenize(q.Swap.Text)}
	embeddings, err := e.Texts.Texts(ctx, texts)
	if err != nil {
		return right, wrong, err
	}
	var scores [2]rerank.Scored
	for i, t := range texts {
		c := rerank.Candidate{ID: q.Picture, Picture: entries[0].Picture, ITC: cosine(embeddings[i], entries[0].Embedding)}
		out := e.Reranker.Rerank(ctx, t, []rerank.Candidate{c})
		if out.Scored != 1 {
			return right, wrong, fmt.Errorf("no second look (%s): %w", out.Stopped, cmp.Or(out.Err, errUnread))
		}
		scores[i] = out.Hits[0]
	}
	return scores[0], scores[1], nil
}

func printSwaps(w io.Writer, rows []SwapRow) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(w, "\nthe true text above the exchanged one, on its own picture")
	fmt.Fprintln(w, "exchanged\tpairs\tITC\tre-ranked\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%.3f\t%.3f\t\n", r.Kind, r.Pairs, r.ITC, r.ITM)
	}
}
