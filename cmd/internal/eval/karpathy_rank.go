package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"sightline/encoder"
)

// Recall is the share, in [0,1], of rankings with a right answer among the
// first 1, 5 and 10.
type Recall struct {
	R1  float64 `json:"r1"`
	R5  float64 `json:"r5"`
	R10 float64 `json:"r10"`
}

// Directions are BLIP's two: TR ranks texts for a picture, any of its captions
// counts; IR ranks pictures for a text.
type Directions struct {
	TR Recall `json:"tr"`
	IR Recall `json:"ir"`
}

// KarpathyReport is what RunKarpathy found.
type KarpathyReport struct {
	Dataset  string     `json:"dataset"`
	Split    string     `json:"split"`
	Model    string     `json:"model"`
	Images   int        `json:"images"`
	Texts    int        `json:"texts"` // all captions that the file has
	K        int        `json:"k"`
	Pairs    int        `json:"pairs"`  // that ITM read; one that both directions need counts once
	States   string     `json:"states"` // how patch states were kept: "fp32", exactly, or "int8"
	ITC      Directions `json:"itc"`    // by cosine alone
	Reranked Directions `json:"reranked"`
}

// bothWays holds, for each ranking, the place from 0 of its first right answer;
// -1 where there is none.
type bothWays struct{ tr, ir []int }

func (b bothWays) recall() Directions { return Directions{TR: recall(b.tr), IR: recall(b.ir)} }

func recall(places []int) Recall {
	share := func(first int) float64 {
		n := 0
		for _, p := range places {
			if p >= 0 && p < first {
				n++
			}
		}
		return float64(n) / float64(max(len(places), 1))
	}
	return Recall{R1: share(1), R5: share(5), R10: share(10)}
}

// scored is the photo or text at a place of the file.
type scored struct {
	at    int
	score float64
}

func order(s []scored) {
	slices.SortFunc(s, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.at, b.at))
	})
}

// nearest are the k of all with the highest cosine to e, in order.
func nearest(e []float32, all [][]float32, k int) []scored {
	s := make([]scored, len(all))
	for i, a := range all {
		s[i] = scored{i, cosine(e, a)}
	}
	order(s)
	return slices.Clone(s[:min(k, len(s))])
}

// cosine of two embeddings of unit length.
func cosine(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// rankTexts is the first stage for each photo. The texts note who has them
// among the nearest, because pairs are read text by text.
func (p *protocol) rankTexts(ctx context.Context) error {
	for i := range p.photos {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("rank texts: %w", err)
		}
		near := nearest(p.photoEmbeddings[i], p.textEmbeddings, p.options.K)
		p.places.itc.tr = append(p.places.itc.tr, p.placeOfText(near, i))
		for _, s := range near {
			p.texts[s.at].photos = append(p.texts[s.at].photos, i)
		}
		p.options.Progress("pictures compared", i+1, len(p.photos))
	}
	return nil
}

func (p *protocol) placeOfText(ranking []scored, photo int) int {
	return slices.IndexFunc(ranking, func(s scored) bool { return p.texts[s.at].photo == photo })
}

// rankPhotos is the first stage for each text and the second look for both
// directions.
func (p *protocol) rankPhotos(ctx context.Context) error {
	for t, c := range p.texts {
		if err := p.rankPhotosOf(ctx, t); err != nil {
			return fmt.Errorf("match text %q: %w", c.text, err)
		}
		p.options.Progress("texts matched", t+1, len(p.texts))
	}
	for i, ph := range p.photos {
		order(ph.texts)
		p.places.reranked.tr = append(p.places.reranked.tr, p.placeOfText(ph.texts, i))
	}
	return nil
}

func (p *protocol) rankPhotosOf(ctx context.Context, t int) error {
	c := p.texts[t]
	right := func(s scored) bool { return s.at == c.photo }
	near := nearest(p.textEmbeddings[t], p.photoEmbeddings, p.options.K)
	p.places.itc.ir = append(p.places.itc.ir, slices.IndexFunc(near, right))
	needed := slices.Clone(c.photos)
	for _, s := range near {
		needed = append(needed, s.at)
	}
	slices.Sort(needed)
	scores, err := p.match(ctx, t, slices.Compact(needed))
	if err != nil {
		return err
	}
	for i, s := range near {
		near[i].score = scores[s.at]
	}
	order(near)
	p.places.reranked.ir = append(p.places.reranked.ir, slices.IndexFunc(near, right))
	for _, i := range c.photos {
		p.photos[i].texts = append(p.photos[i].texts, scored{t, scores[i]})
	}
	return nil
}

// match reads one text with photos: match logit + cosine of each.
func (p *protocol) match(ctx context.Context, t int, photos []int) (map[int]float64, error) {
	scores := make(map[int]float64, len(photos))
	for part := range slices.Chunk(photos, p.options.Batch) {
		states := make([]encoder.States, len(part))
		for i, at := range part {
			states[i] = p.photos[at].states
		}
		logits, err := p.model.Match(ctx, p.texts[t].query, states)
		if err == nil && len(logits) != len(part) {
			err = errors.New("the model answered for another number of pictures")
		}
		if err != nil {
			return nil, err
		}
		for i, at := range part {
			score := float64(logits[i].Match()) + cosine(p.textEmbeddings[t], p.photoEmbeddings[at])
			if math.IsNaN(score) || math.IsInf(score, 0) {
				return nil, fmt.Errorf("with %s the logits are %v, which make no score; convert the checkpoint again", p.photos[at].file, logits[i])
			}
			scores[at] = score
		}
	}
	p.report.Pairs += len(photos)
	return scores, nil
}

func (p *protocol) finish() KarpathyReport {
	p.report.ITC, p.report.Reranked = p.places.itc.recall(), p.places.reranked.recall()
	return p.report
}

// Print writes the report as a table, in per cent as the papers do.
func (r KarpathyReport) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s, split %s: %d pictures, %d texts; k %d, %d pairs read, patch states %s; model %s\n\n",
		cmp.Or(r.Dataset, "data set without a name"), r.Split, r.Images, r.Texts, r.K, r.Pairs, r.States, r.Model)
	fmt.Fprintln(t, "%\tTR@1\tTR@5\tTR@10\tIR@1\tIR@5\tIR@10\t")
	for _, row := range []struct {
		name string
		Directions
	}{{"ITC alone", r.ITC}, {"re-ranked", r.Reranked}} {
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", row.name, row.TR, row.IR)
	}
	return t.Flush()
}

// String is the three figures in per cent, separated by tabs.
func (r Recall) String() string {
	return fmt.Sprintf("%.1f\t%.1f\t%.1f", 100*r.R1, 100*r.R5, 100*r.R10)
}
