//go:build cgo && !windows

package ort_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/ort"
)

// TestKernelTowers holds the vision tower of int8 bundles, and the match of one picture
// with many texts, on our operators and on all instructions that this processor has,
// to transformers and to the plain graphs. Text embeddings are of one graph.
func TestKernelTowers(t *testing.T) {
	for layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			runtimeAt(t, "", 1) // skip before converting
			p := parity{fixture: readFixture(t, layout)}
			p.bundle, _ = convertAs(t, layout, bundle.INT8)
			p.model = modelAt(t, p.bundle, "", 2)
			p.checkTokens(t)
			plain := p.answers(t)
			levels := ort.Instructions()
			if layout != "hf-safetensors" { // one is enough for the slower ones
				levels = levels[len(levels)-1:]
			}
			for _, instructions := range levels {
				p.model = modelAt(t, p.bundle, instructions, 2)
				own := p.answers(t)
				own.near(t, instructions+", plain graphs", plain)
				var cosines, texts drift
				for i := range p.queries {
					for j := range p.Pictures {
						cosines.add(dot(own.texts[i], own.features[j].Embedding), float32(p.Cosines[i][j]))
						texts.add(own.logits[j][i].Match(), p.Padded[i][j].Match())
					}
				}
				cosines.check(t, instructions+", cosine", int8Cosine/3, int8Cosine)
				texts.check(t, instructions+", match of texts", int8Logit/3, int8Logit)
			}
		})
	}
}

// answers are a model's own of all pictures and texts.
type answers struct {
	features []encoder.Features
	texts    [][]float32
	logits   [][]encoder.Logits // of each picture with all texts
}

func (p *parity) answers(t *testing.T) answers {
	t.Helper()
	features, err := p.model.Images(t.Context(), p.pixels(t))
	if err != nil {
		t.Fatal(err)
	}
	a := answers{features: features}
	if a.texts, err = p.model.Texts(t.Context(), p.queries); err != nil {
		t.Fatal(err)
	}
	for _, f := range features {
		logits, err := p.model.MatchTexts(t.Context(), f.States, p.queries)
		if err != nil {
			t.Fatal(err)
		}
		a.logits = append(a.logits, logits)
	}
	return a
}

// near allows what one more rounding to int8 does.
func (a answers) near(t *testing.T, what string, b answers) {
	t.Helper()
	var images, states, texts drift
	for i := range a.features {
		for j, v := range a.features[i].Embedding {
			images.add(v, b.features[i].Embedding[j])
		}
		for j, v := range a.features[i].States.Float {
			states.add(v, b.features[i].States.Float[j])
		}
	}
	for i := range a.texts {
		for j, v := range a.texts[i] {
			texts.add(v, b.texts[i][j])
		}
	}
	images.check(t, what+", picture embedding", int8Cosine/3, int8Cosine)
	states.check(t, what+", states", 0.05, 0.5)
	texts.check(t, what+", text embedding", int8Cosine/3, int8Cosine)
}

// TestKernelTowersAlone: pictures and texts have the same bits alone, beside others
// and on any number of threads.
func TestKernelTowersAlone(t *testing.T) {
	runtimeAt(t, "", 1)
	dir, _ := convertAs(t, "hf-safetensors", bundle.INT8)
	for _, instructions := range ort.Instructions() {
		t.Run(instructions, func(t *testing.T) {
			models := []*encoder.Model{modelAt(t, dir, instructions, 1), modelAt(t, dir, instructions, 3)}
			p := parity{fixture: readFixture(t, "hf-safetensors"), model: models[0]}
			p.checkTokens(t)
			want := p.answers(t)
			for threads, m := range models {
				p.model = m
				together := p.answers(t)
				pixels := p.pixels(t)
				for i := range pixels {
					alone, err := m.Images(t.Context(), pixels[i:i+1])
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range []encoder.Features{alone[0], together.features[i]} {
						if !slices.Equal(f.States.Float, want.features[i].States.Float) || !slices.Equal(f.Embedding, want.features[i].Embedding) {
							t.Errorf("picture %d differs alone, or with runtime %d", i, threads)
						}
					}
				}
				for i, q := range p.queries {
					alone, err := m.Texts(t.Context(), []encoder.Query{q})
					if err != nil {
						t.Fatal(err)
					}
					near(t, fmt.Sprintf("text %d with runtime %d", i, threads), alone[0], want.texts[i], 1e-6)
					near(t, fmt.Sprintf("text %d beside others, runtime %d", i, threads), together.texts[i], want.texts[i], 1e-6)
				}
			}
		})
	}
}

