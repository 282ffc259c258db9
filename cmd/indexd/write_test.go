package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

const decoders = "../../encoder/testdata/decoder"

// wroteReference is what transformers' generate writes.
type wroteReference struct {
	Pictures  []string
	Questions []string
	Generate  []struct {
		Name      string
		Questions []int
		IDs       [][]int64
	}
}

// converted makes a model folder of a checkpoint and reads what is known of it.
func converted(t *testing.T, layout string) (dir string, ref wroteReference) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "model")
	indexd(t, nil, "model", "convert", filepath.Join(decoders, layout), "--out", dir).ok(t)
	data, err := os.ReadFile(filepath.Join(decoders, layout, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	for i, name := range ref.Pictures {
		ref.Pictures[i] = filepath.Join(decoders, name)
	}
	return dir, ref
}

func (r wroteReference) ids(t *testing.T, name string) [][]int64 {
	t.Helper()
	for _, g := range r.Generate {
		if g.Name == name {
			return g.IDs
		}
	}
	t.Fatalf("no search %q", name)
	return nil
}

// lines reads one JSON object a line.
func (r result) lines(t *testing.T) (all []written) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.out))
	for d.More() {
		var w written
		if err := d.Decode(&w); err != nil {
			t.Fatalf("output is not JSON: %v\n%s", err, r.out)
		}
		all = append(all, w)
	}
	return all
}

func TestCaption(t *testing.T) {
	environ := clitest.Environ(t)
	model, ref := converted(t, "cg-tied")
	caption := func(args ...string) result {
		return indexd(t, environ, append([]string{"model", "caption", "--model", model}, args...)...)
	}
	folder := filepath.Dir(ref.Pictures[0])
	for name, args := range map[string][]string{
		"greedy":                       {"--beams", "1", "--max-length", "20"},
		"beam":                         {"--beams", "3", "--max-length", "20"},
		"beam, prompt, as BLIP":        {"--beams", "3", "--max-length", "20", "--min-length", "5", "--prompt", "a picture of "},
		"beam of five, length penalty": {"--beams", "5", "--length-penalty", "2", "--max-length", "12"},
		"beam, early stopping":         {"--beams", "4", "--early-stopping", "true", "--max-length", "20"},
	} {
		got := caption(append(args, "--image", folder, "--json")...).ok(t).lines(t)
		want := ref.ids(t, name)
		if len(got) != len(want) {
			t.Fatalf("%s: %d captions, want %d", name, len(got), len(want))
		}
		for i, w := range got {
			if !slices.Equal(w.IDs, want[i]) || w.Image != ref.Pictures[i] {
				t.Errorf("%s, %s: %v, want %v", name, w.Image, w.IDs, want[i])
			}
		}
	}
	var one map[string]any
	caption("--image", ref.Pictures[0], "--json").ok(t).unmarshal(t, &one)
	if text, _ := one["text"].(string); len(one) != 2 || one["ids"] == nil || caption("--image", ref.Pictures[0]).ok(t).out != text+"\n" {
		t.Errorf("one caption: %v", one)
	}
	a, b := caption("--image", folder, "--top-p", "0.9", "--seed", "3").ok(t).out, caption("--image", folder, "--seed", "3", "--top-p", "0.9").ok(t).out
	if a != b || a == caption("--image", folder, "--top-p", "0.9", "--seed", "4").ok(t).out {
		t.Error("a seed does not say what is sampled")
	}
}

func TestAnswer(t *testing.T) {
	environ := clitest.Environ(t)
	model, ref := converted(t, "vqa")
	answers := filepath.Join(t.TempDir(), "answers.txt")
	writeFile(t, answers, []byte("a dog\n\nthe sea\nyes\n"))
	ask := func(args ...string) result {
		return indexd(t, environ, append([]string{"model", "answer", "--model", model, "--image", ref.Pictures[0], "--question", ref.Questions[0]}, args...)...)
	}
	free := ask("--json", "--beams", "1", "--max-length", "20", "--first-token", "cls").ok(t).lines(t)
	if want := ref.ids(t, "greedy")[0]; len(free) != 1 || free[0].Image != "" || !slices.Equal(free[0].IDs, want) {
		t.Errorf("answer %+v, want %v", free, want)
	}
	ranked := ask("--json", "--answers", answers, "--rank", "2").ok(t).lines(t)
	if len(ranked) != 1 || len(ranked[0].Ranked) != 2 || ranked[0].Ranked[0].Text != ranked[0].Text || ranked[0].Ranked[0].Score < ranked[0].Ranked[1].Score {
		t.Errorf("ranked %+v", ranked)
	}
	if text := ask("--answers", answers).ok(t).out; text != ranked[0].Text+"\n" {
		t.Errorf("ranked text %q, want %q", text, ranked[0].Text)
	}
}

func TestWriteErrors(t *testing.T) {
	environ := clitest.Environ(t)
	captioner, ref := converted(t, "cg-tied")
	retrieval := sampleModel(t)
	picture, empty := ref.Pictures[0], t.TempDir()
	blank := filepath.Join(empty, "blank.txt")
	writeFile(t, blank, []byte("\n"))
	cases := map[string]struct {
		args []string
		code int
		want []string
	}{
		"no picture":        {[]string{"caption", "--model", captioner}, cli.ExitUsage, []string{"--image"}},
		"no such picture":   {[]string{"caption", "--model", captioner, "--image", "absent.jpg"}, cli.ExitFailed, []string{"absent.jpg"}},
		"empty folder":      {[]string{"caption", "--model", captioner, "--image", empty}, cli.ExitFailed, []string{empty, ".jpg"}},
		"retrieval model":   {[]string{"caption", "--model", retrieval, "--image", picture}, cli.ExitFailed, []string{"is for retrieval", "BlipForConditionalGeneration"}},
		"captioner asked":   {[]string{"answer", "--model", captioner, "--image", picture, "--question", "x"}, cli.ExitFailed, []string{"is for captioning", "blip-vqa"}},
		"no question":       {[]string{"answer", "--model", captioner, "--image", picture}, cli.ExitUsage, []string{"--question"}},
		"no answers":        {[]string{"answer", "--model", captioner, "--image", picture, "--question", "x", "--answers", blank}, cli.ExitFailed, []string{"no answer in it"}},
		"too many beams":    {[]string{"caption", "--model", captioner, "--image", picture, "--beams", "99"}, cli.ExitUsage, []string{"beams are 1 to 64"}},
		"beams and samples": {[]string{"caption", "--model", captioner, "--image", picture, "--beams", "3", "--top-p", "0.9"}, cli.ExitUsage, []string{"choose one"}},
		"too long":          {[]string{"caption", "--model", captioner, "--image", picture, "--max-length", "100"}, cli.ExitFailed, []string{"has 32 positions"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			indexd(t, environ, append([]string{"model"}, c.args...)...).want(t, c.code, c.want...)
		})
	}
}
