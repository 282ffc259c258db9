package indexer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/encoder"
)

// decode turns bytes into pixels and stores the copy of the picture. The copy
// comes first of all that is stored: a run that ends here leaves a file under
// its own hash, which the next run finds in place.
func (r *run) decode(ctx context.Context, j *job) error {
	if !j.encode {
		return nil
	}
	pixels, err := r.ix.parts.Encoder.Pixels(j.data)
	if err != nil {
		return decodeFault(err)
	}
	key, err := r.ix.parts.Pictures.Put(ctx, j.data)
	if err != nil {
		return fmt.Errorf("store picture: %w", err)
	}
	if key != j.entry.Picture {
		return fmt.Errorf("store picture: stored under %s, its hash is %s", key, j.entry.Picture)
	}
	j.pixels, j.data = pixels, nil
	return r.note(ctx, j)
}

// encodeAll runs the vision tower. A batch that was begun is finished after
// the caller's stop, until Grace is over; others are dropped.
func (r *run) encodeAll(ctx context.Context) error {
	for {
		jobs := gather(r.decoded, r.ix.options.Batch)
		if jobs == nil {
			return nil
		}
		if r.soft.Err() != nil {
			continue
		}
		start := time.Now()
		err := r.encodeBatch(ctx, jobs)
		r.report.spent(StageEncode, start)
		if err != nil {
			return err
		}
		if !send(ctx, r.encoded, jobs) {
			return ctx.Err()
		}
	}
}

func (r *run) encodeBatch(ctx context.Context, jobs []*job) error {
	var pixels []encoder.Pixels
	var todo []*job
	for _, j := range jobs {
		if j.encode {
			pixels, todo = append(pixels, j.pixels), append(todo, j)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	found, err := r.ix.parts.Encoder.Images(ctx, pixels)
	if err == nil && len(found) != len(todo) {
		err = errors.New("the model answered for another number of pictures")
	}
	if err != nil {
		return fmt.Errorf("encode %d pictures: %w", len(todo), err)
	}
	for i, j := range todo {
		j.pixels, j.entry.Embedding, j.states = nil, found[i].Embedding, found[i].States
		if !r.ix.options.Exact {
			j.states = j.states.Quantize()
		}
	}
	r.report.encoded(len(todo))
	return nil
}
