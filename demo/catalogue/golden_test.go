package catalogue_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"os"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"sightline/demo/catalogue"
)

var update = flag.Bool("update", false, "write testdata anew")

// digest is a whole small catalogue as one number: pixels and every text.
func digest(t *testing.T, s catalogue.Split, seed uint64, size int) string {
	t.Helper()
	w := catalogue.NewWorld()
	r := renderer(t, size)
	sum := sha256.New()
	pictures := w.Plan(s, 60, seed)
	for _, p := range pictures {
		sum.Write(r.Draw(p.Record, p.Seed))
		for _, v := range []any{p, w.Product(p), w.Captions(s, p, 4, 4)} {
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			sum.Write(data)
		}
	}
	data, err := json.Marshal(w.Queries(s, pictures, seed))
	if err != nil {
		t.Fatal(err)
	}
	sum.Write(data)
	return fmt.Sprintf("%x", sum.Sum(nil)[:12])
}

func renderer(t *testing.T, size int) *catalogue.Renderer {
	t.Helper()
	r, err := catalogue.NewRenderer(size)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The files hold what amd64 makes; any other platform has to make the same.
func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, c := range []struct {
		split catalogue.Split
		seed  uint64
		size  int
	}{{catalogue.Train, 1, 96}, {catalogue.Test, 1, 96}, {catalogue.Demo, 7, 96}, {catalogue.Val, 3, 64}, {catalogue.Test, 2, 251}} {
		got[fmt.Sprintf("%s seed %d, %d px", c.split, c.seed, c.size)] = digest(t, c.split, c.seed, c.size)
	}
	golden(t, "testdata/digests.json", func() ([]byte, error) { return json.MarshalIndent(got, "", " ") })
}

func golden(t *testing.T, path string, make func() ([]byte, error)) {
	t.Helper()
	got, err := make()
	if err != nil {
		t.Fatal(err)
	}
	got = append(bytes.TrimSpace(got), '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; after a wanted change run: go test ./demo/catalogue -update\ngot %.600s", path, got)
	}
}

func TestDrawingDependsOnNothingElse(t *testing.T) {
	pictures := catalogue.NewWorld().Plan(catalogue.Test, 40, 9)
	used := renderer(t, 96)
	for _, p := range pictures { // a renderer that has drawn other things
		used.Draw(p.Record, p.Seed+1)
	}
	for _, p := range pictures {
		if !bytes.Equal(used.Draw(p.Record, p.Seed), renderer(t, 96).Draw(p.Record, p.Seed)) {
			t.Fatalf("%s is drawn differently by a renderer that has been used", p.ID)
		}
	}
}

// TestBoxes paints one object in another colour: only pixels of its box may
// change, and most of the box's height has to.
func TestBoxes(t *testing.T) {
	r := renderer(t, 96)
	for _, p := range catalogue.NewWorld().Plan(catalogue.Test, 300, 4) {
		before := bytes.Clone(r.Draw(p.Record, p.Seed))
		boxes := r.Boxes()
		for i, o := range p.Record.Objects {
			other := catalogue.Record{Objects: slices.Clone(p.Record.Objects), Relations: p.Record.Relations}
			other.Objects[i].Color = (o.Color + 5) % 12
			for k, c := range o.Parts {
				if c >= 0 {
					other.Objects[i].Parts[k] = (c + 5) % 12
				}
			}
			var changed image.Rectangle
			for at, v := range r.Draw(other, p.Seed) {
				if v != before[at] {
					x, y := at/3%96, at/3/96
					changed = changed.Union(image.Rect(x, y, x+1, y+1))
				}
			}
			if !changed.In(boxes[i]) {
				t.Errorf("%s: object %d changed %v, outside its box %v", p.ID, i, changed, boxes[i])
			}
			if len(boxes) == 1 && changed.Dy() < boxes[i].Dy()*2/3 {
				t.Errorf("%s: object %d fills %v of its box %v", p.ID, i, changed, boxes[i])
			}
		}
	}
}

func TestPlanIsAPrefixOfALongerOne(t *testing.T) {
	w := catalogue.NewWorld()
	for _, s := range []catalogue.Split{catalogue.Train, catalogue.Val, catalogue.Demo, catalogue.Test} {
		short, long := fmt.Sprint(w.Plan(s, 100, 5)), fmt.Sprint(w.Plan(s, 300, 5)[:100])
		if short != long {
			t.Errorf("%s: the first 100 of 300 pictures are not the 100 pictures", s)
		}
		if other := fmt.Sprint(w.Plan(s, 100, 6)); other == short {
			t.Errorf("%s: seeds 5 and 6 make the same pictures", s)
		}
	}
}

func TestNoTwoPicturesAlike(t *testing.T) {
	t.Parallel()
	n := 5000
	if testing.Short() {
		n = 500
	}
	pictures := catalogue.NewWorld().Plan(catalogue.Test, n, 1)
	sums := make([][32]byte, n)
	var g errgroup.Group
	for worker := range 4 {
		r := renderer(t, 64)
		g.Go(func() error {
			for i := worker; i < n; i += 4 {
				sums[i] = sha256.Sum256(r.Draw(pictures[i].Record, pictures[i].Seed))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	seen := map[[32]byte]string{}
	for i, sum := range sums {
		if twin, ok := seen[sum]; ok {
			t.Fatalf("%s and %s have the same pixels", pictures[i].ID, twin)
		}
		seen[sum] = pictures[i].ID
	}
}

func TestRendererRefusesSizes(t *testing.T) {
	for _, size := range []int{-1, 0, 63, 257} {
		if _, err := catalogue.NewRenderer(size); err == nil {
			t.Errorf("size %d was taken", size)
		}
	}
}
