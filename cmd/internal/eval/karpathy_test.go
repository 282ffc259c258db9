package eval

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
)

// bruteForce is train_retrieval.py to the letter, with whole matrices: pairs
// that are not read stay at -100.
func bruteForce(f *fake, owner []int, k int) (itc, reranked Directions, pairs int) {
	read := map[[2]int]bool{}
	rank := func(queries, all [][]float32, pair func(q, a int) [2]int) (cosines, scores [][]float64) {
		for q, e := range queries {
			cos, row := make([]float64, len(all)), make([]float64, len(all))
			for a := range all {
				for i := range e {
					cos[a] += float64(e[i]) * float64(all[a][i])
				}
				row[a] = -100
			}
			for _, a := range descending(cos)[:min(k, len(all))] {
				p := pair(q, a)
				read[p] = true
				row[a] = float64(f.logits[p[0]][p[1]]) + cos[a]
			}
			cosines, scores = append(cosines, cos), append(scores, row)
		}
		return cosines, scores
	}
	i2t, i2tScores := rank(f.pictures, f.texts, func(q, a int) [2]int { return [2]int{a, q} })
	t2i, t2iScores := rank(f.texts, f.pictures, func(q, a int) [2]int { return [2]int{q, a} })
	both := func(i2t, t2i [][]float64) Directions {
		return Directions{
			TR: bruteRecall(i2t, func(q, a int) bool { return owner[a] == q }),
			IR: bruteRecall(t2i, func(q, a int) bool { return owner[q] == a }),
		}
	}
	return both(i2t, t2i), both(i2tScores, t2iScores), len(read)
}

func descending(scores []float64) []int {
	places := make([]int, len(scores))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int {
		if scores[a] > scores[b] {
			return -1
		}
		return 1
	})
	return places
}

func bruteRecall(scores [][]float64, right func(query, answer int) bool) Recall {
	within := func(first int) float64 {
		n := 0.0
		for q, row := range scores {
			if slices.ContainsFunc(descending(row)[:first], func(a int) bool { return right(q, a) }) {
				n++
			}
		}
		return n / float64(len(scores))
	}
	return Recall{R1: within(1), R5: within(5), R10: within(10)}
}

func TestKarpathyEqualsBruteForce(t *testing.T) {
	d, owner, dir := dataset(t, 60)
	for _, test := range []struct {
		k      int
		states string
		want   string
	}{{10, "", "fp32"}, {25, "int8", "int8"}, {500, "fp32", "fp32"}} {
		f := newFake(len(d.Images), owner)
		r, err := RunKarpathy(t.Context(), f, d, KarpathyOptions{Dir: dir, K: test.k, Batch: f.batch, States: test.states})
		if err != nil {
			t.Fatal(err)
		}
		itc, reranked, pairs := bruteForce(f, owner, test.k)
		want := KarpathyReport{
			Dataset: "flickr30k", Split: "test", Model: "fake", Images: 60, Texts: len(owner), K: test.k,
			Pairs: pairs, States: test.want, ITC: itc, Reranked: reranked,
		}
		if r != want {
			t.Errorf("k %d:\n%+v, want\n%+v", test.k, r, want)
		}
		if r.ITC.IR.R1 == 0 || r.ITC.TR.R10 == 1 || r.Reranked.IR == r.ITC.IR || r.Reranked.TR.R1 == r.Reranked.TR.R5 {
			t.Errorf("k %d: figures that tell nothing apart: %+v", test.k, r)
		}
		if len(f.read) != pairs || !f.kinds[test.want == "fp32"] || len(f.kinds) != 1 {
			t.Errorf("k %d: %d pairs read, want %d; kinds of states %v", test.k, len(f.read), pairs, f.kinds)
		}
		for pair, n := range f.read {
			if n != 1 {
				t.Errorf("k %d: pair %v was read %d times", test.k, pair, n)
			}
		}
	}
}

func TestKarpathyDefaults(t *testing.T) {
	for name, k := range map[string]int{"coco": 256, "flickr30k": 128, "": 128} {
		if o := (KarpathyOptions{}).withDefaults(name); o.K != k || o.Batch != 16 {
			t.Errorf("%q: %+v, want k %d", name, o, k)
		}
	}
	if o := (KarpathyOptions{K: 20}).withDefaults("coco"); o.K != 20 {
		t.Errorf("k %d, want 20", o.K)
	}
	picture := encoder.States{Float: make([]float32, 1<<20)}
	for photos, want := range map[int]bool{1024: true, 1025: false} {
		if p := (&protocol{photos: make([]photo, photos)}); p.exact(picture) != want {
			t.Errorf("%d pictures of 4 MiB are kept as %s", photos, p.report.States)
		}
	}
}

