package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/encoder"
	"sightline/store/features"
)

// decode turns bytes into pixels.
func (p *pipe) decode(ctx context.Context, s *shot) error {
	if p.over(s.job) {
		p.drop(s.job)
		return nil
	}
	start := time.Now()
	pixels, err := p.pixels(onBehalf(ctx, s.job), s.data)
	p.clock.spent(StageDecode, start)
	switch {
	case err == nil:
		s.pixels = pixels
		return send(ctx, p.checked, s)
	case s.number == 1:
		p.failed(s.job, decodeFault(err))
		return nil
	}
	s.fault, s.data = decodeFault(err), nil
	return p.arrived(ctx, s.job)
}

// pixels hands the context to an encoder that asks for it.
func (p *pipe) pixels(ctx context.Context, data []byte) (encoder.Pixels, error) {
	if e, ok := p.ix.parts.Encoder.(pixelsEncoder); ok {
		return e.PixelsOf(ctx, data)
	}
	return p.ix.parts.Encoder.Pixels(data)
}

// file stores the copy of a picture that can be read. It comes first of all that
// is stored: a run that ends here leaves a file under its own hash, which the
// next run finds in place.
func (p *pipe) file(ctx context.Context, s *shot) error {
	key, err := p.ix.parts.Pictures.Put(ctx, s.data)
	if err != nil {
		return fmt.Errorf("store picture: %w", err)
	}
	if key != s.key {
		return fmt.Errorf("store picture: stored under %s, its hash is %s", key, s.key)
	}
	s.data = nil
	if err := p.note(ctx, s); err != nil {
		return err
	}
	return send(ctx, p.decoded, s)
}

// encodeAll runs the vision tower over pictures as they come, whichever items
// they are of. A batch that was begun is finished after the caller's stop, until
// Grace is over; others are dropped.
func (p *pipe) encodeAll(ctx context.Context) error {
	for {
		shots, err := gather(ctx, p.decoded, p.ix.options.Batch)
		if err != nil || shots == nil {
			return err
		}
		shots = slices.DeleteFunc(shots, func(s *shot) bool {
			over := p.over(s.job)
			if over {
				p.drop(s.job)
			}
			return over
		})
		if len(shots) == 0 {
			continue
		}
		start := time.Now()
		err = p.encode(ctx, shots)
		p.clock.spent(StageEncode, start)
		if err == nil {
			err = send(ctx, p.encoded, shots)
		}
		if err != nil {
			return err
		}
	}
}

// kept are patch states in the form that they are stored in.
func (ix *Indexer) kept(s encoder.States) (encoder.States, error) {
	switch {
	case ix.parts.Features.Grid() == features.Pooled:
		pooled, err := s.Pool()
		return pooled.Quantize(), err
	case ix.options.Exact:
		return s, nil
	}
	return s.Quantize(), nil
}

func (p *pipe) encode(ctx context.Context, shots []*shot) error {
	pixels, jobs := make([]encoder.Pixels, len(shots)), make([]*job, len(shots))
	for i, s := range shots {
		pixels[i], jobs[i] = s.pixels, s.job
	}
	found, err := p.ix.parts.Encoder.Images(onBehalf(ctx, jobs...), pixels)
	if err == nil && len(found) != len(shots) {
		err = errors.New("the model answered for another number of pictures")
	}
	if err != nil {
		return fmt.Errorf("encode %d pictures: %w", len(shots), err)
	}
	for i, s := range shots {
		s.pixels, s.embedding, s.states = nil, found[i].Embedding, found[i].States
		if s.states, err = p.ix.kept(s.states); err != nil {
			return fmt.Errorf("pool patch states: %w", err)
		}
		if err := p.ix.label(ctx, s); err != nil {
			return err
		}
	}
	p.clock.encoded.Add(int64(len(shots)))
	return nil
}

// label judges the first picture of an item, as it is stored.
func (ix *Indexer) label(ctx context.Context, s *shot) error {
	if ix.parts.Labels == nil || s.number != 1 {
		return nil
	}
	found := &labelled{}
	var err error
	if found.names, found.rules, found.notice, err = ix.parts.Labels.Label(ctx, s.states); err != nil {
		return err
	}
	s.labelled = found
	return nil
}
