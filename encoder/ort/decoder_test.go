//go:build cgo

package ort_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
)

const decoderDir = "../testdata/decoder"

// decoderLayouts are the checkpoint layouts and how a user converts each.
var decoderLayouts = map[string]convert.Options{
	"cg-tied": {}, "cg-untied": {}, "cg-bin": {}, "vqa": {},
	"caption-pth": {Config: "med_config.json", Vocabulary: "vocab.txt", ImageSize: 48},
	"vqa-pth":     {Config: "med_config.json", Vocabulary: "vocab.txt"},
}

// decoderFixture is expected.json of encoder/testdata/decoder, computed by
// transformers. The searches in it are for the tests of who searches.
type decoderFixture struct {
	Task            string
	ImageSize       int     `json:"image_size"`
	VisionEps       float64 `json:"vision_eps"`
	Clean           bool
	Special         map[string]int64
	Begin, End, Pad int64
	Pictures        []string
	Questions       []string
	QuestionIDs     [][]int64 `json:"question_ids"`
	Steps           []decoderStep
}

// decoderStep is one text with the logits after each of its tokens.
type decoderStep struct {
	Picture, Question int
	First             encoder.FirstToken
	IDs               []int64
	Logits            [][]float32
}

// decoding is one converted layout.
type decoding struct {
	decoderFixture
	model  *encoder.Model
	states []encoder.States // of the pictures
}

