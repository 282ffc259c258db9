package catalogue

import (
	"slices"
	"strings"
)

// wording is how a caption is said, never what it says: one wording puts a
// Spec and its negatives into the same form, so that no negative is given away
// by its shape.
type wording struct {
	frame   int // of the sentence
	reverse bool
	manners [3]manner
}

// manner is how one group is said.
type manner struct {
	colorFirst bool // "blue striped", not "striped blue"
	secondPart bool // the second part is named first
	synonym    [5]bool
	tail       int
}

// The words that a manner may replace by their synonyms.
const (
	forNoun = iota
	forColor
	forPattern
	forSize
	forPart
)

// Ways to add parts, and colours, to a noun.
const (
	tailWith  = iota // a red mug with a white handle
	tailThat         // a mug that is red and has a white handle
	tailIts          // a red mug and its handle is white
	tailComma        // red mug , white handle
	tailFirst        // a white handle on a red mug
	tailIn           // mug in red
	tailCount
)

const synonymPercent = 20

func (d dice) wording() wording {
	w := wording{frame: d.below(1 << 16), reverse: d.percent(50)}
	for i := range w.manners {
		m := &w.manners[i]
		m.colorFirst, m.secondPart = d.percent(40), d.percent(50)
		for k := range m.synonym {
			m.synonym[k] = d.percent(synonymPercent)
		}
	}
	return w
}

func either(w, synonym string, second bool) string {
	if second && synonym != "" {
		return synonym
	}
	return w
}

// said lists a group's looks, size first.
func (m manner) said(g Group) []string {
	var out []string
	if g.Size >= 0 {
		out = append(out, either(sizes[g.Size].word, sizes[g.Size].synonym, m.synonym[forSize]))
	}
	n := len(out)
	if g.Pattern >= 0 {
		out = append(out, either(patterns[g.Pattern].word, patterns[g.Pattern].synonym, m.synonym[forPattern]))
	}
	if g.Color >= 0 {
		out = append(out, m.color(g.Color))
		if m.colorFirst {
			slices.Reverse(out[n:])
		}
	}
	return out
}

func (m manner) color(c int) string {
	return either(hues[c].word, hues[c].synonym, m.synonym[forColor])
}

func (m manner) noun(g Group) string {
	k := kinds[g.Type]
	if g.Count > 1 {
		return either(k.plural, k.manySynonym, m.synonym[forNoun])
	}
	return either(k.word, k.synonym, m.synonym[forNoun])
}

// part says "a white handle", "blue sleeves", or, bare, "white handle".
func (m manner) part(g Group, i int, bare bool) string {
	p := kinds[g.Type].parts[i]
	word := either(p.word, partSynonyms[p.word], m.synonym[forPart])
	phrase := m.color(g.Parts[i]) + " " + word
	if p.plural || bare {
		return phrase
	}
	return article(phrase) + " " + phrase
}

func (m manner) partIs(g Group, i int) string {
	p := kinds[g.Type].parts[i]
	verb := " is "
	if p.plural {
		verb = " are "
	}
	return "its " + either(p.word, partSynonyms[p.word], m.synonym[forPart]) + verb + m.color(g.Parts[i])
}

func (m manner) named(g Group) []int {
	var out []int
	for i, c := range g.Parts {
		if c >= 0 {
			out = append(out, i)
		}
	}
	if m.secondPart {
		slices.Reverse(out)
	}
	return out
}

// listed joins what say gives for each part.
func listed(parts []int, by string, say func(int) string) string {
	var out []string
	for _, i := range parts {
		out = append(out, say(i))
	}
	return strings.Join(out, by)
}

func article(phrase string) string {
	if strings.ContainsRune("aeiou", rune(phrase[0])) {
		return "an"
	}
	return "a"
}

// counted puts the article or the number before a phrase.
func counted(g Group, phrase string) string {
	switch g.Count {
	case 1:
		return article(phrase) + " " + phrase
	case 2:
		return "two " + phrase
	case 3:
		return "three " + phrase
	}
	return phrase
}

// phrase says one group.
func (m manner) phrase(g Group) string {
	looks, noun := m.said(g), m.noun(g)
	named := m.named(g)
	head := counted(g, strings.Join(append(slices.Clone(looks), noun), " "))
	full := func(i int) string { return m.part(g, i, false) }
	switch {
	case m.tail == tailIn && g.Color >= 0 && len(named) == 0 && g.Size < 0:
		return counted(g, noun) + " in " + strings.Join(looks, " ")
	case len(named) == 0:
		return head
	case m.tail == tailThat && (g.Color >= 0 || g.Pattern >= 0) && g.Count == 1:
		if g.Size >= 0 {
			noun, looks = looks[0]+" "+noun, looks[1:]
		}
		return counted(g, noun) + " that is " + strings.Join(looks, " ") + " and has " + listed(named, " and ", full)
	case m.tail == tailIts && g.Count == 1:
		return head + " and " + listed(named, " and ", func(i int) string { return m.partIs(g, i) })
	case m.tail == tailComma:
		return head + " , " + listed(named, " , ", func(i int) string { return m.part(g, i, true) })
	case m.tail == tailFirst:
		return listed(named, " and ", full) + " on " + head
	}
	return head + " with " + listed(named, " and ", full)
}

// frames put two groups in relation; X stands for group A, Y for group B.
var frames = [...][]string{
	LeftOf: {
		"X left of Y", "X to the left of Y", "Y right of X", "Y to the right of X",
		"X on the left and Y on the right", "Y on the right and X on the left",
	},
	On:     {"X on Y", "X standing on Y", "Y with X on it", "X on top of Y"},
	Inside: {"X inside Y", "X in Y", "Y with X inside", "Y with X in it"},
	Beside: {"X beside Y", "X next to Y", "Y beside X", "Y next to X"},
}

// say puts a Spec into words.
func (w wording) say(s Spec) string {
	var parts []string
	for i, g := range s.Groups {
		parts = append(parts, w.manners[i].phrase(g))
	}
	if len(s.Relations) == 1 {
		r := s.Relations[0]
		list := frames[r.Kind]
		words := strings.Fields(list[w.frame%len(list)])
		for i, word := range words {
			switch word {
			case "X":
				words[i] = parts[r.A]
			case "Y":
				words[i] = parts[r.B]
			}
		}
		return strings.Join(words, " ")
	}
	if w.reverse {
		slices.Reverse(parts)
	}
	if len(parts) == 3 {
		return parts[0] + " , " + parts[1] + " and " + parts[2]
	}
	return strings.Join(parts, " and ")
}
