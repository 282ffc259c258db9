package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"sightline/encoder"
	"sightline/encoder/ort"
)

// query is a line of queries.jsonl.
type query struct {
	Text     string   `json:"text"`
	Relevant []string `json:"relevant"`
}

// terms measures what a further term in the first stage would do: cosine of query
// and picture + w × cosine of query and caption, or title.
func terms(ctx context.Context, o options, w io.Writer) (err error) {
	r, err := openRated(o)
	if err != nil {
		return err
	}
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		return err
	}
	rt, err := ort.New(ort.Options{Library: library, Threads: runtime.GOMAXPROCS(0)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	m, err := encoder.Open(ctx, o.model, rt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	t := table{rated: r, model: m}
	if err := t.embed(ctx); err != nil {
		return err
	}
	t.print(w)
	return nil
}

// table has embeddings of all that is compared.
type table struct {
	*rated
	model    *encoder.Model
	ids      []string
	pictures [][]float32
	captions [][]float32 // nil where none was kept
	titles   [][]float32
	queries  []query
	asked    [][]float32
}

func (t *table) embed(ctx context.Context) (err error) {
	var captions, titles []string
	for _, p := range t.shown() {
		data, err := os.ReadFile(filepath.Join(t.dir, "pictures", p+".png"))
		if err != nil {
			return fmt.Errorf("read picture: %w", err)
		}
		px, err := t.model.Pixels(data)
		if err != nil {
			return err
		}
		f, err := t.model.Images(ctx, []encoder.Pixels{px})
		if err != nil {
			return err
		}
		t.ids, t.pictures = append(t.ids, p), append(t.pictures, f[0].Embedding)
		caption := ""
		if row := t.rows[p]; row.Kept {
			caption = row.Caption.Text
		}
		captions = append(captions, caption)
	}
	for _, p := range t.products() {
		titles = append(titles, p.Title)
	}
	if t.captions, err = t.texts(ctx, captions); err != nil {
		return err
	}
	if t.titles, err = t.texts(ctx, titles); err != nil {
		return err
	}
	var asked []string
	err = eachLine(filepath.Join(t.dir, "queries.jsonl"), func(q query) { t.queries, asked = append(t.queries, q), append(asked, q.Text) })
	if err != nil {
		return err
	}
	t.asked, err = t.texts(ctx, asked)
	return err
}

func (t *table) shown() (ids []string) {
	for _, p := range t.shop.pictures {
		ids = append(ids, p.ID)
	}
	return ids
}

func (t *table) texts(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		if text == "" {
			continue
		}
		e, err := t.model.Texts(ctx, []encoder.Query{t.model.Tokenize(text)})
		if err != nil {
			return nil, err
		}
		out[i] = e[0]
	}
	return out, nil
}

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n| first stage, %d queries in words | R@1 | nDCG@10 | relevant in the first 50 |\n|---|---|---|---|\n", len(t.queries))
	for _, term := range []struct {
		name string
		of   [][]float32
		w    float64
	}{
		{"picture alone", nil, 0},
		{"+ 0.25 × caption", t.captions, 0.25},
		{"+ 0.5 × caption", t.captions, 0.5},
		{"+ 1 × caption", t.captions, 1},
		{"+ 0.5 × title", t.titles, 0.5},
		{"+ 1 × title", t.titles, 1},
	} {
		var r1, ndcg, found float64
		for i, q := range t.queries {
			a, b, c := t.measure(q, t.asked[i], term.of, term.w)
			r1, ndcg, found = r1+a, ndcg+b, found+c
		}
		n := float64(len(t.queries))
		fmt.Fprintf(w, "| %s | %.3f | %.3f | %.3f |\n", term.name, r1/n, ndcg/n, found/n)
	}
}

// measure ranks all items for one query. An item without the text has the mean of
// the term in its place, so that it is neither above nor below for the lack of it.
func (t *table) measure(q query, asked []float32, texts [][]float32, w float64) (r1, ndcg, found float64) {
	score, mean := make([]float64, len(t.ids)), t.mean(asked, texts)
	order := make([]int, len(t.ids))
	for i := range t.ids {
		order[i], score[i] = i, dot(asked, t.pictures[i])
		if texts != nil && texts[i] != nil {
			score[i] += w * dot(asked, texts[i])
		} else if texts != nil {
			score[i] += w * mean
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if score[a] > score[b] {
			return -1
		} else if score[a] < score[b] {
			return 1
		}
		return 0
	})
	var gain, ideal float64
	for rank, i := range order[:min(50, len(order))] {
		if rank < min(10, len(q.Relevant)) {
			ideal += 1 / math.Log2(float64(rank)+2)
		}
		if !slices.Contains(q.Relevant, t.ids[i]) {
			continue
		}
		found++
		if rank == 0 {
			r1 = 1
		}
		if rank < 10 {
			gain += 1 / math.Log2(float64(rank)+2)
		}
	}
	return r1, gain / ideal, found / float64(min(50, len(q.Relevant)))
}

func (t *table) mean(asked []float32, texts [][]float32) (mean float64) {
	n := 0
	for _, e := range texts {
		if e != nil {
			mean, n = mean+dot(asked, e), n+1
		}
	}
	return mean / float64(max(n, 1))
}

func dot(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}
