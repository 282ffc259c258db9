package encoder_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// writes makes the tiny manifest one of a model that writes.
func writes(task string) func(*bundle.Manifest) {
	return func(m *bundle.Manifest) {
		m.Task, m.Embedding = task, 0
		m.Decoder = &bundle.Decoder{Width: 64, Begin: 8, End: 3}
		m.Generation = &bundle.Generation{Beams: 1, MaxLength: 8, RepetitionPenalty: 1, LengthPenalty: 1}
	}
}

// stepper is a runtime of a model that writes: it keeps what each step was given
// and fills the cache with the number of the step.
type stepper struct {
	scripted
	steps []map[string]encoder.Tensor
	fail  error
}

func openStepper(t *testing.T, task string) (*encoder.Model, *stepper) {
	t.Helper()
	r := &stepper{}
	r.answer = r.step
	m, err := encoder.Open(t.Context(), tinyBundle(t, writes(task)), &r.scripted)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, r
}

func (r *stepper) step(g bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
	switch g {
	case bundle.GraphCaptionKV, bundle.GraphAnswerKV:
		p, n := in["states"].Shape[0], in["states"].Shape[1]
		return []encoder.Tensor{floats("keys_0", 0, p, 1, n, 64), floats("values_0", 1, p, 1, n, 64)}, nil
	case bundle.GraphQuestion:
		return []encoder.Tensor{floats("questions", 0, in["ids"].Shape[0], in["ids"].Shape[1], 64)}, nil
	}
	if r.fail != nil {
		return nil, r.fail
	}
	kept := map[string]encoder.Tensor{}
	for name, t := range in {
		if v, ok := t.Data.([]float32); ok && strings.HasPrefix(name, "past") {
			t.Data = slices.Clone(v) // what it was in this step
		}
		kept[name] = t
	}
	r.steps = append(r.steps, kept)
	for _, name := range []string{"present_keys_0", "present_values_0", "logits"} {
		for i := range in[name].Data.([]float32) {
			in[name].Data.([]float32)[i] = float32(len(r.steps))
		}
	}
	return []encoder.Tensor{in["present_keys_0"], in["present_values_0"], in["logits"]}, nil
}

func (r *stepper) last() map[string]encoder.Tensor { return r.steps[len(r.steps)-1] }