// viewed is pictures of random queries, keys and values, [pictures*tokens,3*width].
// Keys have a part in common, as those of vision towers do.
type viewed struct {
	pictures, tokens, heads int
	rows                    []float32
}

func randomView(pictures, tokens, heads int) viewed {
	r := rand.New(rand.NewPCG(uint64(tokens), uint64(heads)))
	v := viewed{pictures: pictures, tokens: tokens, heads: heads}
	d := heads * 64
	for range pictures * tokens {
		for part := range 3 {
			for c := range d {
				x := 2 * r.NormFloat64()
				if part == 1 && c%7 == 0 {
					x += 30
				}
				v.rows = append(v.rows, float32(x))
			}
		}
	}
	return v
}

// exact is the attention in float64.
func (v viewed) exact() []float32 {
	d := v.heads * 64
	out := make([]float32, v.pictures*v.tokens*d)
	at := func(row, part, c int) float64 { return float64(v.rows[row*3*d+part*d+c]) }
	p := make([]float64, v.tokens)
	for row := range v.pictures * v.tokens {
		first := row / v.tokens * v.tokens
		for h := range v.heads {
			high, sum := math.Inf(-1), 0.0
			for t := range p {
				p[t] = 0
				for c := h * 64; c < h*64+64; c++ {
					p[t] += at(row, 0, c) * at(first+t, 1, c) / 8
				}
				high = max(high, p[t])
			}
			for t := range p {
				p[t] = math.Exp(p[t] - high)
				sum += p[t]
			}
			for c := h * 64; c < h*64+64; c++ {
				x := 0.0
				for t := range p {
					x += p[t] * at(first+t, 2, c)
				}
				out[row*d+c] = float32(x / sum)
			}
		}
	}
	return out
}

func (v viewed) operator() operatorTest {
	x := floats("x", int64(v.pictures*v.tokens), int64(3*64*v.heads))
	return operatorTest{op: "PictureAttention", inputs: []operand{x}, ints: map[string]int64{"tokens": int64(v.tokens)}}
}

func (v viewed) run(t *testing.T, rt encoder.Runtime) []float32 {
	t.Helper()
	o := v.operator()
	s, err := rt.Load(t.Context(), o.graph(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := o.inputs[0].tensor()
	in.Data = v.rows
	out, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	values, err := out[0].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// TestPictureAttention: all levels against float64, at numbers of tokens around the
// sizes of their tiles. The scores of these queries spread over 60, so that the
// rounding of a key to bfloat16 shows.
func TestPictureAttention(t *testing.T) {
	limits := map[string]float64{"amx": 0.15}
	for _, instructions := range ort.Instructions() {
		limit := limits[instructions]
		if limit == 0 {
			limit = 2e-4
		}
		for _, threads := range []int{1, 5} {
			rt := runtimeAt(t, instructions, threads)
			for _, tokens := range []int{1, 2, 15, 16, 17, 31, 32, 33, 48, 49, 65, 145} {
				v := randomView(2, tokens, 1+tokens%3)
				var off drift
				got, want := v.run(t, rt), v.exact()
				for i := range got {
					off.add(got[i], want[i])
				}
				off.check(t, fmt.Sprintf("%s, %d threads, %d tokens", instructions, threads, tokens), limit/10, limit)
			}
		}
	}
}

// TestPictureAttentionNaN: what is not a number stays in its picture, and is not
// lost there.
func TestPictureAttentionNaN(t *testing.T) {
	for _, instructions := range ort.Instructions() {
		rt := runtimeAt(t, instructions, 1)
		for part := range 3 {
			v := randomView(2, 40, 1)
			v.rows[50*192+part*64+5] = float32(math.NaN())
			d, odd := 64, 0
			for i, x := range v.run(t, rt) {
				if x != x {
					odd++
					if i < 40*d {
						t.Fatalf("%s: NaN in the other picture", instructions)
					}
				}
			}
			if want := []int{d, 40 * d, 40}[part]; odd != want {
				t.Errorf("%s: %d values are not numbers, want %d", instructions, odd, want)
			}
		}
	}
}
