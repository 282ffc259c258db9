//go:build cgo

package ort_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
)

// Tolerances. float32 rounding in transformers itself moves a logit by up to
// 1.6e-5 and a cosine by 1e-6 (rounding in expected.json).
const (
	logitTolerance  = 1e-4
	cosineTolerance = 1e-5
)

// fixture is expected.json of encoder/testdata/parity, computed by transformers.
type fixture struct {
	dir string

	ImageSize       int     `json:"image_size"`
	VisionEps       float64 `json:"vision_eps"`
	VisionHeads     int     `json:"vision_heads"`
	TextHeads       int     `json:"text_heads"`
	MaxTokens       int     `json:"max_tokens"`
	Clean           bool
	Special         map[string]int64
	Pictures        []string
	Pixels          []string
	Texts           []string
	IDs             [][]int64
	Cut             []int
	TextEmbeddings  [][]float32        `json:"text_embeddings"`
	ImageEmbeddings [][]float32        `json:"image_embeddings"`
	Cosines         [][]float64        `json:"cosines"`
	Enc             [][]encoder.Logits `json:"itm_enc"`
	Cls             [][]encoder.Logits `json:"itm_cls"`
	Padded          [][]encoder.Logits `json:"itm_enc_padded"`
	States          []struct {
		Picture string
		Token   int
		Values  []float32
	}
	Mutations map[string]struct{ Logit, Cosine float64 }
}

const parityDir = "../testdata/parity"

// layouts are the checkpoint layouts and how a user converts each.
var layouts = map[string]struct {
	source  string
	options convert.Options
}{
	"hf-safetensors": {source: "."},
	"hf-sparse-bin":  {source: "."},
	"original-pth":   {source: "model.pth", options: convert.Options{Config: "med_config.json", Vocabulary: "vocab.txt", ImageSize: 96}},
}