func openDecoder(t *testing.T, m *encoder.Model, pictures int) *encoder.Decoder {
	t.Helper()
	states := make([]encoder.States, pictures)
	for i := range states {
		states[i] = tinyStates(float32(i))
	}
	d, err := m.Decoder(t.Context(), states)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func decode(t *testing.T, d *encoder.Decoder, parents []int, ids ...[]int64) [][]float32 {
	t.Helper()
	logits, err := d.Step(t.Context(), parents, ids)
	if err != nil {
		t.Fatal(err)
	}
	return logits
}

// TestDecoderSteps: tokens, parents and the cache of the step before reach the
// graph, and the logits are the caller's own.
func TestDecoderSteps(t *testing.T) {
	m, r := openStepper(t, bundle.Captioning)
	d := openDecoder(t, m, 2)
	first := decode(t, d, nil, []int64{8, 4}, []int64{8, 5})
	wantTensor(t, r.last()["ids"], encoder.Tensor{Name: "ids", Shape: []int64{2, 2}, Data: []int64{8, 4, 8, 5}})
	wantTensor(t, r.last()["parents"], encoder.Tensor{Name: "parents", Shape: []int64{2}, Data: []int64{0, 1}})
	wantTensor(t, r.last()["past_keys_0"], zeros("past_keys_0", 2, 1, 0, 64))
	wantTensor(t, r.last()["states"], encoder.Tensor{
		Name: "states", Shape: []int64{2, 5, 64}, Data: slices.Concat(tinyStates(0).Float, tinyStates(1).Float),
	})

	decode(t, d, []int{0, 0, 1, 1}, []int64{4}, []int64{5}, []int64{6}, []int64{7})
	wantTensor(t, r.last()["parents"], encoder.Tensor{Name: "parents", Shape: []int64{4}, Data: []int64{0, 0, 1, 1}})
	if past := r.last()["past_values_0"]; !slices.Equal(past.Shape, []int64{2, 1, 2, 64}) || past.Data.([]float32)[7] != 1 {
		t.Errorf("the past of step 2 is %v of %v", past.Data.([]float32)[7], past.Shape)
	}
	for i := range 4 { // a token each, while memory changes places
		decode(t, d, []int{1, 0, 3, 2}, []int64{4}, []int64{5}, []int64{6}, []int64{7})
		past := r.last()["past_keys_0"]
		if want := []int64{4, 1, int64(3 + i), 64}; !slices.Equal(past.Shape, want) || slices.Min(past.Data.([]float32)) != float32(2+i) {
			t.Errorf("the past of step %d is of %v, from %v", 3+i, past.Shape, slices.Min(past.Data.([]float32)))
		}
	}
	if len(first) != 2 || len(first[0]) != 10 || slices.Max(first[1]) != 1 {
		t.Errorf("the first step's logits became %v", first)
	}
}

// TestDecoderRepeats: a step that failed may be done again.
func TestDecoderRepeats(t *testing.T) {
	m, r := openStepper(t, bundle.Captioning)
	d := openDecoder(t, m, 1)
	decode(t, d, nil, []int64{8})
	r.fail = context.DeadlineExceeded
	if _, err := d.Step(t.Context(), nil, [][]int64{{4}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the runtime's", err)
	}
	r.fail = nil
	decode(t, d, nil, []int64{4})
	if past := r.last()["past_keys_0"]; past.Shape[2] != 1 || slices.Min(past.Data.([]float32)) != 1 {
		t.Errorf("the past is %v", past)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if _, err := d.Step(t.Context(), nil, [][]int64{{4}}); !errors.Is(err, encoder.ErrDecoderClosed) {
		t.Errorf("error %v, want ErrDecoderClosed", err)
	}
}

func TestDecoderRefuses(t *testing.T) {
	m, _ := openStepper(t, bundle.Captioning)
	one, two := [][]int64{{4}}, [][]int64{{4}, {4}}
	tests := map[string]struct {
		start   [][]int64 // a first step of two pictures, nil: none
		parents []int
		ids     [][]int64
		want    string
	}{
		"no row":                   {nil, nil, nil, "0 rows for 2 pictures"},
		"rows that cannot be":      {nil, nil, [][]int64{{4}, {4}, {4}}, "3 rows for 2 pictures"},
		"no token":                 {nil, nil, [][]int64{{}, {}}, "0 tokens"},
		"ragged":                   {nil, nil, [][]int64{{4}, {4, 5}}, "row 1 has 2 tokens"},
		"no such token":            {nil, nil, [][]int64{{4}, {10}}, "token 10"},
		"below 0":                  {nil, nil, [][]int64{{-1}, {4}}, "token -1"},
		"too long":                 {two, nil, [][]int64{make([]int64, 8), make([]int64, 8)}, "8 positions"},
		"parents at first":         {nil, []int{0, 1}, two, "2 parents"},
		"parents are missing":      {two, nil, [][]int64{{4}, {4}, {4}, {4}}, "say with parents"},
		"too few parents":          {two, []int{0}, two, "1 parents of 2 rows"},
		"a parent out of range":    {two, []int{0, 2}, two, "row 2"},
		"a parent below 0":         {two, []int{-1, 1}, two, "row -1"},
		"a parent of another":      {two, []int{1, 1}, two, "same picture"},
		"another's when expanding": {two, []int{0, 0, 0, 1}, [][]int64{{4}, {4}, {4}, {4}}, "same picture"},
	}
	for name, test := range tests {
		d := openDecoder(t, m, 2)
		if test.start != nil {
			decode(t, d, nil, test.start...)
		}
		if _, err := d.Step(t.Context(), test.parents, test.ids); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	if _, err := m.Decoder(t.Context(), nil); err == nil {
		t.Error("a decoder of no picture")
	}
	if _, err := m.Decoder(t.Context(), []encoder.States{{Tokens: 4, Width: 64, Float: make([]float32, 256)}}); err == nil || !strings.Contains(err.Error(), "picture 0") {
		t.Errorf("states of another model: %v", err)
	}
	if d, err := m.Decoder(t.Context(), []encoder.States{tinyStates(0).Quantize()}); err != nil {
		t.Error(err)
	} else {
		decode(t, d, nil, one...)
	}
}

// TestAnswerDecoder: questions are padded and have the token 0 that is asked for.
func TestAnswerDecoder(t *testing.T) {
	m, r := openStepper(t, bundle.Answering)
	states := []encoder.States{tinyStates(0), tinyStates(1)}
	questions := []encoder.Query{{IDs: []int64{2, 4, 3}}, {IDs: []int64{2, 4, 5, 6, 3}}}
	d, err := m.AnswerDecoder(t.Context(), states, questions)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, d, nil, []int64{8}, []int64{8})
	wantTensor(t, r.last()["lengths"], encoder.Tensor{Name: "lengths", Shape: []int64{2}, Data: []int64{3, 5}})
	if keys := r.last()["keys_0"]; !slices.Equal(keys.Shape, []int64{2, 1, 5, 64}) {
		t.Errorf("keys are of %v, want the 5 tokens of the longer question", keys.Shape)
	}
	if _, err := m.AnswerDecoder(t.Context(), states, questions[:1]); err == nil || !strings.Contains(err.Error(), "2 pictures and 1 questions") {
		t.Errorf("error %v", err)
	}
	if _, err := m.AnswerDecoder(t.Context(), states[:1], []encoder.Query{{}}); err == nil {
		t.Error("an empty question was taken")
	}
}

// TestTasks: a model for another task is refused with what to do.
func TestTasks(t *testing.T) {
	captioner, _ := openStepper(t, bundle.Captioning)
	retriever, _ := tinyModel(t, func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		t.Error("a graph was run")
		return nil, nil
	})
	states := []encoder.States{tinyStates(0)}
	_, match := captioner.Match(t.Context(), encoder.Query{IDs: []int64{2, 3}}, states)
	_, texts := captioner.Texts(t.Context(), []encoder.Query{{IDs: []int64{2, 3}}})
	_, answers := captioner.AnswerDecoder(t.Context(), states, []encoder.Query{{IDs: []int64{2, 3}}})
	_, captions := retriever.Decoder(t.Context(), states)
	for name, c := range map[string]struct {
		err      error
		have, to string
	}{
		"match":   {match, "captioning", "BlipForImageTextRetrieval"},
		"texts":   {texts, "captioning", "retrieval"},
		"answers": {answers, "captioning", "BlipForQuestionAnswering"},
		"caption": {captions, "retrieval", "BlipForConditionalGeneration"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), "the model is for "+c.have) || !strings.Contains(c.err.Error(), c.to) || !strings.Contains(c.err.Error(), "indexd model convert") {
			t.Errorf("%s: error %v", name, c.err)
		}
	}
}

// TestImagesOfWriters: models that write give patch states and no embedding.
func TestImagesOfWriters(t *testing.T) {
	r := &scripted{answer: func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{floats("states", 0, 1, 5, 64)}, nil
	}}
	m, err := encoder.Open(t.Context(), tinyBundle(t, writes(bundle.Captioning)), r)
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Images(t.Context(), []encoder.Pixels{make(encoder.Pixels, 3*32*32)})
	if err != nil || f[0].Embedding != nil || len(f[0].States.Float) != 5*64 {
		t.Errorf("features %v (%v)", f, err)
	}
}

// TestDecoderProjects: where the bundle has a graph for it, pictures are projected
// once and the steps read that.
func TestDecoderProjects(t *testing.T) {
	r := &stepper{}
	r.answer = r.step
	dir := tinyBundle(t, func(m *bundle.Manifest) {
		writes(bundle.Captioning)(m)
		m.Graphs = []bundle.Graph{bundle.GraphCaptionKV}
	})
	m, err := encoder.Open(t.Context(), dir, &r.scripted)
	if err != nil {
		t.Fatal(err)
	}
	d := openDecoder(t, m, 2)
	decode(t, d, nil, []int64{8}, []int64{8})
	decode(t, d, nil, []int64{4}, []int64{4})
	wantTensor(t, r.last()["keys_0"], floats("keys_0", 0, 2, 1, 5, 64))
	if _, ok := r.last()["states"]; ok || !slices.Equal(r.runs, []bundle.Graph{bundle.GraphCaptionKV, bundle.GraphCaptionStep, bundle.GraphCaptionStep}) {
		t.Errorf("runs %v, with states: %v", r.runs, ok)
	}
}
