package capfilt

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/store"
)

// Captioner writes about pictures; encoder.Model of a captioning bundle is one.
type Captioner interface {
	Pixels(data []byte) (encoder.Pixels, error)
	Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error)
	Caption(ctx context.Context, states []encoder.States, prompt string, o decode.Options) ([]encoder.Generated, error)
	Writing() (prompt string, o decode.Options)
	Fingerprint() string
}

// Filter says how true texts are of a picture; encoder.Model of a retrieval bundle
// is one.
type Filter interface {
	Pixels(data []byte) (encoder.Pixels, error)
	Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error)
	Tokenize(text string) encoder.Query
	MatchTexts(ctx context.Context, image encoder.States, texts []encoder.Query) ([]encoder.Logits, error)
	Probability(l encoder.Logits) float64
	Fingerprint() string
}

// judge gives verdicts on single items.
type judge struct {
	captioner Captioner
	filter    Filter
	unk       int64 // token of words that the filter does not know
	index     Index
	options   Options
	prompt    string
	writing   decode.Options
}

// noWords is [CLS] and [SEP] alone.
const noWords = 2

// item judges an entry by its picture as both models have seen it.
func (j *judge) item(ctx context.Context, e store.Entry, s seen) (Row, error) {
	row := Row{ID: e.Item.ID, Picture: e.Picture, Title: e.Item.Title, Flat: s.flat}
	captions, err := j.captions(ctx, e, s.captioner)
	if err != nil {
		return row, err
	}
	parts := segments(e.Item.Title)
	judged, err := j.match(ctx, s.filter, slices.Concat([]string{e.Item.Title}, parts, captions))
	if err != nil {
		return row, err
	}
	title := j.filter.Tokenize(e.Item.Title)
	row.Unknown, row.Cut = j.unknown(title), title.Cut > 0
	if len(title.IDs) > noWords {
		row.Match = &judged[0]
	}
	row.Caption = best(judged[1+len(parts):])
	row.Kept = j.keeps(row)
	if !j.says(row) {
		if row.Alike, err = j.alike(ctx, e); err != nil {
			return row, err
		}
	}
	j.flag(&row, judged[1:1+len(parts)])
	return row, nil
}

// captions samples texts about one picture, each once. The numbers drawn depend on
// the item and its picture alone, so that a repeated run writes the same.
func (j *judge) captions(ctx context.Context, e store.Entry, states encoder.States) ([]string, error) {
	o := j.writing
	o.Beams, o.Sample, o.TopP, o.Returns = 1, true, j.options.TopP, j.options.Samples
	sum := sha256.Sum256([]byte(e.Item.ID + "\x00" + e.Picture))
	o.Seed = binary.LittleEndian.Uint64(sum[:])
	written, err := j.captioner.Caption(ctx, []encoder.States{states}, j.prompt, o)
	if err != nil {
		return nil, fmt.Errorf("write captions: %w", err)
	}
	var texts []string
	for _, g := range append([]encoder.Generated{written[0]}, written[0].Others...) {
		if text := strings.TrimSpace(g.Text); text != "" && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts, nil
}

// match judges texts; those without words come back with a probability of 0.
func (j *judge) match(ctx context.Context, image encoder.States, texts []string) ([]Judged, error) {
	out := make([]Judged, len(texts))
	var queries []encoder.Query
	var at []int
	for i, text := range texts {
		out[i].Text = text
		if q := j.filter.Tokenize(text); len(q.IDs) > noWords {
			queries, at = append(queries, q), append(at, i)
		}
	}
	logits, err := j.filter.MatchTexts(ctx, image, queries)
	if err != nil {
		return nil, fmt.Errorf("judge texts: %w", err)
	}
	for i, l := range logits {
		out[at[i]].Margin, out[at[i]].Probability = l.Margin(), j.filter.Probability(l)
	}
	return out, nil
}

// best is the caption with the greatest margin, nil of none.
func best(captions []Judged) *Judged {
	var b *Judged
	for i := range captions {
		if b == nil || captions[i].Margin > b.Margin {
			b = &captions[i]
		}
	}
	return b
}

func (j *judge) unknown(q encoder.Query) (n int) {
	for _, id := range q.IDs {
		if id == j.unk {
			n++
		}
	}
	return n
}

func (j *judge) fits(t *Judged) bool { return t != nil && t.Probability >= j.options.MinMatch }

// doubts tells a text that is false rather than not quite true.
func (j *judge) doubts(t Judged) bool { return t.Probability < j.options.MaxDoubt }

// says tells whether the title says what the picture shows.
func (j *judge) says(r Row) bool { return j.fits(r.Match) && !j.silent(r) }

// silent is a title that the model cannot judge: without words, or most of them
// unknown to it.
func (j *judge) silent(r Row) bool {
	if r.Match == nil {
		return true
	}
	return 2*r.Unknown >= len(j.filter.Tokenize(r.Title).IDs)-noWords
}

// keeps is the filter of captions: true of the picture, and better than the title.
func (j *judge) keeps(r Row) bool {
	if !j.fits(r.Caption) || r.Flat {
		return false
	}
	return j.silent(r) || r.Caption.Margin >= r.Match.Margin+j.options.Margin
}

// flag gives the reasons. Of a title that the model cannot judge it says that, and
// never that it is wrong.
func (j *judge) flag(r *Row, parts []Judged) {
	if r.Flat || r.Alike >= j.options.Placeholder {
		r.Flags = append(r.Flags, Placeholder)
		r.Kept = false
		return
	}
	switch {
	case r.Match == nil:
	case j.silent(*r):
		r.Flags = append(r.Flags, Unknown)
	case j.doubts(*r.Match):
		r.Flags = append(r.Flags, j.doubt(r, parts))
	}
}

// doubt tells a title that is wrong from one that says too much.
func (j *judge) doubt(r *Row, parts []Judged) string {
	var core []string
	for _, p := range parts {
		switch {
		case j.fits(&p):
			core = append(core, p.Text)
		case j.doubts(p):
			r.Doubts = append(r.Doubts, p.Text)
		}
	}
	if len(core) == 0 || len(r.Doubts) == 0 {
		r.Doubts = nil
		return Mismatch
	}
	r.Core = strings.Join(core, ", ")
	return Stuffed
}

// alike counts the products, variants as one, that have a picture like the entry's,
// itself among them, to twice what makes a placeholder.
func (j *judge) alike(ctx context.Context, e store.Entry) (n int, err error) {
	hits, err := j.index.Search(ctx, store.Query{Embedding: e.Embedding, K: 2 * j.options.Placeholder, GroupBy: "group_id"})
	if err != nil {
		return 0, fmt.Errorf("search like pictures: %w", err)
	}
	for _, h := range hits {
		if h.ITC >= j.options.Alike {
			n++
		}
	}
	return n, nil
}
