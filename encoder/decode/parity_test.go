package decode_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sightline/encoder/decode"
)

// reference is a call of transformers' generate.
type reference struct {
	Transformers string // of the first line
	Options      struct {
		Beams   int             `json:"num_beams"`
		Max     int             `json:"max_length"`
		Min     int             `json:"min_length"`
		Penalty float64         `json:"repetition_penalty"`
		Length  *float64        `json:"length_penalty"`
		Early   json.RawMessage `json:"early_stopping"`
		Returns int             `json:"num_return_sequences"`
	}
	Prompts   [][]int64
	Sequences [][][]int64
	Scores    [][]float64
}

func (r reference) options(t *testing.T) decode.Options {
	t.Helper()
	return options(func(o *decode.Options) {
		o.Beams, o.MaxLength, o.MinLength, o.Returns = max(r.Options.Beams, 1), r.Options.Max, r.Options.Min, max(r.Options.Returns, 1)
		if r.Options.Penalty != 0 {
			o.RepetitionPenalty = r.Options.Penalty
		}
		if r.Options.Length != nil {
			o.LengthPenalty = *r.Options.Length
		}
		if len(r.Options.Early) > 0 {
			early, ok := map[string]decode.EarlyStopping{`false`: decode.EarlyFalse, `true`: decode.EarlyTrue, `"never"`: decode.EarlyNever}[string(r.Options.Early)]
			if !ok {
				t.Fatalf("early stopping %s", r.Options.Early)
			}
			o.EarlyStopping = early
		}
	})
}

func readLines[T any](t *testing.T, name string) (all []T) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s line %d: %v", name, len(all)+1, err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLikeTransformers holds greedy and beam search to transformers' generate,
// token for token, with prompts of one call together and alone.
func TestLikeTransformers(t *testing.T) {
	cases := readLines[reference](t, "cases.jsonl")
	t.Logf("%d calls of transformers %s", len(cases)-1, cases[0].Transformers)
	if len(cases) < 200 {
		t.Errorf("only %d cases", len(cases))
	}
	for i, c := range cases[1:] {
		o := c.options(t)
		got, err := decode.Generate(t.Context(), &toy{t: t}, c.Prompts, o)
		if err != nil {
			t.Fatalf("case %d, %+v: %v", i, o, err)
		}
		for p := range c.Prompts {
			sameSequences(t, fmt.Sprintf("case %d, prompt %v, %+v", i, c.Prompts[p], o), got[p], c, p)
			alone, err := decode.Generate(t.Context(), &toy{t: t}, c.Prompts[p:p+1], o)
			if err != nil {
				t.Fatal(err)
			}
			sameSequences(t, fmt.Sprintf("case %d, prompt %v alone, %+v", i, c.Prompts[p], o), alone[0], c, p)
		}
	}
}

func sameSequences(t *testing.T, what string, got []decode.Sequence, c reference, p int) {
	t.Helper()
	if len(got) != len(c.Sequences[p]) {
		t.Errorf("%s: %d sequences, want %d", what, len(got), len(c.Sequences[p]))
		return
	}
	for i, s := range got {
		if !slices.Equal(s.IDs, c.Sequences[p][i]) {
			t.Errorf("%s: sequence %d\n%v, want\n%v", what, i, s.IDs, c.Sequences[p][i])
		}
		if len(c.Scores) > 0 && math.Abs(s.Score-c.Scores[p][i]) > 2e-5*max(1, math.Abs(s.Score)) {
			t.Errorf("%s: sequence %d has score %v, want %v", what, i, s.Score, c.Scores[p][i])
		}
		if want := len(s.IDs) - len(c.Prompts[p]); len(s.LogProbs) != want {
			t.Errorf("%s: %d log-probabilities for %d ids", what, len(s.LogProbs), want)
		}
	}
}

// TestLogProbs are the model's own, whatever penalties chose the ids.
func TestLogProbs(t *testing.T) {
	for _, beams := range []int{1, 3} {
		o := options(func(o *decode.Options) { o.Beams, o.RepetitionPenalty, o.MinLength = beams, 1.6, 9 })
		got, err := decode.Generate(t.Context(), &toy{t: t}, [][]int64{{9, 5}}, o)
		if err != nil {
			t.Fatal(err)
		}
		s := got[0][0]
		for i, p := range s.LogProbs {
			at := i + 2
			x := toyLogits(s.IDs[0], s.IDs[at-2], s.IDs[at-1], at)
			sum := 0.0
			for _, v := range x {
				sum += math.Exp(float64(v))
			}
			if want := float64(x[s.IDs[at]]) - math.Log(sum); math.Abs(want-float64(p)) > 1e-5 {
				t.Errorf("%d beams: token %d has %v, want %v", beams, at, p, want)
			}
		}
	}
}