func readFixture(t testing.TB, layout string) fixture {
	t.Helper()
	f := fixture{dir: filepath.Join(parityDir, layout)}
	data, err := os.ReadFile(filepath.Join(f.dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// convertFixture converts the layout's checkpoint into a folder of the test.
func convertFixture(t testing.TB, layout string) (string, bundle.Manifest) {
	t.Helper()
	return convertAs(t, layout, bundle.FP32)
}

func convertAs(t testing.TB, layout, precision string) (string, bundle.Manifest) {
	t.Helper()
	l, dir := layouts[layout], filepath.Join(parityDir, layout)
	o := l.options
	o.Precision = precision
	if o.Config != "" {
		o.Config, o.Vocabulary = filepath.Join(dir, o.Config), filepath.Join(dir, o.Vocabulary)
	}
	out := filepath.Join(t.TempDir(), "model")
	m, err := convert.Convert(t.Context(), filepath.Join(dir, l.source), out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out, m
}

func openModel(t testing.TB, dir string) *encoder.Model {
	t.Helper()
	m, err := encoder.Open(t.Context(), dir, openRuntime(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// parity is one converted layout with the model's own answers at hand.
type parity struct {
	fixture
	bundle   string
	model    *encoder.Model
	queries  []encoder.Query
	features []encoder.Features // of the pixels that transformers saw
}

func TestParity(t *testing.T) {
	for layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			openRuntime(t) // skip before converting
			p := parity{fixture: readFixture(t, layout)}
			var m bundle.Manifest
			p.bundle, m = convertFixture(t, layout)
			p.model = openModel(t, p.bundle)
			t.Run("manifest", func(t *testing.T) { p.checkManifest(t, m) })
			t.Run("tokens", p.checkTokens)
			t.Run("vision", p.checkVision)
			t.Run("text", p.checkText)
			t.Run("match", p.checkMatch)
			t.Run("forms", p.checkForms)
			t.Run("int8", p.checkInt8)
			t.Run("own pixels", p.checkOwnPixels)
			t.Run("sensitivity", p.checkSensitivity)
		})
	}
}

func (p *parity) checkManifest(t *testing.T, m bundle.Manifest) {
	if m.Vision.Image != p.ImageSize || m.Vision.Eps != p.VisionEps || m.Vision.Heads != p.VisionHeads || m.Text.Heads != p.TextHeads {
		t.Errorf("towers %+v %+v, want image %d, eps %g, heads %d and %d", m.Vision, m.Text, p.ImageSize, p.VisionEps, p.VisionHeads, p.TextHeads)
	}
	k := m.Tokenizer
	if k.MaxTokens != p.MaxTokens || k.Clean != p.Clean || k.Dec != p.Special["dec"] || k.Enc != p.Special["enc"] || k.Cls != p.Special["cls"] {
		t.Errorf("tokenizer %+v, want %d tokens, clean %v, special %v", k, p.MaxTokens, p.Clean, p.Special)
	}
	if err := bundle.Verify(t.Context(), p.bundle, m); err != nil {
		t.Error(err)
	}
}

func (p *parity) checkTokens(t *testing.T) {
	for i, text := range p.Texts {
		q := p.model.Tokenize(text)
		if !slices.Equal(q.IDs, p.IDs[i]) || q.Cut != p.Cut[i] {
			t.Errorf("%q: ids %v cut %d, want %v cut %d", text, q.IDs, q.Cut, p.IDs[i], p.Cut[i])
		}
		p.queries = append(p.queries, encoder.Query{IDs: p.IDs[i]})
	}
}

// pixels reads the pictures as the reference saw them: resized already, so that
// resizing again changes nothing.
func (p *parity) pixels(t *testing.T) []encoder.Pixels {
	t.Helper()
	var batch []encoder.Pixels
	for _, name := range p.Pixels {
		batch = append(batch, readPixels(t, p.model, filepath.Join(p.dir, name)))
	}
	return batch
}

func readPixels(t *testing.T, m *encoder.Model, path string) encoder.Pixels {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	px, err := m.Pixels(data)
	if err != nil {
		t.Fatal(err)
	}
	return px
}

func (p *parity) checkVision(t *testing.T) {
	batch := p.pixels(t)
	features, err := p.model.Images(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	p.features = features
	for i := range batch {
		near(t, "embedding of "+p.Pictures[i], features[i].Embedding, p.ImageEmbeddings[i], cosineTolerance)
		alone, err := p.model.Images(t.Context(), batch[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		near(t, "embedding alone of "+p.Pictures[i], alone[0].Embedding, p.ImageEmbeddings[i], cosineTolerance)
	}
	for _, s := range p.States {
		f := features[slices.Index(p.Pictures, s.Picture)].States
		near(t, "state of "+s.Picture, f.Float[s.Token*f.Width:][:f.Width], s.Values, 1e-4)
	}
}

func (p *parity) checkText(t *testing.T) {
	padded, err := p.model.Texts(t.Context(), p.queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range p.queries {
		near(t, "embedding in a padded batch of "+p.Texts[i], padded[i], p.TextEmbeddings[i], cosineTolerance)
		alone, err := p.model.Texts(t.Context(), []encoder.Query{q})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "embedding alone of "+p.Texts[i], alone[0], p.TextEmbeddings[i], cosineTolerance)
		for j, f := range p.features {
			near(t, "cosine", []float32{dot(alone[0], f.Embedding)}, []float32{float32(p.Cosines[i][j])}, cosineTolerance)
		}
	}
}

func (p *parity) checkMatch(t *testing.T) {
	states := p.states(func(f encoder.Features) encoder.States { return f.States })
	for i, q := range p.queries {
		for first, want := range map[encoder.FirstToken][]encoder.Logits{encoder.FirstEnc: p.Enc[i], encoder.FirstCls: p.Cls[i]} {
			got, err := p.model.MatchFirst(t.Context(), first, q, states)
			if err != nil {
				t.Fatal(err)
			}
			nearLogits(t, string(first)+" "+p.Texts[i], got, want, logitTolerance)
		}
		alone, err := p.model.Match(t.Context(), q, states[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		nearLogits(t, "alone "+p.Texts[i], alone, p.Enc[i][i:i+1], logitTolerance)
	}
}

// checkForms holds the other ways of computing a match to the same values:
// keys and values projected per picture, and one picture with all texts padded
// into one batch.
func (p *parity) checkForms(t *testing.T) {
	projected, err := openRuntime(t).Load(t.Context(), filepath.Join(p.bundle, bundle.GraphMatchProjected.File()))
	if err != nil {
		t.Fatal(err)
	}
	defer projected.Close()
	for i, q := range p.queries {
		got := p.runProjected(t, projected, q)
		nearLogits(t, "projected "+p.Texts[i], got, p.Enc[i], logitTolerance)
	}
	for j, f := range p.features {
		got, err := p.model.MatchTexts(t.Context(), f.States, p.queries)
		if err != nil {
			t.Fatal(err)
		}
		column := make([]encoder.Logits, len(p.queries))
		for i := range column {
			column[i] = p.Padded[i][j]
		}
		nearLogits(t, "texts of "+p.Pictures[j], got, column, logitTolerance)
	}
}

func (p *parity) runProjected(t *testing.T, s encoder.Session, q encoder.Query) []encoder.Logits {
	t.Helper()
	ids := slices.Clone(q.IDs)
	ids[0] = p.Special["enc"]
	f0 := p.features[0].States
	var flat []float32
	for _, f := range p.features {
		flat = append(flat, f.States.Float...)
	}
	out, err := s.Run(t.Context(),
		encoder.Tensor{Name: "ids", Shape: []int64{1, int64(len(ids))}, Data: ids},
		encoder.Tensor{Name: "states", Shape: []int64{int64(len(p.features)), int64(f0.Tokens), int64(f0.Width)}, Data: flat})
	if err != nil {
		t.Fatal(err)
	}
	values, err := out[0].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]encoder.Logits, len(p.features))
	for i := range got {
		got[i] = encoder.Logits{values[2*i], values[2*i+1]}
	}
	return got
}

// checkInt8 bounds what int8 states and int8 attention cost on these models,
// whose weights are drawn to be sensitive: logits spread over 20.
func (p *parity) checkInt8(t *testing.T) {
	states := p.states(func(f encoder.Features) encoder.States { return f.States.Quantize() })
	var worst, sum float64
	for i, q := range p.queries {
		got, err := p.model.Match(t.Context(), q, states)
		if err != nil {
			t.Fatal(err)
		}
		for j := range got {
			d := math.Abs(float64(got[j].Match() - p.Enc[i][j].Match()))
			worst, sum = max(worst, d), sum+d*d
		}
	}
	rms := math.Sqrt(sum / float64(len(p.queries)*len(states)))
	t.Logf("int8 states and attention: match logit differs by %.3f at most, %.3f rms", worst, rms)
	if rms > 0.05 || worst > 0.25 {
		t.Errorf("int8 moves logits by %.3f at most, %.3f rms", worst, rms)
	}
}

// checkOwnPixels reports what our decoding and resizing changes against Pillow's.
func (p *parity) checkOwnPixels(t *testing.T) {
	for j, name := range p.Pictures {
		px := readPixels(t, p.model, filepath.Join(parityDir, "pictures", name))
		f, err := p.model.Images(t.Context(), []encoder.Pixels{px})
		if err != nil {
			t.Fatal(err)
		}
		var cosine, logit float64
		for i, q := range p.queries {
			cosine = max(cosine, math.Abs(float64(dot(p.TextEmbeddings[i], f[0].Embedding))-p.Cosines[i][j]))
			got, err := p.model.Match(t.Context(), q, []encoder.States{f[0].States})
			if err != nil {
				t.Fatal(err)
			}
			logit = max(logit, math.Abs(float64(got[0].Match()-p.Enc[i][j].Match())))
		}
		t.Logf("%-18s our pixels against Pillow's: cosine %.1e, logit %.1e", name, cosine, logit)
		if cosine > 0.02 || logit > 0.3 {
			t.Errorf("%s: our pixels move a cosine by %.1e, a logit by %.1e", name, cosine, logit)
		}
	}
}

// checkSensitivity shows that the tolerances would catch each likely mistake:
// transformers' own logits, computed with the mistake, differ by far more.
func (p *parity) checkSensitivity(t *testing.T) {
	if len(p.Mutations) < 20 {
		t.Fatalf("%d mutations", len(p.Mutations))
	}
	for name, m := range p.Mutations {
		if name == "control_cross_no_key_bias" {
			if m.Logit > logitTolerance {
				t.Errorf("the key bias does not cancel: %g", m.Logit)
			}
			continue
		}
		if m.Logit < 50*logitTolerance {
			t.Errorf("%s moves logits by %g only", name, m.Logit)
		}
	}
}

func (p *parity) states(of func(encoder.Features) encoder.States) []encoder.States {
	var states []encoder.States
	for _, f := range p.features {
		states = append(states, of(f))
	}
	return states
}

func dot(a, b []float32) float32 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return float32(sum)
}

func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= tolerance) {
			t.Errorf("%s: value %d is %g, want %g (off by %.1e)", what, i, got[i], want[i], d)
			return
		}
	}
}

func nearLogits(t *testing.T, what string, got, want []encoder.Logits, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d pairs, want %d", what, len(got), len(want))
	}
	for i := range got {
		near(t, what, got[i][:], want[i][:], tolerance)
	}
}
