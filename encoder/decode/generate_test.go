package decode_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sightline/encoder/decode"
)

func prompts(first ...int64) (all [][]int64) {
	for _, f := range first {
		all = append(all, []int64{f})
	}
	return all
}

// TestSamplingIsReproducible: a seed gives the same ids whoever shares the call, and
// these ids on every platform.
func TestSamplingIsReproducible(t *testing.T) {
	o := options(func(o *decode.Options) { o.Sample, o.TopP, o.Seed, o.Returns = true, 0.9, 11, 3 })
	together, err := decode.Generate(t.Context(), &toy{t: t}, prompts(4, 5, 6), o)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := decode.Generate(t.Context(), &toy{t: t}, prompts(5), o)
	if err != nil {
		t.Fatal(err)
	}
	different := false
	for i, s := range alone[0] {
		if !slices.Equal(s.IDs, together[1][i].IDs) || !slices.Equal(s.LogProbs, together[1][i].LogProbs) {
			t.Errorf("sequence %d is %v alone and %v together", i, s.IDs, together[1][i].IDs)
		}
		different = different || !slices.Equal(s.IDs, alone[0][0].IDs)
	}
	if !different {
		t.Error("three draws gave the same sequence")
	}
	o.Seed++
	other, err := decode.Generate(t.Context(), &toy{t: t}, prompts(5), o)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(other[0][0].IDs, alone[0][0].IDs) {
		t.Error("another seed gave the same sequence")
	}
}

// TestFinishedPicturesCostNothing counts the rows that the decoder reads.
func TestFinishedPicturesCostNothing(t *testing.T) {
	for _, beams := range []int{1, 3} {
		o := options(func(o *decode.Options) { o.Beams, o.MaxLength = beams, 40 })
		sum := 0
		for _, f := range []int64{4, 5, 6, 7} {
			one := &toy{t: t}
			if _, err := decode.Generate(t.Context(), one, prompts(f), o); err != nil {
				t.Fatal(err)
			}
			sum += one.read
		}
		all := &toy{t: t}
		if _, err := decode.Generate(t.Context(), all, prompts(4, 5, 6, 7), o); err != nil {
			t.Fatal(err)
		}
		if all.read != sum || all.most > 4*beams {
			t.Errorf("%d beams: together %d tokens were read, at most %d rows at once; one by one %d tokens", beams, all.read, all.most, sum)
		}
	}
}

func TestUnwantedPicturesAreDropped(t *testing.T) {
	o := options(func(o *decode.Options) { o.MaxLength, o.MinLength = 10, 10 })
	s := &toy{t: t}
	wanted := func(i int) bool { return i != 1 || s.steps < 3 }
	got, err := decode.GenerateWanted(t.Context(), s, prompts(4, 5, 6), o, wanted)
	if err != nil {
		t.Fatal(err)
	}
	if got[1] != nil || len(got[0]) != 1 || len(got[2]) != 1 {
		t.Errorf("sequences %v", got)
	}
	if want := 3*3 + 6*2; s.read != want { // ids 2 to 10 take 9 steps
		t.Errorf("%d tokens were read, want %d", s.read, want)
	}
	s = &toy{t: t}
	if _, err := decode.GenerateWanted(t.Context(), s, prompts(4), o, func(int) bool { return false }); err != nil || s.steps != 0 {
		t.Errorf("nobody wanted it: %d steps, %v", s.steps, err)
	}
}

