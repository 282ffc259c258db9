package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder"
)

// reference is what transformers says of the parity pictures and texts.
type reference struct {
	Pixels  []string
	Texts   []string
	IDs     [][]int64
	Special map[string]int64
	Cosines [][]float64
	Enc     [][]encoder.Logits `json:"itm_enc"`
	Cls     [][]encoder.Logits `json:"itm_cls"`
}

// scoreTolerance is above what float32 rounding does to these models' logits
// (1.6e-5 in transformers itself) and far below any mistake.
const scoreTolerance = 1e-4

// scoring is a converted parity model, and its pictures in a folder of the test.
type scoring struct {
	environ []string
	model   string
	dir     string
	ref     reference
}

func newScoring(t *testing.T) scoring {
	t.Helper()
	s := scoring{environ: clitest.Environ(t), dir: t.TempDir()}
	s.model = filepath.Join(s.dir, "model")
	src := filepath.Join(parity, "hf-safetensors")
	indexd(t, nil, "model", "convert", src, "--out", s.model).ok(t)
	data, err := os.ReadFile(filepath.Join(src, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &s.ref); err != nil {
		t.Fatal(err)
	}
	for _, name := range s.ref.Pixels {
		copyFile(t, filepath.Join(src, name), filepath.Join(s.dir, name))
	}
	return s
}

func (s scoring) score(t *testing.T, args ...string) result {
	t.Helper()
	return indexd(t, s.environ, append([]string{"model", "score", "--model", s.model}, args...)...)
}

// check holds one line of output to the reference of text i and picture j.
func (s scoring) check(t *testing.T, got pairScore, first encoder.FirstToken, i, j int) {
	t.Helper()
	want, id := s.ref.Enc[i][j], s.ref.Special["enc"]
	if first == encoder.FirstCls {
		want, id = s.ref.Cls[i][j], s.ref.Special["cls"]
	}
	ids := append([]int64{id}, s.ref.IDs[i][1:]...)
	if fmt.Sprint(got.IDs) != fmt.Sprint(ids) {
		t.Errorf("text %d: ids %v, want %v", i, got.IDs, ids)
	}
	if d := math.Abs(got.ITC - s.ref.Cosines[i][j]); !(d <= scoreTolerance) {
		t.Errorf("text %d, picture %d: itc %g, want %g", i, j, got.ITC, s.ref.Cosines[i][j])
	}
	for k := range want {
		if d := math.Abs(float64(got.Logits[k] - want[k])); !(d <= scoreTolerance) {
			t.Errorf("text %d, picture %d, %s: logits %v, want %v", i, j, first, got.Logits, want)
		}
	}
	if d := math.Abs(got.Probability - want.Probability()); !(d <= scoreTolerance) {
		t.Errorf("text %d, picture %d, %s: probability %g, want %g", i, j, first, got.Probability, want.Probability())
	}
}

func TestScoreOne(t *testing.T) {
	s := newScoring(t)
	picture := filepath.Join(s.dir, s.ref.Pixels[0])
	logits := map[string]pairScore{}
	for _, first := range []string{"", "enc", "cls"} {
		var got pairScore
		s.score(t, "--image", picture, "--text", s.ref.Texts[0], "--first-token", first, "--json").ok(t).unmarshal(t, &got)
		token := encoder.FirstToken(first)
		if first == "" {
			token = encoder.FirstEnc // the manifest's
		}
		s.check(t, got, token, 0, 0)
		logits[first] = got
	}
	if a, b := logits["enc"].Logits.Match(), logits["cls"].Logits.Match(); math.Abs(float64(a-b)) < 0.1 {
		t.Errorf("[ENC] and [CLS] give %g and %g", a, b)
	}
	r := s.score(t, "--image", picture, "--text", s.ref.Texts[0]).ok(t)
	want := fmt.Sprintf("itc %.4f   itm logits %.4f %.4f", logits["enc"].ITC, logits["enc"].Logits[0], logits["enc"].Logits[1])
	if !strings.HasPrefix(r.out, want) {
		t.Errorf("got %q, want %q", r.out, want)
	}
}

// TestScorePairs scores every text with every picture, by paths relative to
// the file of pairs, with blank lines between.
func TestScorePairs(t *testing.T) {
	s := newScoring(t)
	var lines strings.Builder
	type key struct {
		first encoder.FirstToken
		i, j  int
	}
	var keys []key
	for j, picture := range s.ref.Pixels {
		for i, text := range s.ref.Texts {
			first := []encoder.FirstToken{encoder.FirstEnc, encoder.FirstCls}[(i+j)%2]
			line, err := json.Marshal(map[string]string{"image": picture, "text": text, "first_token": string(first)})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&lines, "%s\n \r\n", line)
			keys = append(keys, key{first, i, j})
		}
	}
	pairs := filepath.Join(s.dir, "pairs.jsonl")
	writeFile(t, pairs, []byte(lines.String()))
	out := bufio.NewScanner(strings.NewReader(s.score(t, "--pairs", pairs, "--json").ok(t).out))
	n := 0
	for ; out.Scan(); n++ {
		var got pairScore
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || n >= len(keys) {
			t.Fatalf("line %d %q: %v", n, out.Text(), err)
		}
		s.check(t, got, keys[n].first, keys[n].i, keys[n].j)
	}
	if n != len(keys) {
		t.Errorf("%d lines for %d pairs", n, len(keys))
	}
}

