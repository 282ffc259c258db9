package main

import (
	"slices"

	"sightline/demo/catalogue"
)

// tally counts what captions said of pictures.
type tally struct {
	all      int
	read     int // captions that the parser could read
	types    int // every product named is there
	colours  int // and has the colours that are named, of its body and parts
	patterns int // every product named is there, with its pattern
	exact    int // colours, patterns and sizes all right, of the same product
	whole    int // and numbers and places
	said     int // looks and parts named
}

// add judges one caption by what the picture shows.
func (t *tally) add(p *catalogue.Parser, text string, r catalogue.Record) {
	t.all++
	s, err := p.Parse(text)
	if err != nil {
		return
	}
	t.read++
	count := func(to *int, keep func(catalogue.Group) catalogue.Group) {
		if allThere(s, r, keep) {
			*to++
		}
	}
	bare := func(g catalogue.Group) catalogue.Group {
		return catalogue.Group{Type: g.Type, Color: -1, Pattern: -1, Size: -1, Parts: [2]int{-1, -1}}
	}
	count(&t.types, bare)
	count(&t.colours, func(g catalogue.Group) catalogue.Group { g.Count, g.Pattern, g.Size = 0, -1, -1; return g })
	count(&t.patterns, func(g catalogue.Group) catalogue.Group { b := bare(g); b.Pattern = g.Pattern; return b })
	count(&t.exact, func(g catalogue.Group) catalogue.Group { g.Count = 0; return g })
	if catalogue.Matches(s, r) {
		t.whole++
	}
	for _, g := range s.Groups {
		for _, v := range []int{g.Color, g.Pattern, g.Size, g.Parts[0], g.Parts[1]} {
			if v >= 0 {
				t.said++
			}
		}
	}
}

// allThere says whether each group, or what is kept of it, fits something in the
// picture.
func allThere(s catalogue.Spec, r catalogue.Record, keep func(catalogue.Group) catalogue.Group) bool {
	return !slices.ContainsFunc(s.Groups, func(g catalogue.Group) bool {
		return !catalogue.Matches(catalogue.Spec{Groups: []catalogue.Group{keep(g)}}, r)
	})
}