func TestKarpathyEqualScores(t *testing.T) {
	ranking := []scored{{3, 1}, {1, 2}, {2, 1}, {0, 1}}
	order(ranking)
	if want := []scored{{1, 2}, {0, 1}, {2, 1}, {3, 1}}; !slices.Equal(ranking, want) {
		t.Errorf("%v, want %v", ranking, want)
	}
	if got := recall([]int{0, 4, 5, 9, 10, -1, 0, 0}); got != (Recall{0.375, 0.5, 0.75}) || recall(nil) != (Recall{}) {
		t.Errorf("recall %+v", got)
	}
}

func TestKarpathyProgress(t *testing.T) {
	d, owner, dir := dataset(t, 20)
	f := newFake(len(d.Images), owner)
	last := map[string]int{}
	totals := map[string]int{"pictures encoded": 20, "texts encoded": len(owner), "pictures compared": 20, "texts matched": len(owner)}
	o := KarpathyOptions{Dir: dir, Batch: 6, Progress: func(stage string, done, total int) {
		if done <= last[stage] || total != totals[stage] {
			t.Errorf("%s: %d of %d after %d", stage, done, total, last[stage])
		}
		last[stage] = done
	}}
	r, err := RunKarpathy(t.Context(), f, d, o)
	if err != nil {
		t.Fatal(err)
	}
	for stage, total := range totals {
		if last[stage] != total {
			t.Errorf("%s: %d of %d at the end", stage, last[stage], total)
		}
	}
	var out strings.Builder
	want := fmt.Sprintf("%.1f  %.1f", 100*r.Reranked.TR.R1, 100*r.Reranked.TR.R5)
	if err := r.Print(&out); err != nil || !strings.Contains(out.String(), "20 pictures, 39 texts; k 128") || !strings.Contains(out.String(), want) {
		t.Errorf("%v:\n%s", err, out.String())
	}
	// The caller may leave in each stage.
	for stage := range totals {
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(at string, _, _ int) {
			if at == stage {
				cancel()
			}
		}
		if _, err := RunKarpathy(ctx, f, d, o); !errors.Is(err, context.Canceled) {
			t.Errorf("left at %q: error %v", stage, err)
		}
	}
}

func TestKarpathyFaults(t *testing.T) {
	broken := errors.New("broken")
	for want, fault := range map[string]fakeFault{
		"encode pictures from some/0.jpg on: broken":               {err: broken},
		"some/0.jpg on: the model answered for another number":     {images: true},
		`texts from "0" on: the model answered for another number`: {texts: true},
		`match text "0": the model answered for another number`:    {logits: true},
		"which make no score; convert the checkpoint again":        {nan: true},
	} {
		d, owner, dir := dataset(t, 12)
		f := newFake(len(d.Images), owner)
		f.broken = fault
		if _, err := RunKarpathy(t.Context(), f, d, KarpathyOptions{Dir: dir, Batch: 6}); err == nil || !strings.Contains(err.Error(), want) || fault.err != nil && !errors.Is(err, broken) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	d, owner, dir := dataset(t, 12)
	f := newFake(len(d.Images), owner)
	for want, o := range map[string]KarpathyOptions{
		"k is 9":   {Dir: dir, K: 9},
		"batch -1": {Dir: dir, Batch: -1},
		"--images": {Dir: filepath.Join(dir, "nowhere")},
	} {
		if _, err := RunKarpathy(t.Context(), f, d, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestKarpathyPictures(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "7.jpg")
	if err := os.WriteFile(outside, []byte("7"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(path string) error{
		"it is not in ":    os.Remove,
		"damaged":          func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"it is not a file": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"links out of":     func(path string) error { return errors.Join(os.Remove(path), os.Symlink(outside, path)) },
	} {
		d, owner, dir := dataset(t, 12)
		if err := spoil(filepath.Join(dir, "some", "7.jpg")); err != nil {
			t.Fatal(err)
		}
		_, err := RunKarpathy(t.Context(), newFake(len(d.Images), owner), d, KarpathyOptions{Dir: dir, Batch: 6})
		if err == nil || !strings.Contains(err.Error(), "picture some/7.jpg: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
