package encoder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sightline/encoder/bundle"
)

// Decoder runs one decoding pass over pictures (or pairs of picture and question)
// that start together. It holds what all steps read of them, for BLIP-base at 384 px
// the patch states, 1.8 MB a picture, or in an int8 bundle the keys and values of the
// cross-attention, 42 MB, and the rows' own keys and values so far, 74 KB a row and
// token. The beams of a picture share the former. It is not safe for concurrent use; several Decoders of one Model are.
type Decoder struct {
	model    *Model
	graph    bundle.Graph
	cross    []Tensor // patch states, or keys and values of each layer; of questions also their lengths
	pictures int
	rows     int   // of the last step, 0 before the first
	owner    []int // for each of these its picture, where pictures were dropped since; -1: dropped
	length   int   // tokens of each row so far
	cache    []Tensor
	spare    []float32 // memory of the cache before this one
	memory   []float32 // of this one
}

// ErrDecoderClosed is returned by Step after Close.
var ErrDecoderClosed = errors.New("decoder is closed")

// Decoder prepares a captioning model for writing about pictures with these patch
// states (fp32 or int8), which must not change until it is closed. An int8 bundle
// projects them, once.
func (m *Model) Decoder(ctx context.Context, states []States) (*Decoder, error) {
	stacked, err := m.stackFloats(bundle.Captioning, states)
	if err != nil {
		return nil, fmt.Errorf("caption: %w", err)
	}
	cross := []Tensor{stacked}
	if slices.Contains(m.manifest.Graphs, bundle.GraphCaptionKV) {
		if cross, err = m.crossInputs(ctx, bundle.GraphCaptionKV, stacked); err != nil {
			return nil, fmt.Errorf("caption: %w", err)
		}
	} else if parts, ok := stacked.Data.([][]float32); ok {
		cross[0].Data = slices.Concat(parts...) // or each step would join them
	}
	return &Decoder{model: m, graph: bundle.GraphCaptionStep, cross: cross, pictures: len(states)}, nil
}

// AnswerDecoder prepares an answering model for answering a question about each
// picture, with token 0 of the questions as the manifest names it. The question's
// padding in a batch changes nothing.
func (m *Model) AnswerDecoder(ctx context.Context, states []States, questions []Query) (*Decoder, error) {
	return m.AnswerDecoderFirst(ctx, FirstToken(m.manifest.FirstToken), states, questions)
}

// AnswerDecoderFirst is AnswerDecoder with token 0 of the questions chosen by the
// caller: BLIP has [ENC] there, Hugging Face's class leaves [CLS].
func (m *Model) AnswerDecoderFirst(ctx context.Context, first FirstToken, states []States, questions []Query) (*Decoder, error) {
	if len(states) != len(questions) {
		return nil, fmt.Errorf("answer: %d pictures and %d questions, want a question for each picture", len(states), len(questions))
	}
	stacked, err := m.stackFloats(bundle.Answering, states)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	ids, lengths, err := m.padded(questions, m.FirstID(first))
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	out, err := m.run(ctx, bundle.GraphQuestion, ids, lengths, stacked)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	cross, err := m.crossInputs(ctx, bundle.GraphAnswerKV, Tensor{Name: "states", Shape: out[0].Shape, Data: out[0].Data})
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return &Decoder{model: m, graph: bundle.GraphAnswerStep, cross: append(cross, lengths), pictures: len(states)}, nil
}

// stackFloats hands over the fp32 states of pictures in pieces.
func (m *Model) stackFloats(task string, states []States) (Tensor, error) {
	if err := m.manifest.Require(task); err != nil {
		return Tensor{}, err
	}
	if len(states) == 0 {
		return Tensor{}, errors.New("no picture")
	}
	full := make([]States, len(states))
	for i, s := range states {
		whole, err := m.whole(s)
		if err != nil {
			return Tensor{}, fmt.Errorf("picture %d: %w", i, err)
		}
		full[i] = whole.Dequantize()
	}
	v := m.manifest.Vision
	return Tensor{
		Name: "states", Shape: []int64{int64(len(full)), int64(v.Tokens()), int64(v.Width)},
		Data: pieces(full, func(s States) []float32 { return s.Float }),
	}, nil
}

// crossInputs are the outputs of a graph of keys and values, which are named as
// the inputs of the steps.
func (m *Model) crossInputs(ctx context.Context, g bundle.Graph, states Tensor) ([]Tensor, error) {
	out, err := m.run(ctx, g, states)
	if err != nil {
		return nil, err
	}
	if want := 2 * m.manifest.Text.Layers; len(out) != want {
		return nil, fmt.Errorf("run graph %s: %d outputs, want keys and values of each layer, %d", g, len(out), want)
	}
	return out, nil
}

// Step appends ids[i], the same number of tokens for all rows, to the row that
// goes on from row parents[i] of the step before, and returns the logits after the
// last token, [rows][vocabulary], which belong to the caller. nil parents go on
// from the rows as they were. Rows of one picture are adjacent, and each picture
// has the same number of them: a first step of one row a picture and a second of
// several start a beam search. After an error, also of ctx, the step may be
// repeated.
func (d *Decoder) Step(ctx context.Context, parents []int, ids [][]int64) ([][]float32, error) {
	tokens, from, err := d.inputs(parents, ids)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	rowCount, total := len(ids), d.length+int(tokens.Shape[1])
	in := append([]Tensor{tokens, from}, d.cross...)
	in = append(in, d.past(rowCount)...)
	present, memory := d.present(rowCount, total)
	in = append(in, present...)
	logits := Tensor{Name: "logits", Shape: []int64{int64(rowCount), int64(d.model.manifest.Text.Vocabulary)}}
	logits.Data = make([]float32, logits.Len())
	if _, err := d.model.run(ctx, d.graph, append(in, logits)...); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	d.rows, d.length, d.cache, d.owner = rowCount, total, present, nil
	d.spare, d.memory = d.memory, memory
	return rows(logits, rowCount, d.model.manifest.Text.Vocabulary)
}

