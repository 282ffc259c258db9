package encoder

import (
	"context"
	"fmt"
	"slices"

	"sightline/encoder/bundle"
)

// Texts returns the unit-length ITC embedding [E] of each query. Texts of
// different lengths share a padded batch; padding does not change the result.
func (m *Model) Texts(ctx context.Context, queries []Query) ([][]float32, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	ids, lengths, err := m.padded(queries, m.manifest.Tokenizer.Cls)
	if err != nil {
		return nil, fmt.Errorf("embed texts: %w", err)
	}
	out, err := m.run(ctx, bundle.GraphText, ids, lengths)
	if err != nil {
		return nil, fmt.Errorf("embed texts: %w", err)
	}
	embeddings, err := rows(out[0], len(queries), m.manifest.Embedding)
	if err != nil {
		return nil, fmt.Errorf("embed texts: %w", err)
	}
	return embeddings, nil
}

// Images runs the vision tower over a batch of pictures. Models for captioning and
// answering give no embedding. Memory of the call is
// about batch × h·N² × 4 bytes for attention scores (16 MB a picture at 577 tokens).
func (m *Model) Images(ctx context.Context, batch []Pixels) ([]Features, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	v := m.manifest.Vision
	n := 3 * v.Image * v.Image
	flat := make([]float32, 0, n*len(batch))
	for i, p := range batch {
		if len(p) != n {
			return nil, fmt.Errorf("embed pictures: picture %d has %d values, the model reads %d", i, len(p), n)
		}
		flat = append(flat, p...)
	}
	side := int64(v.Image)
	out, err := m.run(ctx, bundle.GraphVision,
		Tensor{Name: "pixels", Shape: []int64{int64(len(batch)), 3, side, side}, Data: flat})
	if err != nil {
		return nil, fmt.Errorf("embed pictures: %w", err)
	}
	return m.features(out, len(batch))
}

func (m *Model) features(out []Tensor, n int) ([]Features, error) {
	embeddings, want := make([][]float32, n), 1
	if m.manifest.Task == bundle.Retrieval {
		want = 2
	}
	if len(out) != want {
		return nil, fmt.Errorf("embed pictures: graph has %d outputs, want %d", len(out), want)
	}
	if want == 2 {
		var err error
		if embeddings, err = rows(out[0], n, m.manifest.Embedding); err != nil {
			return nil, fmt.Errorf("embed pictures: %w", err)
		}
	}
	v := m.manifest.Vision
	states, err := rows(out[want-1], n, v.Tokens()*v.Width)
	if err != nil {
		return nil, fmt.Errorf("embed pictures: %w", err)
	}
	features := make([]Features, n)
	for i := range features {
		features[i] = Features{Embedding: embeddings[i], States: States{Tokens: v.Tokens(), Width: v.Width, Float: states[i]}}
	}
	return features, nil
}

// Match scores one text against many pictures with the first token that the
// manifest names. int8 states go through the int8 graph; where fp32 ones are
// among them, all are read as fp32.
func (m *Model) Match(ctx context.Context, q Query, states []States) ([]Logits, error) {
	return m.MatchFirst(ctx, FirstToken(m.manifest.FirstToken), q, states)
}

// MatchFirst is Match with the first token chosen by the caller.
func (m *Model) MatchFirst(ctx context.Context, first FirstToken, q Query, states []States) ([]Logits, error) {
	if len(states) == 0 {
		return nil, nil
	}
	ids, _, err := m.padded([]Query{q}, m.FirstID(first))
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	graph, inputs, err := m.stack(sameKind(states), len(q.IDs))
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	out, err := m.run(ctx, graph, append(inputs, ids)...)
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	pairs, err := logits(out[0], len(states))
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	return pairs, nil
}

// FirstID is the token id that first stands for.
func (m *Model) FirstID(first FirstToken) int64 {
	if first == FirstCls {
		return m.manifest.Tokenizer.Cls
	}
	return m.manifest.Tokenizer.Enc
}

// padded lays queries out as ids [B,L] and lengths [B], L the longest, with
// token 0 replaced by first.
func (m *Model) padded(queries []Query, first int64) (ids, lengths Tensor, err error) {
	longest := 0
	for i, q := range queries {
		if len(q.IDs) == 0 || len(q.IDs) > m.manifest.Text.Positions {
			return ids, lengths, fmt.Errorf("text %d has %d tokens, the model reads 1 to %d", i, len(q.IDs), m.manifest.Text.Positions)
		}
		longest = max(longest, len(q.IDs))
	}
	flat := make([]int64, 0, longest*len(queries))
	each := make([]int64, len(queries))
	for i, q := range queries {
		for j := range longest {
			switch {
			case j == 0:
				flat = append(flat, first)
			case j < len(q.IDs):
				flat = append(flat, q.IDs[j])
			default:
				flat = append(flat, m.manifest.Tokenizer.Pad)
			}
		}
		each[i] = int64(len(q.IDs))
	}
	b := int64(len(queries))
	return Tensor{Name: "ids", Shape: []int64{b, int64(longest)}, Data: flat},
		Tensor{Name: "lengths", Shape: []int64{b}, Data: each}, nil
}