func TestCancelledBetweenSteps(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &toy{t: t, before: func(step int) error {
		if step == 2 {
			cancel()
		}
		return nil
	}}
	o := options(func(o *decode.Options) { o.MinLength = 10 })
	if _, err := decode.Generate(ctx, s, prompts(4), o); !errors.Is(err, context.Canceled) || s.steps != 3 {
		t.Errorf("after %d steps: %v", s.steps, err)
	}
	s = &toy{t: t, before: func(step int) error {
		if step == 1 {
			return errStop
		}
		return nil
	}}
	if _, err := decode.Generate(t.Context(), s, prompts(4), o); !errors.Is(err, errStop) {
		t.Errorf("the decoder's error is lost: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		edit    func(*decode.Options)
		prompts [][]int64
		want    string
	}{
		"zero options":       {func(o *decode.Options) { *o = decode.Options{} }, prompts(4), "beams are 1 to 64, not 0"},
		"beams":              {func(o *decode.Options) { o.Beams = 65 }, prompts(4), "not 65"},
		"length":             {func(o *decode.Options) { o.MaxLength = 513 }, prompts(4), "2 to 512"},
		"least length":       {func(o *decode.Options) { o.MinLength = 21 }, prompts(4), "0 to the greatest length 20"},
		"temperature":        {func(o *decode.Options) { o.Temperature = 0 }, prompts(4), "temperature"},
		"top k":              {func(o *decode.Options) { o.TopK = -1 }, prompts(4), "top k"},
		"top p":              {func(o *decode.Options) { o.TopP = 1.5 }, prompts(4), "top p"},
		"no number":          {func(o *decode.Options) { o.TopP = math.NaN() }, prompts(4), "top p"},
		"repetition":         {func(o *decode.Options) { o.RepetitionPenalty = -1 }, prompts(4), "repetition"},
		"length penalty":     {func(o *decode.Options) { o.LengthPenalty = math.Inf(1) }, prompts(4), "length penalty"},
		"early stopping":     {func(o *decode.Options) { o.EarlyStopping = "maybe" }, prompts(4), `"never", not "maybe"`},
		"beams and sampling": {func(o *decode.Options) { o.Beams, o.Sample = 2, true }, prompts(4), "choose one"},
		"two greedy":         {func(o *decode.Options) { o.Returns = 2 }, prompts(4), "returns are 1 to 1"},
		"more than beams":    {func(o *decode.Options) { o.Beams, o.Returns = 2, 3 }, prompts(4), "returns are 1 to 2"},
		"several at once":    {func(o *decode.Options) { o.TopK, o.End = -1, -1 }, prompts(4), "end token"},
		"empty prompt":       {nil, [][]int64{{}}, "at least 1"},
		"uneven prompts":     {nil, [][]int64{{1}, {1, 2}}, "same length"},
		"no room":            {func(o *decode.Options) { o.MaxLength = 2 }, [][]int64{{1, 2}}, "shorten the prompt"},
		"end outside":        {func(o *decode.Options) { o.End = words }, prompts(4), "vocabulary"},
		"too many beams":     {func(o *decode.Options) { o.Beams = 24 }, prompts(4), "48 logits for 24 beams"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := decode.Generate(t.Context(), &toy{t: t}, c.prompts, options(c.edit))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestBrokenLogitsAreRefused(t *testing.T) {
	for name, bad := range map[string]float32{"NaN": float32(math.NaN()), "Inf": float32(math.Inf(1))} {
		for _, o := range []decode.Options{
			options(nil), options(func(o *decode.Options) { o.Beams = 2 }), options(func(o *decode.Options) { o.Sample = true }),
		} {
			s := &toy{t: t, logits: func(row []int64) []float32 {
				x := toyLogits(row[0], 0, row[len(row)-1], len(row))
				x[9] = bad
				return x
			}}
			if _, err := decode.Generate(t.Context(), s, prompts(4, 5), o); err == nil || !strings.Contains(err.Error(), "no finite number") {
				t.Errorf("%s, %+v: error %v", name, o, err)
			}
		}
	}
}

// TestAlwaysWithinBounds: whatever the options, sequences begin with the prompt, end
// at the end token or at the greatest length, and not before the least one.
func TestAlwaysWithinBounds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		o := options(func(o *decode.Options) {
			o.MaxLength = rapid.IntRange(4, 30).Draw(r, "max")
			o.MinLength = rapid.IntRange(0, o.MaxLength).Draw(r, "min")
			o.RepetitionPenalty = rapid.Float64Range(0.5, 3).Draw(r, "repetition")
			o.LengthPenalty = rapid.Float64Range(-2, 3).Draw(r, "length")
			o.EarlyStopping = rapid.SampledFrom([]decode.EarlyStopping{decode.EarlyFalse, decode.EarlyTrue, decode.EarlyNever}).Draw(r, "early")
			o.Sample = rapid.Bool().Draw(r, "sample")
			if o.Sample {
				o.TopP, o.TopK = rapid.Float64Range(0.01, 1).Draw(r, "p"), rapid.IntRange(0, 60).Draw(r, "k")
				o.Temperature, o.Seed = rapid.Float64Range(0.01, 50).Draw(r, "temperature"), rapid.Uint64().Draw(r, "seed")
				o.Returns = rapid.IntRange(1, 4).Draw(r, "returns")
			} else {
				o.Beams = rapid.IntRange(1, 8).Draw(r, "beams")
				o.Returns = rapid.IntRange(1, o.Beams).Draw(r, "returns")
			}
		})
		n := rapid.IntRange(1, 3).Draw(r, "prompt")
		all := make([][]int64, rapid.IntRange(1, 4).Draw(r, "pictures"))
		for i := range all {
			all[i] = rapid.SliceOfN(rapid.Int64Range(4, 47), n, n).Draw(r, "ids")
		}
		got, err := decode.Generate(t.Context(), &toy{t: t}, all, o)
		if err != nil {
			r.Fatal(err)
		}
		for i, sequences := range got {
			if len(sequences) != o.Returns {
				r.Errorf("%d sequences, want %d", len(sequences), o.Returns)
			}
			for _, s := range sequences {
				at := slices.Index(s.IDs[n:], end) + n
				ended := at == len(s.IDs)-1 && len(s.IDs) > o.MinLength || at < n && len(s.IDs) == o.MaxLength
				if !slices.Equal(s.IDs[:n], all[i]) || len(s.IDs) > o.MaxLength || !ended {
					r.Errorf("%+v: %v", o, s.IDs)
				}
			}
		}
	})
}