// Close lets go of the memory. Closing twice is harmless.
func (d *Decoder) Close() error {
	d.pictures, d.cross, d.cache, d.spare, d.memory = 0, nil, nil, nil, nil
	return nil
}

// inputs checks a step's arguments and lays them out.
func (d *Decoder) inputs(parents []int, ids [][]int64) (tokens, from Tensor, err error) {
	if d.pictures == 0 {
		return tokens, from, ErrDecoderClosed
	}
	if len(ids) == 0 || len(ids)%d.pictures != 0 {
		return tokens, from, fmt.Errorf("%d rows for %d pictures: each has the same number of rows", len(ids), d.pictures)
	}
	if err := d.checkTokens(ids); err != nil {
		return tokens, from, err
	}
	origin, err := d.origins(parents, len(ids))
	if err != nil {
		return tokens, from, err
	}
	r, n := int64(len(ids)), int64(len(ids[0]))
	return Tensor{Name: "ids", Shape: []int64{r, n}, Data: slices.Concat(ids...)},
		Tensor{Name: "parents", Shape: []int64{r}, Data: origin}, nil
}

func (d *Decoder) checkTokens(ids [][]int64) error {
	n, text := len(ids[0]), d.model.manifest.Text
	if n == 0 || d.length+n > text.Positions {
		return fmt.Errorf("%d tokens after %d: the model has %d positions", n, d.length, text.Positions)
	}
	for i, row := range ids {
		if len(row) != n {
			return fmt.Errorf("row %d has %d tokens, row 0 has %d", i, len(row), n)
		}
		for _, id := range row {
			if id < 0 || id >= int64(text.Vocabulary) {
				return fmt.Errorf("row %d: token %d is not one of %d", i, id, text.Vocabulary)
			}
		}
	}
	return nil
}

// origins are the parents as the graph reads them. A row may only go on from one
// of its own picture.
func (d *Decoder) origins(parents []int, n int) ([]int64, error) {
	before := d.rows
	if before == 0 {
		before = n // the first step has an empty past a row
	}
	if parents == nil && (before != n || d.owner != nil) {
		return nil, fmt.Errorf("%d rows after %d: say with parents which goes on from which", n, before)
	}
	if parents != nil && (len(parents) != n || d.rows == 0) {
		return nil, fmt.Errorf("%d parents of %d rows, after a step of %d", len(parents), n, d.rows)
	}
	origin := make([]int64, n)
	for i := range origin {
		p := i
		if parents != nil {
			p = parents[i]
		}
		if p < 0 || p >= before || d.pictureOf(p, before) != i*d.pictures/n {
			return nil, fmt.Errorf("row %d goes on from row %d, which is not one of the same picture", i, p)
		}
		origin[i] = int64(p)
	}
	return origin, nil
}

// pictureOf is the picture of a row of the step before, which had that many.
func (d *Decoder) pictureOf(row, rows int) int {
	if d.owner != nil {
		return d.owner[row]
	}
	return row * d.pictures / rows
}

// past is the cache under the names of the graph's inputs, empty in the first step.
func (d *Decoder) past(rowCount int) []Tensor {
	if d.cache == nil {
		return d.named("past", rowCount, 0, nil)
	}
	past := slices.Clone(d.cache)
	for i := range past {
		past[i].Name = cacheName("past", i)
	}
	return past
}

// present is room for the cache after this step, in memory that the cache before
// the last one had where that is enough.
func (d *Decoder) present(rowCount, length int) (cache []Tensor, memory []float32) {
	text := d.model.manifest.Text
	need := 2 * text.Layers * rowCount * length * text.Width
	if memory = d.spare; cap(memory) < need {
		// Room for some more tokens, so that not every step asks for memory.
		memory = make([]float32, need, 2*text.Layers*rowCount*min(length+16, text.Positions)*text.Width)
	}
	memory = memory[:need]
	return d.named("present", rowCount, length, memory), memory
}

// named cuts memory into the keys and values of each layer, [rows,h,length,64].
func (d *Decoder) named(what string, rowCount, length int, memory []float32) []Tensor {
	text := d.model.manifest.Text
	shape := []int64{int64(rowCount), int64(text.Heads), int64(length), int64(text.Width / text.Heads)}
	each := rowCount * length * text.Width
	cache := make([]Tensor, 2*text.Layers)
	for i := range cache {
		cache[i] = Tensor{Name: cacheName(what, i), Shape: shape, Data: memory[i*each : (i+1)*each : (i+1)*each]}
	}
	return cache
}

// cacheName is what the graphs call the i-th part of the cache: keys, then values
// of layer 0, then those of layer 1.
func cacheName(what string, i int) string {
	part := "keys"
	if i%2 == 1 {
		part = "values"
	}
	return fmt.Sprintf("%s_%s_%d", what, part, i/2)
}
