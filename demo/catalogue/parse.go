package catalogue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parser reads captions back into what they claim. Safe for concurrent use.
type Parser struct {
	nouns, colors, patterns, sizes map[string]int
	parts                          map[string]string // a part's word, or its synonym, to the word
	glue                           []string
}

// NewParser indexes the vocabulary.
func NewParser() *Parser {
	p := &Parser{nouns: map[string]int{}, colors: map[string]int{}, patterns: map[string]int{}, sizes: map[string]int{}, parts: map[string]string{}, glue: glue[:]}
	add := func(to map[string]int, i int, words ...string) {
		for _, w := range words {
			if w != "" {
				to[w] = i
			}
		}
	}
	for i, k := range kinds {
		add(p.nouns, i, k.word, k.synonym, k.plural, k.manySynonym)
		for _, part := range k.parts {
			p.parts[part.word] = part.word
			if s := partSynonyms[part.word]; s != "" {
				p.parts[s] = part.word
			}
		}
	}
	for i, h := range hues {
		add(p.colors, i, h.word, h.synonym)
	}
	for i, w := range patterns {
		add(p.patterns, i, w.word, w.synonym)
	}
	for i, w := range sizes {
		add(p.sizes, i, w.word, w.synonym)
	}
	return p
}

// Errors of Parse.
var (
	errNothing = errors.New("it names no product")
	errStray   = errors.New("a look or a part that belongs to nothing")
)

// Parse is the inverse of what captions are made by: it gives the Spec of any
// caption, query or negative of this package, up to the order of its groups. Other
// texts of the same words get the nearest reading: a look belongs to the noun
// behind it, or to the one that "in" or "that is" refer to; a part to the product
// before it that has such a part. A text without a product, or with a word, look or
// part that belongs to nothing, is an error.
func (p *Parser) Parse(text string) (Spec, error) {
	r := reading{Parser: p, words: strings.Fields(strings.ReplaceAll(text, ",", " , "))}
	r.next = open
	for i, w := range r.words {
		if err := r.read(w, r.words[i+1:]); err != nil {
			return Spec{}, fmt.Errorf("read caption %q: %w", text, err)
		}
	}
	if len(r.spec.Groups) == 0 {
		return Spec{}, fmt.Errorf("read caption %q: %w", text, errNothing)
	}
	if r.next != open || len(r.ahead) > 0 || r.is != nil {
		return Spec{}, fmt.Errorf("read caption %q: %w", text, errStray)
	}
	r.relate()
	return r.spec, nil
}

// open is a group of which nothing is said.
var open = Group{0, -1, -1, -1, -1, [2]int{-1, -1}}

// reading is a text half read.
type reading struct {
	*Parser
	words []string
	spec  Spec
	next  Group          // what is said of the noun to come
	back  bool           // looks belong to the noun before: "that is", "in"
	list  string         // what opened the list of its parts: "with", "has", "its" or ","
	there bool           // it was said where the noun before stands, which ends what is said of it
	ahead map[string]int // colours of parts named before their product
	is    *int           // "its handle is": where its colour goes
}

func (r *reading) last() *Group {
	if len(r.spec.Groups) == 0 {
		return nil
	}
	return &r.spec.Groups[len(r.spec.Groups)-1]
}

func (r *reading) read(w string, behind []string) error {
	if part, ok := r.parts[w]; ok && (!isNoun(r.nouns, w) || r.owns(part) || r.comes(part, behind)) {
		return r.part(part)
	}
	if kind, ok := r.nouns[w]; ok {
		return r.noun(kind)
	}
	to := &r.next
	if r.back && r.last() != nil {
		to = r.last()
	}
	if c, ok := r.colors[w]; ok {
		if r.is != nil {
			*r.is, r.is = c, nil
		} else {
			to.Color = c
		}
		return nil
	}
	if i, ok := r.patterns[w]; ok {
		to.Pattern = i
		return nil
	}
	if i, ok := r.sizes[w]; ok {
		to.Size = i
		return nil
	}
	return r.join(w, behind)
}

func isNoun(nouns map[string]int, w string) bool { _, ok := nouns[w]; return ok }

