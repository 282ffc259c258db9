package encoder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sightline/encoder/bundle"
)

// ErrNoExplain is returned by Explain where the bundle has no graph for it.
var ErrNoExplain = errors.New("this model was converted before explanations were added: convert it again with 'indexd model convert --force'; its fingerprint stays, and so does the index")

// ExplainOptions are the choices of an explanation. The zero value takes the
// model's own.
type ExplainOptions struct {
	// Layers of the text tower whose attention is averaged, counted from 0; nil
	// for DefaultExplainLayers.
	Layers []int
}

// Explanation says where each word of a query looked in a picture, and how well
// the two match.
type Explanation struct {
	Logits Logits // those of Match on the same states, up to rounding (1e-5)
	Words  []Word // in the order of the text; special tokens are left out
	Rows   int    // patches from top to bottom
	Cols   int    // patches from left to right
	Layers []int  // that were averaged, counted from 0
}

// Word is a word as the tokenizer cuts it: a mark of punctuation is one too.
type Word struct {
	Text   string   // of its pieces, in the tokenizer's spelling; "[UNK]" where it has none
	IDs    []int64  // of its pieces
	Tokens []string // its pieces
	// Share is the part of the word's attention that goes to patches, 0 to 1.
	// The rest goes to the class token, which stands for the picture as a whole.
	Share float64
	// Grid [Rows][Cols] is that part by patch, scaled to a sum of 1; all zero
	// where Share is. The grid lies over the whole picture, whatever its shape,
	// because the vision tower reads it squeezed to a square.
	Grid [][]float32
}

// shallow is the number of text layers below which the first one points best.
const shallow = 6

// DefaultExplainLayers are the layers that Explain averages unless it is told
// otherwise. Of 12 layers it is the eighth, which LAVIS takes for BLIP's heat
// maps. Of the demo model's three it is the first: measured, docs/explain.md.
func DefaultExplainLayers(m bundle.Manifest) []int {
	if m.Text.Layers < shallow {
		return []int{0}
	}
	return []int{2*m.Text.Layers/3 - 1}
}

// LayerError says that ExplainOptions name a layer that the model lacks.
type LayerError struct {
	Layer  int // as asked for
	Layers int // that the model has, counted from 0
}

// Error names the layers that there are.
func (e *LayerError) Error() string {
	return fmt.Sprintf("layer %d: the model has layers 0 to %d", e.Layer, e.Layers-1)
}

// Explain reads one query together with one picture (fp32 or int8 states), as
// Match does, and returns the cross-attention of each word, averaged over heads,
// pieces and the chosen layers. It costs a Match of one picture; the first call
// loads the graph.
func (m *Model) Explain(ctx context.Context, q Query, states States, o ExplainOptions) (Explanation, error) {
	layers, err := m.explainLayers(o)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	ids, _, err := m.padded([]Query{q}, m.FirstID(FirstToken(m.manifest.FirstToken)))
	if err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if states, err = m.whole(states); err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	out, err := m.run(ctx, bundle.GraphMatchExplain, ids, Tensor{
		Name: "states", Shape: []int64{1, int64(states.Tokens), int64(states.Width)}, Data: states.Dequantize().Float,
	})
	if err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	e, err := m.explanation(q, out, layers)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	return e, nil
}

// explainLayers checks what needs no picture.
func (m *Model) explainLayers(o ExplainOptions) ([]int, error) {
	if !slices.Contains(m.manifest.Graphs, bundle.GraphMatchExplain) {
		return nil, ErrNoExplain
	}
	if len(o.Layers) == 0 {
		return DefaultExplainLayers(m.manifest), nil
	}
	for _, l := range o.Layers {
		if l < 0 || l >= m.manifest.Text.Layers {
			return nil, &LayerError{Layer: l, Layers: m.manifest.Text.Layers}
		}
	}
	return slices.Clone(o.Layers), nil
}

func (m *Model) explanation(q Query, out []Tensor, layers []int) (Explanation, error) {
	if len(out) != 2 {
		return Explanation{}, fmt.Errorf("graph has %d outputs, want 2", len(out))
	}
	pairs, err := logits(out[0], 1)
	if err != nil {
		return Explanation{}, err
	}
	v, t := m.manifest.Vision, m.manifest.Text
	byLayer, err := rows(out[1], t.Layers, t.Heads*len(q.IDs)*v.Tokens())
	if err != nil {
		return Explanation{}, err
	}
	side := v.Image / v.Patch
	e := Explanation{Logits: pairs[0], Words: m.words(q), Rows: side, Cols: side, Layers: layers}
	looks := averaged(byLayer, layers, t.Heads, v.Tokens())
	at := 1 // behind token 0
	for i := range e.Words {
		w := &e.Words[i]
		for q.IDs[at] != w.IDs[0] { // a special token that was written out in the text
			at++
		}
		w.look(looks[at:at+len(w.IDs)], side)
		at += len(w.IDs)
	}
	return e, nil
}

// averaged is the mean over layers and heads, by text token: [L][N].
func averaged(byLayer [][]float32, layers []int, heads, patches int) [][]float64 {
	tokens := len(byLayer[0]) / heads / patches
	mean := make([][]float64, tokens)
	for i := range mean {
		mean[i] = make([]float64, patches)
	}
	scale := 1 / float64(len(layers)*heads)
	for _, l := range layers {
		for i, p := range byLayer[l] {
			mean[i/patches%tokens][i%patches] += scale * float64(p)
		}
	}
	return mean
}

// look fills in where the word's pieces looked.
func (w *Word) look(pieces [][]float64, side int) {
	patches := make([]float64, side*side)
	for _, p := range pieces {
		for i := range patches {
			patches[i] += p[i+1] / float64(len(pieces)) // p[0] is the class token's
		}
	}
	for _, p := range patches {
		w.Share += p
	}
	w.Grid = make([][]float32, side)
	for r := range w.Grid {
		w.Grid[r] = make([]float32, side)
		for c := range w.Grid[r] {
			if w.Share > 0 {
				w.Grid[r][c] = float32(patches[r*side+c] / w.Share)
			}
		}
	}
}

// words joins the pieces between [CLS] and [SEP].
func (m *Model) words(q Query) []Word {
	var words []Word
	for _, id := range q.IDs[1:max(len(q.IDs)-1, 1)] {
		piece := m.tokenizer.Decode([]int64{id})
		switch tail, more := strings.CutPrefix(piece, "##"); {
		case id == m.manifest.Tokenizer.Unk:
			piece = "[UNK]"
		case piece == "":
			continue
		case more && tail != "" && len(words) > 0:
			w := &words[len(words)-1]
			w.Text, w.IDs, w.Tokens = w.Text+tail, append(w.IDs, id), append(w.Tokens, piece)
			continue
		}
		words = append(words, Word{Text: piece, IDs: []int64{id}, Tokens: []string{piece}})
	}
	return words
}
