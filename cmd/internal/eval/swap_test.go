package eval

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/store"
)

// lettered is a service whose embeddings and logits are the number of letters
// that a text shares with the item's id.
type lettered struct{ broken error }

func (l lettered) Tokenize(text string) encoder.Query {
	q := encoder.Query{}
	for _, r := range text {
		q.IDs = append(q.IDs, int64(r))
	}
	return q
}

func (l lettered) Texts(_ context.Context, queries []encoder.Query) ([][]float32, error) {
	var out [][]float32
	for _, q := range queries {
		out = append(out, []float32{float32(len(q.IDs))})
	}
	return out, nil
}

func (l lettered) Get(_ context.Context, ids []string) ([]store.Entry, error) {
	if ids[0] == "gone" {
		return nil, nil
	}
	return []store.Entry{{Item: store.Item{ID: ids[0]}, Picture: ids[0], Embedding: []float32{1}}}, nil
}

func (l lettered) Search(context.Context, store.Query) ([]store.Hit, error) { return nil, nil }
func (l lettered) Stats(context.Context) (store.Stats, error)               { return store.Stats{}, nil }

func (l lettered) Rerank(_ context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome {
	if l.broken != nil || cands[0].ID == "unread" {
		return rerank.Outcome{Of: 1, Stopped: rerank.StoppedMissing, Err: l.broken}
	}
	shared := 0
	for _, id := range q.IDs {
		shared += strings.Count(cands[0].ID, string(rune(id)))
	}
	return rerank.Outcome{Hits: []rerank.Scored{{Candidate: cands[0], Score: float64(shared)}}, Scored: 1, Of: 1}
}

func engine(l lettered) *api.Engine { return &api.Engine{Texts: l, Index: l, Reranker: l} }

func swapped(text, wrong, kind, picture string) Query {
	return Query{Text: text, Relevant: []string{picture}, Picture: picture, Swap: &Swap{Text: wrong, Kind: kind}}
}

func TestSwaps(t *testing.T) {
	queries := []Query{
		swapped("ab", "xyz", "colour", "ab"), // the cosine, here the length, prefers the wrong text
		swapped("abc", "xy", "colour", "abc"),
		swapped("xy", "ab", "colour", "ab"),
		swapped("ab", "ab", "pattern", "ab"), // a tie is no win
		{Text: "no swap", Relevant: []string{"ab"}},
	}
	rows, err := Swaps(t.Context(), engine(lettered{}), queries)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%+v %v", rows, err)
	}
	if r := rows[0]; r.Kind != "colour" || r.Pairs != 3 || r.ITC != 1./3 || r.ITM != 2./3 {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Kind != "pattern" || r.Pairs != 1 || r.ITC != 0 || r.ITM != 0 {
		t.Errorf("%+v", r)
	}
	broken := errors.New("broken")
	for want, try := range map[string]struct {
		l  lettered
		on string
	}{"import the catalogue": {on: "gone"}, "was not read": {on: "unread"}, "broken": {l: lettered{broken}, on: "a"}} {
		if _, err := Swaps(t.Context(), engine(try.l), []Query{swapped("a", "b", "k", try.on)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// byPicture answers searches by picture with the id that the picture's bytes are,
// first where the second look goes deep enough, which then reads all but the last
// of the candidates' titles.
type byPicture struct{}

func (byPicture) Search(_ context.Context, req api.SearchRequest) (api.SearchResponse, error) {
	if req.Text != "" {
		return api.SearchResponse{}, errors.New("a picture has no words")
	}
	p := 0.75
	res := api.SearchResponse{Hits: []api.Hit{{ID: "sandal"}, {ID: string(req.Image)}}}
	if !req.Rerank {
		return res, nil
	}
	res.Rerank.Of, res.Rerank.Scored = req.Depth, req.Depth-1
	if req.Depth >= 20 {
		res.Hits[0], res.Hits[1] = res.Hits[1], res.Hits[0]
		res.Hits[0].MatchProbability = &p
	}
	return res, nil
}

func TestRunByPicture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "view.png")
	if err := os.WriteFile(path, []byte("shoe"), 0o600); err != nil {
		t.Fatal(err)
	}
	queries := []Query{{Image: path, Relevant: []string{"shoe"}}, {Image: path, Relevant: []string{"boot"}}}
	r, err := Run(t.Context(), byPicture{}, queries, []int{10, 50}, nil)
	if err != nil || len(r.Rows) != 3 || len(r.Pairs) != 2 || r.Reliability == nil {
		t.Fatalf("%+v %v", r, err)
	}
	third := 1 / math.Log2(3)
	for i, want := range []Row{
		{Quality: Quality{R5: 0.5, R10: 0.5, MRR: 0.25, NDCG: third / 2, MAP: 0.25}},
		{Depth: 10, Cut: 2, Quality: Quality{R5: 0.5, R10: 0.5, MRR: 0.25, NDCG: third / 2, MAP: 0.25}},
		{Depth: 50, Cut: 2, Quality: Quality{R1: 0.5, R5: 0.5, R10: 0.5, MRR: 0.5, NDCG: 0.5, MAP: 0.5}},
	} {
		if got := r.Rows[i]; got.Depth != want.Depth || got.Cut != want.Cut || got.Quality != want.Quality {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
	}
	queries[0].Image += "x"
	if _, err := Run(t.Context(), byPicture{}, queries, nil, nil); err == nil || !strings.Contains(err.Error(), "view.pngx") {
		t.Errorf("error %v", err)
	}
}