// owns says whether the product before has such a part, of which nothing has been
// said. In "a lantern and a yellow cap" it has not, nor in "a lantern with a red
// handle on the right and a yellow cap on the left".
func (r *reading) owns(part string) bool {
	g := r.last()
	if g == nil || r.list == "" || r.list == "," && r.next.Count > 0 || r.there || r.next.Pattern >= 0 || r.next.Size >= 0 {
		return false
	}
	i := slices.IndexFunc(kinds[g.Type].parts, func(p partOf) bool { return p.word == part })
	return i >= 0 && g.Parts[i] < 0
}

// comes says whether "on" and a product with such a part follow: "cap" is both, and
// no cap stands on a lantern.
func (r *reading) comes(part string, behind []string) bool {
	on := slices.Index(behind, "on")
	if len(r.spec.Groups) > 0 || r.next.Pattern >= 0 || r.next.Size >= 0 || on < 0 || on+1 == len(behind) || behind[on+1] == "the" || behind[on+1] == "top" {
		return false // "on the right", "on top of" are where something stands
	}
	i := slices.IndexFunc(behind, func(w string) bool { return isNoun(r.nouns, w) })
	return i >= 0 && slices.ContainsFunc(kinds[r.nouns[behind[i]]].parts, func(p partOf) bool { return p.word == part })
}

type partOf = part

// part notes a part's colour, said before it or, behind "is", after it.
func (r *reading) part(word string) error {
	color := r.next.Color
	r.next, r.back = open, false
	if g := r.last(); g != nil && r.owns(word) {
		at := &g.Parts[slices.IndexFunc(kinds[g.Type].parts, func(p partOf) bool { return p.word == word })]
		if *at = color; color < 0 {
			r.is = at
		}
		return nil
	}
	if color < 0 || len(r.spec.Groups) > 0 {
		return errStray
	}
	if r.ahead == nil {
		r.ahead = map[string]int{}
	}
	r.ahead[word] = color
	return nil
}

// noun begins a group, with the parts that were named before it.
func (r *reading) noun(kind int) error {
	g := r.next
	g.Type = kind
	r.next, r.back, r.there, r.list = open, false, false, ""
	for word, color := range r.ahead {
		i := slices.IndexFunc(kinds[kind].parts, func(p partOf) bool { return p.word == word })
		if i < 0 {
			return errStray
		}
		g.Parts[i] = color
	}
	r.ahead = nil
	r.spec.Groups = append(r.spec.Groups, g)
	return nil
}

// join reads a word that names nothing.
func (r *reading) join(w string, behind []string) error {
	switch w {
	case "a", "an":
		r.next.Count, r.back = 1, false
	case "two":
		r.next.Count, r.back = 2, false
	case "three":
		r.next.Count, r.back = 3, false
	case "that":
		r.back = true
	case "in":
		r.back = r.looksOnly(behind)
	case ",", "with", "has", "have", "its":
		r.back, r.list = false, w
	case "and":
		r.back = false
	case "left", "right", "beside", "next":
		r.there = true
	default:
		if !slices.Contains(r.glue, w) {
			return fmt.Errorf("word %q is not one of captions", w)
		}
	}
	return nil
}

// looksOnly says whether looks come that no noun follows, as in "mug in red".
func (r *reading) looksOnly(behind []string) bool {
	for i, w := range behind {
		_, color := r.colors[w]
		_, pattern := r.patterns[w]
		if !color && !pattern {
			return i > 0 && !isNoun(r.nouns, w) && r.parts[w] == ""
		}
	}
	return len(behind) > 0
}

// relate finds who stands where, of two.
func (r *reading) relate() {
	if len(r.spec.Groups) != 2 {
		return
	}
	has := func(w string) bool { return slices.Contains(r.words, w) }
	n := len(r.words)
	last, two := r.words[n-1], strings.Join(r.words[max(0, n-2):], " ")
	add := func(kind, a int) { r.spec.Relations = []Relation{{kind, a, 1 - a}} }
	left, right := slices.Index(r.words, "left"), slices.Index(r.words, "right")
	switch {
	case has("beside") || has("next"):
		add(Beside, 0)
	case left >= 0 && (right < 0 || left < right):
		add(LeftOf, 0)
	case right >= 0:
		add(LeftOf, 1)
	case last == "inside" || two == "in it":
		add(Inside, 1)
	case two == "on it":
		add(On, 1)
	case has("inside") || has("in"):
		add(Inside, 0)
	case has("on"):
		add(On, 0)
	}
}
