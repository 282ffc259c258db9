package encoder

import (
	"context"
	"fmt"

	"sightline/encoder/bundle"
)

// Projected are the keys [layers,h,64,N] and values [layers,h,N,64] of one
// picture, which are all that MatchProjected reads of it: 42 MB for ViT-B/16 at
// 384 px, 0.8 MB for the demo model. They may be shared by calls of MatchProjected
// at the same time.
type Projected struct{ Keys, Values Tensor }

// Project computes what all texts read of one picture (fp32 or int8 states), so
// that texts which come in several batches share it.
func (m *Model) Project(ctx context.Context, image States) (Projected, error) {
	image, err := m.whole(image)
	if err != nil {
		return Projected{}, fmt.Errorf("project picture: %w", err)
	}
	kv, err := m.run(ctx, bundle.GraphImageKV, Tensor{
		Name: "states", Shape: []int64{1, int64(image.Tokens), int64(image.Width)}, Data: image.Dequantize().Float,
	})
	if err != nil {
		return Projected{}, fmt.Errorf("project picture: %w", err)
	}
	if len(kv) != 2 {
		return Projected{}, fmt.Errorf("project picture: graph has %d outputs, want keys and values", len(kv))
	}
	return Projected{Keys: kv[0], Values: kv[1]}, nil
}

// MatchProjected scores one picture against many texts in one padded batch:
// texts of like length waste least. Padding does not change the result.
func (m *Model) MatchProjected(ctx context.Context, image Projected, queries []Query) ([]Logits, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	ids, lengths, err := m.padded(queries, m.FirstID(FirstToken(m.manifest.FirstToken)))
	if err != nil {
		return nil, fmt.Errorf("match texts: %w", err)
	}
	return m.matchProjected(ctx, image, ids, lengths)
}

// WarmTexts is Warm for Project and MatchProjected. The two graphs take 0.7 GB of
// BLIP-base in fp32 (docs/rerank.md), so whoever may never read titles calls it
// late; but not within a search's deadline, which cannot end a load of seconds.
func (m *Model) WarmTexts(ctx context.Context) error {
	v := m.manifest.Vision
	image, err := m.Project(ctx, States{Tokens: v.Tokens(), Width: v.Width, Float: make([]float32, v.Tokens()*v.Width)})
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if _, err := m.MatchProjected(ctx, image, []Query{m.Tokenize("warm up")}); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

// MatchTexts scores one picture (fp32 or int8 states) against many texts: the
// picture's keys and values are projected once and shared by all texts.
func (m *Model) MatchTexts(ctx context.Context, image States, queries []Query) ([]Logits, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	// Before the picture is projected: that would be in vain for texts that the
	// model cannot read.
	ids, lengths, err := m.padded(queries, m.FirstID(FirstToken(m.manifest.FirstToken)))
	if err != nil {
		return nil, fmt.Errorf("match texts: %w", err)
	}
	projected, err := m.Project(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("match texts: %w", err)
	}
	return m.matchProjected(ctx, projected, ids, lengths)
}

func (m *Model) matchProjected(ctx context.Context, image Projected, ids, lengths Tensor) ([]Logits, error) {
	out, err := m.run(ctx, bundle.GraphMatchTexts, image.Keys, image.Values, ids, lengths)
	if err != nil {
		return nil, fmt.Errorf("match texts: %w", err)
	}
	pairs, err := logits(out[0], int(ids.Shape[0]))
	if err != nil {
		return nil, fmt.Errorf("match texts: %w", err)
	}
	return pairs, nil
}
