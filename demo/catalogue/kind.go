package catalogue

import "slices"

// kind is a type of product: its words, its parts and how it is drawn.
type kind struct {
	word, synonym string
	plural        string // "" for words that are plural already (trousers): those are never counted
	manySynonym   string
	category      string
	parts         []part // one or two, beside the body, whose colour is the product's
	plain         bool   // the body is too small or too thin to show a pattern
	use           use
	draw          []string // layers, back to front; see parseLayer
}

// part is a named piece with its own colour.
type part struct {
	word   string
	plural bool
}

// use says which places a product can take in pictures of several.
type use struct {
	base    int // y of its lowest point
	top     int // y of its upper surface when others may stand on it, else 0
	mouth   int // y of its opening when others may be put in it, else 0
	stands  bool
	peeks   bool // still recognisable, with its parts, when only the upper two thirds show
	support bool
	holds   bool
}

// one and two name the parts of a kind.
func one(word string) []part { return []part{{word, plural(word)}} }

func both(first, second string) []part {
	return []part{{first, plural(first)}, {second, plural(second)}}
}

func plural(word string) bool { return word[len(word)-1] == 's' }

// kinds lists every product type; its order is the numbering of records.
var kinds = slices.Concat(clothes, bags, kitchen, furniture, lights, tools, toys, accessories)

// kindsWhere lists the kinds that can take a place in a picture.
func kindsWhere(can func(use) bool) []int {
	var of []int
	for i, k := range kinds {
		if can(k.use) {
			of = append(of, i)
		}
	}
	return of
}