func TestScoreErrors(t *testing.T) {
	s := newScoring(t)
	writeFile(t, filepath.Join(s.dir, "text.png"), []byte("not a picture"))
	good := fmt.Sprintf(`{"image":%q,"text":"a shoe"}`, s.ref.Pixels[0]) + "\n"
	cases := map[string]struct {
		line string
		code int
		want string
	}{
		"not JSON":        {"image, text", cli.ExitFailed, "invalid character"},
		"another type":    {`{"image":"x.png","text":7}`, cli.ExitFailed, "text"},
		"no image":        {`{"text":"a shoe"}`, cli.ExitUsage, `needs an "image" and a "text"`},
		"misspelt text":   {`{"image":"x.png","txt":"a shoe"}`, cli.ExitUsage, `needs an "image" and a "text"`},
		"odd first token": {`{"image":"x.png","text":"a shoe","first_token":"dec"}`, cli.ExitUsage, `"dec": use enc or cls`},
		"no such file":    {`{"image":"absent.png","text":"a shoe"}`, cli.ExitFailed, filepath.Join(s.dir, "absent.png")},
		"no picture":      {`{"image":"text.png","text":"a shoe"}`, cli.ExitFailed, "text.png"},
		"too long":        {`{"image":"x.png","text":"` + strings.Repeat("a", maxPairLine) + `"}`, cli.ExitFailed, "too long"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pairs := filepath.Join(s.dir, "pairs.jsonl")
			writeFile(t, pairs, []byte("\n"+good+c.line+"\n"))
			r := s.score(t, "--pairs", pairs, "--json")
			r.want(t, c.code, "pairs.jsonl line 3: ", c.want)
			if strings.Count(r.out, "\n") != 1 {
				t.Errorf("the good line before it should be scored: %q", r.out)
			}
		})
	}
	s.score(t, "--pairs", "absent.jsonl").want(t, cli.ExitFailed, "absent.jsonl")
	s.score(t, "--image", filepath.Join(s.dir, s.ref.Pixels[0]), "--text", "x", "--first-token", "sep").want(t, cli.ExitUsage, `"sep": use enc or cls`)
}

// TestScoreSaysWhatWasCut: a text beyond the model's length is scored, with a warning.
func TestScoreSaysWhatWasCut(t *testing.T) {
	s := newScoring(t)
	r := s.score(t, "--image", filepath.Join(s.dir, s.ref.Pixels[0]), "--text", strings.Repeat("dog ", 40)).ok(t)
	if !strings.Contains(r.errs, "text is longer than the model reads") || !strings.Contains(r.errs, "dropped=7") {
		t.Errorf("log %q", r.errs)
	}
}
