//go:build cgo

package ort_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/demo/catalogue"
	"sightline/encoder"
	"sightline/encoder/convert"
)

// pointing plays the pointing game on drawings whose parts are known to the
// pixel: a word that names a thing hits where its strongest patch touches the
// box around that thing.
type pointing struct {
	model    *encoder.Model
	renderer *catalogue.Renderer
	schema   catalogue.Schema
	size     int
	layers   [][]int
	scores   map[string]*score // by kind of word
}

// score counts hits by choice of layers. chance is the sum of what a random
// patch would hit, inside the sum of attention within the box.
type score struct {
	words  int
	hits   []int
	inside []float64
	chance float64
}

// TestPointingGame holds the default layers to pointing at what words name, far
// above chance, and logs the table of docs/explain.md with SIGHTLINE_TEST_LONG=1
// (200 pictures, 6 s).
func TestPointingGame(t *testing.T) {
	openRuntime(t)
	dir := filepath.Join(t.TempDir(), "model")
	if _, err := convert.Convert(t.Context(), "../../demo/model/retrieval", dir, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	const size = 128
	r, err := catalogue.NewRenderer(size)
	if err != nil {
		t.Fatal(err)
	}
	m := openModel(t, dir)
	usual := encoder.DefaultExplainLayers(m.Manifest())
	p := &pointing{
		model: m, renderer: r, schema: catalogue.NewSchema(), size: size, scores: map[string]*score{},
		layers: [][]int{usual, {0}, {1}, {2}, {0, 1}, {0, 1, 2}},
	}
	w, pictures, least := catalogue.NewWorld(), 60, 15
	if os.Getenv("SIGHTLINE_TEST_LONG") != "" {
		pictures, least = 200, 50
	}
	for _, pic := range w.Plan(catalogue.Test, pictures, 5) {
		for _, c := range w.Captions(catalogue.Test, pic, 1, 0) {
			p.play(t, pic, c)
		}
	}
	p.report(t)
	for kind, share := range map[string]float64{"object of a set": 0.9, "part": 0.2, "colour of an object": 0.95, "colour of a part": 0.9} {
		if s := p.scores[kind]; s == nil || s.words < least || float64(s.hits[0]) < share*float64(s.words) {
			t.Errorf("%s: %+v by layers %v, want %.0f %% hits", kind, s, usual, 100*share)
		}
	}
}

func (p *pointing) report(t *testing.T) {
	for _, kind := range []string{"object alone", "object of a set", "part", "colour of an object", "colour of a part"} {
		s := p.scores[kind]
		if s == nil {
			t.Errorf("no word names a thing of kind %q", kind)
			continue
		}
		var cells []string
		for i, l := range p.layers {
			cells = append(cells, fmt.Sprintf("%v %.0f %% (%.0f %%)", l, 100*float64(s.hits[i])/float64(s.words), 100*s.inside[i]/float64(s.words)))
		}
		t.Logf("%-20s %4d words, chance %.0f %%: layers %s", kind, s.words, 100*s.chance/float64(s.words), strings.Join(cells, ", "))
	}
}

func (p *pointing) play(t *testing.T, pic catalogue.Picture, c catalogue.Caption) {
	t.Helper()
	rgb := slices.Clone(p.renderer.Draw(pic.Record, pic.Seed))
	boxes := slices.Clone(p.renderer.Boxes())
	things := p.things(pic, c, boxes, rgb)
	px, err := p.model.Pixels(p.encode(t, rgb))
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.model.Images(t.Context(), []encoder.Pixels{px})
	if err != nil {
		t.Fatal(err)
	}
	for i, layers := range p.layers {
		e, err := p.model.Explain(t.Context(), p.model.Tokenize(c.Text.Text), f[0].States, encoder.ExplainOptions{Layers: layers})
		if err != nil {
			t.Fatal(err)
		}
		for at, w := range e.Words {
			if thing, ok := things[at]; ok {
				p.count(thing, w, i)
			}
		}
	}
}

func (p *pointing) encode(t *testing.T, rgb []uint8) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, p.size, p.size))
	for i := range p.size * p.size {
		copy(img.Pix[4*i:], append(rgb[3*i:3*i+3:3*i+3], 255))
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// thing is what a word names.
type thing struct {
	kind string
	box  image.Rectangle
}

// things finds what the words of a caption name, by place of the word. Synonyms,
// plurals, and words that could name two things are left out.
func (p *pointing) things(pic catalogue.Picture, c catalogue.Caption, boxes []image.Rectangle, rgb []uint8) map[int]thing {
	words := strings.Fields(c.Text.Text)
	found := map[int]thing{}
	for at, w := range words {
		th, ok := p.named(w, pic, boxes, rgb)
		if !ok || slices.Index(words, w) != at || slices.Contains(words[at+1:], w) {
			continue
		}
		found[at] = th
		// The colour that stands before it, at most one pattern between.
		for before := at - 1; before >= max(at-2, 0); before-- {
			if slices.Contains(p.schema.Colors, words[before]) {
				kind := "colour of an object"
				if th.kind == "part" {
					kind = "colour of a part"
				}
				found[before] = thing{kind, th.box}
				break
			}
			if !slices.Contains(p.schema.Patterns, words[before]) {
				break
			}
		}
	}
	return found
}

func (p *pointing) named(word string, pic catalogue.Picture, boxes []image.Rectangle, rgb []uint8) (thing, bool) {
	var all []thing
	for i, o := range pic.Record.Objects {
		kind := p.schema.Types[o.Type]
		if kind.Name == word && len(boxes) == 1 {
			all = append(all, thing{"object alone", boxes[i]})
		} else if kind.Name == word {
			all = append(all, thing{"object of a set", boxes[i]})
		}
		if k := slices.Index(kind.Parts, word); k >= 0 {
			all = append(all, thing{"part", p.part(pic, i, k, rgb)})
		}
	}
	if len(all) != 1 || all[0].box.Empty() {
		return thing{}, false
	}
	return all[0], true
}

// part is the box around the pixels that change with the part's colour.
func (p *pointing) part(pic catalogue.Picture, object, part int, rgb []uint8) image.Rectangle {
	changed := catalogue.Record{Objects: slices.Clone(pic.Record.Objects), Relations: pic.Record.Relations}
	color := &changed.Objects[object].Parts[part]
	*color = (*color + 5) % len(p.schema.Colors)
	var box image.Rectangle
	for i, v := range p.renderer.Draw(changed, pic.Seed) {
		if d := int(v) - int(rgb[i]); d*d > 400 {
			x, y := i/3%p.size, i/3/p.size
			box = box.Union(image.Rect(x, y, x+1, y+1))
		}
	}
	return box
}

func (p *pointing) count(th thing, w encoder.Word, layers int) {
	s := p.scores[th.kind]
	if s == nil {
		s = &score{hits: make([]int, len(p.layers)), inside: make([]float64, len(p.layers))}
		p.scores[th.kind] = s
	}
	best, row, col, touched := float32(-1), 0, 0, 0
	for r := range w.Grid {
		for c, v := range w.Grid[r] {
			if v > best {
				best, row, col = v, r, c
			}
			if p.patch(r, c, len(w.Grid)).Overlaps(th.box) {
				touched++
				s.inside[layers] += float64(v)
			}
		}
	}
	if p.patch(row, col, len(w.Grid)).Overlaps(th.box) {
		s.hits[layers]++
	}
	if layers == 0 {
		s.words++
		s.chance += float64(touched) / float64(len(w.Grid)*len(w.Grid))
	}
}

func (p *pointing) patch(row, col, side int) image.Rectangle {
	return image.Rect(col*p.size/side, row*p.size/side, (col+1)*p.size/side, (row+1)*p.size/side)
}