func convertDecoder(t testing.TB, layout, precision string) (string, bundle.Manifest) {
	t.Helper()
	o, dir := decoderLayouts[layout], filepath.Join(decoderDir, layout)
	o.Precision = precision
	src := dir
	if o.Config != "" {
		o.Config, o.Vocabulary, src = filepath.Join(dir, o.Config), filepath.Join(dir, o.Vocabulary), filepath.Join(dir, "model.pth")
	}
	out := filepath.Join(t.TempDir(), "model")
	m, err := convert.Convert(t.Context(), src, out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out, m
}

// openDecoding converts a layout and reads the pictures.
func openDecoding(t *testing.T, layout, precision string) *decoding {
	t.Helper()
	openRuntime(t) // skip before converting
	d := &decoding{}
	data, err := os.ReadFile(filepath.Join(decoderDir, layout, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &d.decoderFixture); err != nil {
		t.Fatal(err)
	}
	dir, m := convertDecoder(t, layout, precision)
	if err := bundle.Verify(t.Context(), dir, m); err != nil {
		t.Error(err)
	}
	d.model = openModel(t, dir)
	var batch []encoder.Pixels
	for _, name := range d.Pictures {
		batch = append(batch, readPixels(t, d.model, filepath.Join(decoderDir, name)))
	}
	features, err := d.model.Images(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range features {
		d.states = append(d.states, f.States)
	}
	return d
}

// start opens a decoder for the pictures (and questions) of steps.
func (d *decoding) start(t *testing.T, steps ...decoderStep) *encoder.Decoder {
	t.Helper()
	var states []encoder.States
	var questions []encoder.Query
	for _, s := range steps {
		states = append(states, d.states[s.Picture])
		if d.Task == bundle.Answering {
			questions = append(questions, encoder.Query{IDs: d.QuestionIDs[s.Question]})
		}
	}
	var made *encoder.Decoder
	var err error
	if d.Task == bundle.Answering {
		made, err = d.model.AnswerDecoderFirst(t.Context(), steps[0].First, states, questions)
	} else {
		made, err = d.model.Decoder(t.Context(), states)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	return made
}

func step(t *testing.T, d *encoder.Decoder, parents []int, ids ...[]int64) [][]float32 {
	t.Helper()
	logits, err := d.Step(t.Context(), parents, ids)
	if err != nil {
		t.Fatal(err)
	}
	return logits
}

func TestDecoderParity(t *testing.T) {
	for layout := range decoderLayouts {
		t.Run(layout, func(t *testing.T) {
			d := openDecoding(t, layout, bundle.FP32)
			t.Run("manifest", d.checkManifest)
			t.Run("token by token", d.checkSteps)
			t.Run("all at once", d.checkPrefixes)
			t.Run("beside others", d.checkBatch)
			t.Run("beams", d.checkBeams)
		})
	}
}

func (d *decoding) checkManifest(t *testing.T) {
	m := d.model.Manifest()
	if m.Task != d.Task || m.Vision.Image != d.ImageSize || m.Vision.Eps != d.VisionEps || m.Tokenizer.Clean != d.Clean {
		t.Errorf("manifest %+v, want task %s, image %d, eps %g, clean %v", m, d.Task, d.ImageSize, d.VisionEps, d.Clean)
	}
	if c := *m.Decoder; c.Begin != d.Begin || c.End != d.End || c.Pad != d.Pad {
		t.Errorf("decoder %+v, want tokens %d, %d, %d", c, d.Begin, d.End, d.Pad)
	}
	for i, q := range d.Questions {
		if got := d.model.Tokenize(q).IDs; !slices.Equal(got, d.QuestionIDs[i]) {
			t.Errorf("%q: ids %v, want %v", q, got, d.QuestionIDs[i])
		}
	}
}

// checkSteps reads each text alone, a token a step.
func (d *decoding) checkSteps(t *testing.T) {
	for _, s := range d.Steps {
		made := d.start(t, s)
		for i, id := range s.IDs {
			got := step(t, made, nil, []int64{id})
			near(t, fmt.Sprintf("picture %d, step %d", s.Picture, i), got[0], s.Logits[i], logitTolerance)
		}
	}
}

// checkPrefixes reads the first tokens of each text at once, and then the rest.
func (d *decoding) checkPrefixes(t *testing.T) {
	for _, s := range d.Steps {
		for n := 1; n <= len(s.IDs); n++ {
			made := d.start(t, s)
			got := step(t, made, nil, s.IDs[:n])
			near(t, fmt.Sprintf("picture %d, first %d", s.Picture, n), got[0], s.Logits[n-1], logitTolerance)
			if rest := s.IDs[n:]; len(rest) > 0 {
				got = step(t, made, nil, rest)
				near(t, fmt.Sprintf("picture %d, rest from %d", s.Picture, n), got[0], s.Logits[len(s.IDs)-1], logitTolerance)
			}
		}
	}
}

// checkBatch reads all texts of a first token together: pictures beside others,
// questions padded to the longest.
func (d *decoding) checkBatch(t *testing.T) {
	for _, first := range []encoder.FirstToken{"", encoder.FirstCls, encoder.FirstEnc} {
		var steps []decoderStep
		for _, s := range d.Steps {
			if s.First == first {
				steps = append(steps, s)
			}
		}
		if len(steps) == 0 {
			continue
		}
		made, shortest := d.start(t, steps...), len(steps[0].IDs)
		for _, s := range steps {
			shortest = min(shortest, len(s.IDs))
		}
		for i := range shortest {
			var ids [][]int64
			for _, s := range steps {
				ids = append(ids, s.IDs[i:i+1])
			}
			for r, got := range step(t, made, nil, ids...) {
				near(t, fmt.Sprintf("%s picture %d, step %d", first, steps[r].Picture, i), got, steps[r].Logits[i], logitTolerance)
			}
		}
	}
}

// checkBeams gives two pictures three rows each, of which only some go the way of
// the text, and has the rows change places: what parents say must be followed.
func (d *decoding) checkBeams(t *testing.T) {
	a, b := d.Steps[0], d.Steps[1]
	made := d.start(t, a, b)
	step(t, made, nil, a.IDs[:1], b.IDs[:1])
	other := (a.IDs[1] + 1) % int64(len(a.Logits[0]))
	got := step(t, made, []int{0, 0, 0, 1, 1, 1}, []int64{other}, a.IDs[1:2], []int64{other}, b.IDs[1:2], []int64{other}, []int64{other})
	near(t, "row 1", got[1], a.Logits[1], logitTolerance)
	near(t, "row 3", got[3], b.Logits[1], logitTolerance)
	at := []int{1, 3} // the rows that hold the texts
	for i := 2; i < min(len(a.IDs), len(b.IDs)); i++ {
		parents := []int{0, 1, 2, 3, 4, 5}
		to := []int{i % 3, 3 + (i+1)%3}
		parents[to[0]], parents[at[0]] = at[0], to[0]
		parents[to[1]], parents[at[1]] = at[1], to[1]
		ids := slices.Repeat([][]int64{{other}}, 6)
		ids[to[0]], ids[to[1]] = a.IDs[i:i+1], b.IDs[i:i+1]
		at = to
		got = step(t, made, parents, ids...)
		near(t, fmt.Sprintf("step %d of the first", i), got[at[0]], a.Logits[i], logitTolerance)
		near(t, fmt.Sprintf("step %d of the second", i), got[at[1]], b.Logits[i], logitTolerance)
	}
}

// TestDecoderPrecisions bounds what float16 and int8 cost on these models, whose
// logits spread over some 30, and holds int8 rows to be the same beside others.
func TestDecoderPrecisions(t *testing.T) {
	for precision, limit := range map[string]struct{ rms, worst float64 }{bundle.FP16: {0.01, 0.05}, bundle.INT8: {0.2, 0.9}} {
		for _, layout := range []string{"cg-untied", "vqa-pth"} {
			t.Run(precision+" "+layout, func(t *testing.T) {
				d := openDecoding(t, layout, precision)
				var sum, worst, low, high float64
				count := 0
				for _, s := range d.Steps {
					made := d.start(t, s)
					for i, id := range s.IDs {
						for j, v := range step(t, made, nil, []int64{id})[0] {
							want := float64(s.Logits[i][j])
							diff := math.Abs(float64(v) - want)
							sum, worst, count = sum+diff*diff, max(worst, diff), count+1
							low, high = min(low, want), max(high, want)
						}
					}
				}
				rms := math.Sqrt(sum / float64(count))
				t.Logf("logits from %.1f to %.1f differ by %.4f rms, %.3f at most", low, high, rms, worst)
				if !(rms <= limit.rms && worst <= limit.worst) {
					t.Errorf("logits differ by %.4f rms, %.3f at most", rms, worst)
				}
				d.checkAlone(t)
			})
		}
	}
}

// checkAlone compares a text alone with the same beside another and in the place
// of one of three beams.
func (d *decoding) checkAlone(t *testing.T) {
	a, b := d.Steps[0], d.Steps[1]
	alone, beside := d.start(t, a), d.start(t, b, a)
	step(t, alone, nil, a.IDs[:1])
	step(t, beside, nil, b.IDs[:1], a.IDs[:1])
	want := step(t, alone, nil, a.IDs[1:2])
	got := step(t, beside, []int{0, 0, 0, 1, 1, 1}, b.IDs[1:2], b.IDs[1:2], b.IDs[:1], a.IDs[:1], a.IDs[1:2], a.IDs[:1])
	near(t, "beside others", got[4], want[0], logitTolerance)
}
