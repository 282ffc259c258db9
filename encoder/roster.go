package encoder

import (
	"context"
	"fmt"
	"slices"
)

// roster stands between a search, whose finished pictures have no rows, and a
// Decoder, whose pictures all have the same number. Pictures that are finished are
// carried along until they are half of all, and then dropped: that copies the
// others' keys and values, up to 42 MB each for BLIP-base, which is not worth it for each
// one. All the copies of a call together are less than one of each picture.
type roster struct {
	d *Decoder
	// places are, for each row that the search had in the last step, the decoder's
	// row; nil while they are the same.
	places []int
}

// Step is decode.Stepper's.
func (r *roster) Step(ctx context.Context, parents []int, ids [][]int64) ([][]float32, error) {
	if parents == nil {
		r.places = nil
		return r.d.Step(ctx, nil, ids)
	}
	from := make([]int, len(parents)) // in the decoder's rows
	for i, p := range parents {
		if from[i] = p; r.places != nil {
			from[i] = r.places[p]
		}
	}
	each := r.d.rows / r.d.pictures
	var live []int // pictures of the decoder that still have rows
	for _, p := range from {
		if n := len(live); n == 0 || live[n-1] != p/each {
			live = append(live, p/each)
		}
	}
	if r.d.pictures >= 2*len(live) {
		if err := r.d.keep(live); err != nil {
			return nil, err
		}
		r.places = nil
		return r.d.Step(ctx, from, ids)
	}
	return r.among(ctx, live, from, ids)
}

// among has the rows of the living pictures read among those of the finished ones,
// which repeat a row of their own with the first token at hand.
func (r *roster) among(ctx context.Context, live, from []int, ids [][]int64) ([][]float32, error) {
	each, pictures := len(from)/len(live), r.d.pictures
	before := r.d.rows / pictures
	parents, tokens := make([]int, pictures*each), make([][]int64, pictures*each)
	for i := range parents {
		parents[i], tokens[i] = i/each*before, ids[0]
	}
	r.places = make([]int, len(from))
	for i := range from {
		at := live[i/each]*each + i%each
		r.places[i], parents[at], tokens[at] = at, from[i], ids[i]
	}
	all, err := r.d.Step(ctx, parents, tokens)
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(from))
	for i, at := range r.places {
		out[i] = all[at]
	}
	return out, nil
}

// keep drops all pictures but those, in rising order. The rows of the last step
// stay: parents of the next one count them as before.
func (d *Decoder) keep(live []int) error {
	if len(live) == d.pictures {
		return nil
	}
	cross := make([]Tensor, len(d.cross))
	for i, t := range d.cross {
		var err error
		if cross[i], err = t.pick(live); err != nil {
			return fmt.Errorf("decode: drop finished pictures: %w", err)
		}
	}
	owner, each := make([]int, d.rows), d.rows/d.pictures
	for r := range owner {
		owner[r] = slices.Index(live, r/each)
	}
	d.cross, d.owner, d.pictures = cross, owner, len(live)
	return nil
}

// pick copies some of the outermost parts of a tensor.
func (t Tensor) pick(which []int) (Tensor, error) {
	n := int(t.Shape[0])
	t.Shape = append([]int64{int64(len(which))}, t.Shape[1:]...)
	switch data := t.Data.(type) {
	case []float32:
		t.Data = picked(data, n, which)
	case []int64:
		t.Data = picked(data, n, which)
	default:
		return t, fmt.Errorf("tensor %s holds %T", t.Name, t.Data)
	}
	return t, nil
}

func picked[T any](data []T, n int, which []int) []T {
	each := len(data) / n
	out := make([]T, 0, each*len(which))
	for _, i := range which {
		out = append(out, data[i*each:(i+1)*each]...)
	}
	return out
}
