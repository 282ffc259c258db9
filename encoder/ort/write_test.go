//go:build cgo

package ort_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
	"sightline/encoder/decode"
)

// searchFixture is one call of transformers' generate for each picture of a layout.
type searchFixture struct {
	Name    string
	Options struct {
		Beams      int     `json:"num_beams"`
		Min        int     `json:"min_length"`
		Max        int     `json:"max_length"`
		Repetition float64 `json:"repetition_penalty"`
		Length     float64 `json:"length_penalty"`
		Early      bool    `json:"early_stopping"`
	}
	Prompt    []int64
	Questions []int
	First     encoder.FirstToken
	IDs       [][]int64
}

func (s searchFixture) options() decode.Options {
	o := decode.Defaults()
	o.Beams, o.MinLength, o.MaxLength = s.Options.Beams, s.Options.Min, s.Options.Max
	o.RepetitionPenalty, o.LengthPenalty = s.Options.Repetition, s.Options.Length
	if s.Options.Early {
		o.EarlyStopping = decode.EarlyTrue
	}
	return o
}

func readJSON(t *testing.T, into any, path ...string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v: %v", path, err)
	}
}

// TestWritesLikeTransformers holds captions and answers of every layout to
// transformers' generate, id for id: pictures together, which finish at different
// times, and alone.
func TestWritesLikeTransformers(t *testing.T) {
	for layout := range decoderLayouts {
		t.Run(layout, func(t *testing.T) {
			d := openDecoding(t, layout, bundle.FP32)
			var f struct{ Generate []searchFixture }
			readJSON(t, &f, decoderDir, layout, "expected.json")
			if len(f.Generate) < 4 {
				t.Fatalf("%d searches", len(f.Generate))
			}
			for _, s := range f.Generate {
				d.checkSearch(t, s)
			}
		})
	}
}

func (d *decoding) checkSearch(t *testing.T, s searchFixture) {
	t.Helper()
	all := make([]int, len(d.states))
	for i := range all {
		all[i] = i
	}
	for i, g := range d.write(t, s, all...) {
		if !slices.Equal(g.IDs, s.IDs[i]) {
			t.Errorf("%s, picture %d together:\n%v, want\n%v", s.Name, i, g.IDs, s.IDs[i])
		}
		if g.LogProb >= 0 || len(g.Tokens) == 0 || g.Tokens[len(g.Tokens)-1].ID != g.IDs[len(g.IDs)-1] {
			t.Errorf("%s, picture %d: %+v", s.Name, i, g)
		}
	}
	for _, i := range []int{0, 7} {
		if g := d.write(t, s, i)[0]; !slices.Equal(g.IDs, s.IDs[i]) {
			t.Errorf("%s, picture %d alone:\n%v, want\n%v", s.Name, i, g.IDs, s.IDs[i])
		}
	}
}

// write captions or answers some of the pictures.
func (d *decoding) write(t *testing.T, s searchFixture, which ...int) []encoder.Generated {
	t.Helper()
	var states []encoder.States
	var questions []encoder.Query
	for _, i := range which {
		states = append(states, d.states[i])
		if d.Task == bundle.Answering {
			questions = append(questions, encoder.Query{IDs: d.QuestionIDs[s.Questions[i]]})
		}
	}
	var out []encoder.Generated
	var err error
	if d.Task == bundle.Answering {
		out, err = d.model.AnswerFirst(t.Context(), s.First, states, questions, s.options())
	} else {
		prompt := ""
		if len(s.Prompt) > 1 {
			prompt = "a picture of "
		}
		out, err = d.model.Caption(t.Context(), states, prompt, s.options())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRanksAnswersLikeBLIP holds the order and the scores to the original's code.
func TestRanksAnswersLikeBLIP(t *testing.T) {
	d := openDecoding(t, "vqa", bundle.FP32)
	var f struct {
		Answers []string
		Cases   []struct {
			Picture, Question int
			Ranked            []struct {
				Index int
				Score float64
			}
		}
	}
	readJSON(t, &f, decoderDir, "rank.json")
	for _, c := range f.Cases {
		q := encoder.Query{IDs: d.QuestionIDs[c.Question]}
		got, err := d.model.RankAnswersFirst(t.Context(), encoder.FirstEnc, d.states[c.Picture], encoder.Asked{Question: q, Answers: f.Answers}, len(c.Ranked))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(c.Ranked) {
			t.Fatalf("%d answers, want %d", len(got), len(c.Ranked))
		}
		for i, w := range c.Ranked {
			if got[i].Index != w.Index || math.Abs(got[i].Score-w.Score) > 2e-3 || got[i].Text != f.Answers[w.Index] {
				t.Errorf("picture %d, place %d: %+v, want %+v (%s)", c.Picture, i, got[i], w, f.Answers[w.Index])
			}
		}
	}
	for _, k := range []int{-1, encoder.MostRank + 1} {
		if _, err := d.model.RankAnswers(t.Context(), d.states[0], encoder.Query{IDs: d.QuestionIDs[0]}, f.Answers, k); err == nil {
			t.Errorf("k %d was taken", k)
		}
	}
}

// TestWantedPictures: what one picture gets does not depend on who leaves.
func TestWantedPictures(t *testing.T) {
	d := openDecoding(t, "cg-tied", bundle.FP32)
	_, o := d.model.Writing()
	o.Beams = 2
	want, err := d.model.Caption(t.Context(), d.states, "", o)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []int{0, 1, 3} {
		asked := make([]int, len(d.states))
		got, err := d.model.CaptionWanted(t.Context(), d.states, "", o, func(i int) bool {
			asked[i]++
			return i%5 == 2 || asked[i] <= after
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range got {
			if g.IDs != nil && !slices.Equal(g.IDs, want[i].IDs) || i%5 == 2 && g.IDs == nil {
				t.Errorf("after %d steps, picture %d: %v, want %v", after, i, g.IDs, want[i].IDs)
			}
		}
	}
}

// TestWriteRefusals are answered before a picture is read.
func TestWriteRefusals(t *testing.T) {
	d := openDecoding(t, "cg-tied", bundle.FP32)
	long := decode.Defaults()
	long.MaxLength = 400
	for want, err := range map[string]error{
		"beams are 1":        second(d.model.Caption(t.Context(), d.states, "", decode.Options{})),
		"has 32 positions":   second(d.model.Caption(t.Context(), d.states, "", long)),
		"shorten the prompt": second(d.model.Caption(t.Context(), d.states[:1], strings.Repeat("a dog ", 12), decode.Defaults())),
		"one for answering":  second(d.model.Answer(t.Context(), d.states[:1], []encoder.Query{{IDs: []int64{2, 3}}}, decode.Defaults())),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// BenchmarkCaption is one caption of the demo model from kept patch states.
func BenchmarkCaption(b *testing.B) {
	rt := openRuntime(b)
	out := filepath.Join(b.TempDir(), "model")
	if _, err := convert.Convert(b.Context(), "../../demo/model/captioning", out, convert.Options{}); err != nil {
		b.Fatal(err)
	}
	m, err := encoder.Open(b.Context(), out, rt)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	v := m.Manifest().Vision
	f, err := m.Images(b.Context(), []encoder.Pixels{make(encoder.Pixels, 3*v.Image*v.Image)})
	if err != nil {
		b.Fatal(err)
	}
	for _, beams := range []int{1, 3} {
		b.Run(fmt.Sprint(beams), func(b *testing.B) {
			o := decode.Defaults()
			o.Beams = beams
			for b.Loop() {
				if _, err := m.Caption(b.Context(), []encoder.States{f[0].States}, "", o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
