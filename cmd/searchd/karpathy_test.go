package main

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/cmd/internal/eval"
	"sightline/encoder"
)

// karpathySentence and karpathyImage are what a split file holds.
type karpathySentence struct {
	Raw string `json:"raw"`
}

type karpathyImage struct {
	Folder    string             `json:"filepath"`
	File      string             `json:"filename"`
	Split     string             `json:"split"`
	Sentences []karpathySentence `json:"sentences"`
}

// karpathyFile writes the samples as a data set: n pictures whose titles are
// all different, each with its title, and every second one with its colours
// as well; and one picture of another split, whose file is not there.
func karpathyFile(t *testing.T, n int) (path string, images []karpathyImage) {
	t.Helper()
	f, err := os.Open(filepath.Join(samples, "feed.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan() && len(images) < n; {
		var item struct{ ID, Title, Category, Color, Pattern string }
		if err := json.Unmarshal(lines.Bytes(), &item); err != nil {
			t.Fatal(err)
		}
		short := strings.Join([]string{"a", item.Color, item.Pattern, item.Category}, " ")
		if seen[item.Title] || seen[short] {
			continue
		}
		seen[item.Title], seen[short] = true, true
		img := karpathyImage{"pictures", item.ID + ".png", "test", []karpathySentence{{item.Title}}}
		if len(images)%2 == 1 {
			img.Sentences = append(img.Sentences, karpathySentence{short})
		}
		images = append(images, img)
	}
	data, err := json.Marshal(map[string]any{
		"images":  append([]karpathyImage{{"pictures", "nowhere.png", "train", []karpathySentence{{"x"}}}}, images...),
		"dataset": "flickr30k",
	})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "dataset.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, images
}

// karpathyScores are the cosine and the fused score of every text (row) and
// picture, by the graph that reads one picture with many texts: not the one
// that the command uses.
func karpathyScores(t *testing.T, environ []string, images []karpathyImage) (cosines, scores [][]float64, owner []int) {
	t.Helper()
	m, closeModel, err := cli.OpenModel(t.Context(), cli.Settings{Model: model(t), Device: "cpu"}, environ, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer closeModel()
	var queries []encoder.Query
	for i, img := range images {
		for _, s := range img.Sentences {
			queries, owner = append(queries, m.Tokenize(s.Raw)), append(owner, i)
		}
	}
	texts, err := m.Texts(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	cosines, scores = make([][]float64, len(texts)), make([][]float64, len(texts))
	for _, img := range images {
		data, err := os.ReadFile(filepath.Join(samples, img.Folder, img.File))
		if err != nil {
			t.Fatal(err)
		}
		pixels, err := m.Pixels(data)
		if err != nil {
			t.Fatal(err)
		}
		f, err := m.Images(t.Context(), []encoder.Pixels{pixels})
		if err != nil {
			t.Fatal(err)
		}
		logits, err := m.MatchTexts(t.Context(), f[0].States, queries)
		if err != nil {
			t.Fatal(err)
		}
		for j, e := range texts {
			var cos float64
			for i, v := range e {
				cos += float64(v) * float64(f[0].Embedding[i])
			}
			cosines[j], scores[j] = append(cosines[j], cos), append(scores[j], cos+float64(logits[j].Match()))
		}
	}
	return cosines, scores, owner
}

// recalls are both directions of a whole matrix of scores, text by picture.
func recalls(scores [][]float64, owner []int) eval.Directions {
	var tr, ir []int // how many stand above the first right answer
	for i := range scores[0] {
		best := math.Inf(-1)
		for j, row := range scores {
			if owner[j] == i {
				best = max(best, row[i])
			}
		}
		tr = append(tr, above(scores, func(row []float64) bool { return row[i] > best }))
	}
	for j, row := range scores {
		ir = append(ir, above(row, func(s float64) bool { return s > row[owner[j]] }))
	}
	return eval.Directions{TR: eval.Recall{R1: share(tr, 1), R5: share(tr, 5), R10: share(tr, 10)}, IR: eval.Recall{R1: share(ir, 1), R5: share(ir, 5), R10: share(ir, 10)}}
}

func above[T any](all []T, is func(T) bool) int {
	return len(slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !is(v) }))
}

func share(places []int, first int) float64 {
	return float64(above(places, func(p int) bool { return p < first })) / float64(len(places))
}

func TestKarpathy(t *testing.T) {
	environ := clitest.Environ(t)
	path, images := karpathyFile(t, 60)
	cosines, scores, owner := karpathyScores(t, environ, images)
	args := []string{"eval", "--karpathy", path, "--images", samples, "--model", model(t)}
	out, errs, code := searchd(t, environ, append(args, "--json")...)
	if code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var r eval.KarpathyReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// k is 128, more than there are, so that all pairs were read.
	want := eval.KarpathyReport{
		Dataset: "flickr30k", Split: "test", Model: r.Model, Images: 60, Texts: 90, K: 128, Pairs: 60 * 90, States: "fp32",
		ITC: recalls(cosines, owner), Reranked: recalls(scores, owner),
	}
	if r != want || r.Model == "" {
		t.Errorf("%+v, want\n%+v", r, want)
	}
	if r.Reranked.IR.R1 <= r.ITC.IR.R1 || r.Reranked.TR.R1 < 0.9 {
		t.Errorf("the second look gained nothing: %+v", r)
	}
	out, errs, code = searchd(t, environ, append(args, "--k", "10", "--states", "int8", "--batch", "5")...)
	if code != cli.ExitOK || !strings.Contains(out, "60 pictures, 90 texts; k 10, ") || !strings.Contains(out, "patch states int8") || !strings.Contains(out, "re-ranked") {
		t.Errorf("exit code %d, table:\n%s%s", code, out, errs)
	}
}

func TestKarpathyFaults(t *testing.T) {
	environ := clitest.Environ(t)
	path, _ := karpathyFile(t, 3)
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"--karpathy " + path, cli.ExitUsage, "--images DIR"},
		{"--karpathy nowhere.json --images x", cli.ExitUsage, "nowhere.json"},
		{"--karpathy x --images x --k 9", cli.ExitUsage, "--k 9: use 10 or more"},
		{"--karpathy x --images x --queries y", cli.ExitUsage, "--queries does not go with --karpathy"},
		{"--karpathy x --images x --depths 10", cli.ExitUsage, "--depths does not go with --karpathy"},
		{"--queries x --split val", cli.ExitUsage, "--split does nothing without --karpathy"},
		{"--karpathy " + path + " --images x --split tset", cli.ExitFailed, "the file has: test, train"},
		{"--karpathy " + path + " --images " + t.TempDir() + " --model " + model(t), cli.ExitFailed, "picture pictures/p0000.png: it is not in "},
	} {
		if _, errs, code := searchd(t, environ, append([]string{"eval"}, strings.Fields(test.args)...)...); code != test.code || !strings.Contains(errs, test.want) {
			t.Errorf("%s: exit code %d, %s", test.args, code, errs)
		}
	}
}