// stack hands over the states of a batch where they lie, in pieces, and names
// the graph that reads them: int8, fp32 absorbed, or fp32 projected for long texts.
func (m *Model) stack(states []States, tokens int) (bundle.Graph, []Tensor, error) {
	states = slices.Clone(states)
	for i, s := range states {
		var err error
		if states[i], err = m.whole(s); err != nil {
			return "", nil, fmt.Errorf("picture %d: %w", i, err)
		}
	}
	s0 := states[0]
	shape := []int64{int64(len(states)), int64(s0.Tokens), int64(s0.Width)}
	if s0.Float == nil {
		return bundle.GraphMatchInt8, []Tensor{
			{Name: "states", Shape: shape, Data: pieces(states, func(s States) []int8 { return s.Int8 })},
			{Name: "scale", Shape: shape[:2], Data: pieces(states, func(s States) []float32 { return s.Scale })},
			{Name: "mean", Shape: []int64{shape[0], shape[2]}, Data: pieces(states, func(s States) []float32 { return s.Mean })},
		}, nil
	}
	graph := bundle.GraphMatch
	if tokens > m.manifest.AbsorbLimit() {
		graph = bundle.GraphMatchProjected
	}
	return graph, []Tensor{{Name: "states", Shape: shape, Data: pieces(states, func(s States) []float32 { return s.Float })}}, nil
}

// sameKind turns a mixed batch into fp32. A data folder holds both kinds after
// imports with different --states.
func sameKind(states []States) []States {
	exact := func(s States) bool { return s.Float != nil }
	if !slices.ContainsFunc(states, exact) {
		return states
	}
	same := make([]States, len(states))
	for i, s := range states {
		if same[i] = s; s.Check() == nil { // a broken one is for stack to refuse
			same[i] = s.Dequantize()
		}
	}
	return same
}

// pieces leaves the joining to the runtime: on a CUDA device that is the copy to
// memory that the device reads, and a copy made here would take longer than the
// match itself (docs/gpu.md).
func pieces[T any](states []States, part func(States) []T) any {
	if len(states) == 1 {
		return part(states[0])
	}
	parts := make([][]T, len(states))
	for i, s := range states {
		parts[i] = part(s)
	}
	return parts
}

// whole are states that fit the model, a row for each token of the picture.
// Graphs read pooled states so, expanded: a batch may hold both kinds, and the
// copies take 1 % of the time of the match.
func (m *Model) whole(s States) (States, error) {
	if err := s.Check(); err != nil {
		return States{}, err
	}
	s = s.Expand()
	if v := m.manifest.Vision; s.Tokens != v.Tokens() || s.Width != v.Width {
		return States{}, fmt.Errorf("patch states are [%d,%d], this model's are [%d,%d]: they were made by another model", s.Tokens, s.Width, v.Tokens(), v.Width)
	}
	return s, nil
}

func (m *Model) run(ctx context.Context, g bundle.Graph, inputs ...Tensor) ([]Tensor, error) {
	if err := m.manifest.Require(taskOf(g, m.manifest.Task)); err != nil {
		return nil, err
	}
	s, err := m.session(ctx, g)
	if err != nil {
		return nil, err
	}
	out, err := s.Run(ctx, inputs...)
	if err != nil {
		return nil, fmt.Errorf("run graph %s: %w", g, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("run graph %s: no output", g)
	}
	return out, nil
}

// rows cuts a float32 tensor [n,width] (or of the same size) into n slices of it.
func rows(t Tensor, n, width int) ([][]float32, error) {
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	if len(v) != n*width {
		return nil, fmt.Errorf("tensor %s has shape %v, want [%d,%d]", t.Name, t.Shape, n, width)
	}
	out := make([][]float32, n)
	for i := range out {
		out[i] = v[i*width : (i+1)*width : (i+1)*width]
	}
	return out, nil
}

func logits(t Tensor, n int) ([]Logits, error) {
	pairs, err := rows(t, n, 2)
	if err != nil {
		return nil, err
	}
	out := make([]Logits, n)
	for i, p := range pairs {
		out[i] = Logits(p)
	}
	return out, nil
}

// taskOf is the task that graph g is for; all have a vision tower.
func taskOf(g bundle.Graph, own string) string {
	switch g {
	case bundle.GraphVision:
		return own
	case bundle.GraphCaptionKV, bundle.GraphCaptionStep:
		return bundle.Captioning
	case bundle.GraphQuestion, bundle.GraphAnswerKV, bundle.GraphAnswerStep:
		return bundle.Answering
	}
	return bundle.Retrieval
}
