package catalogue

import (
	"fmt"
	"slices"
	"strings"
)

// Specials are the first ids of the vocabulary, as a BLIP tokenizer wants them.
var specials = [...]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", "[ENC]"}

// Vocabulary lists every word that captions, queries and titles use, after the
// six special tokens. A token's id is its index. Every word is one token.
func Vocabulary() []string {
	out := slices.Clone(specials[:])
	known := map[string]bool{"": true}
	add := func(words ...string) {
		for _, w := range words {
			if !known[w] {
				known[w] = true
				out = append(out, w)
			}
		}
	}
	add(glue[:]...)
	for _, h := range hues {
		add(h.word, h.synonym)
	}
	for _, w := range slices.Concat(patterns[:], sizes[:]) {
		add(w.word, w.synonym)
	}
	for _, k := range kinds {
		add(k.word, k.synonym, k.plural, k.manySynonym)
		for _, p := range k.parts {
			add(p.word, partSynonyms[p.word])
		}
	}
	return out
}

// Tokenizer turns captions into ids of the vocabulary. Safe for concurrent use.
type Tokenizer struct{ ids map[string]int }

// NewTokenizer indexes the vocabulary.
func NewTokenizer() *Tokenizer {
	t := &Tokenizer{map[string]int{}}
	for i, w := range Vocabulary() {
		t.ids[w] = i
	}
	return t
}

// Encode gives one id a word, without special tokens around them.
func (t *Tokenizer) Encode(text string) ([]int, error) {
	words := strings.Fields(strings.ReplaceAll(text, ",", " , "))
	out := make([]int, len(words))
	for i, w := range words {
		id, ok := t.ids[w]
		if !ok {
			return nil, fmt.Errorf("word %q of %q is not in the vocabulary", w, text)
		}
		out[i] = id
	}
	return out, nil
}

// Schema names the numbers of records and specs: index i of a list is the word
// of value i.
type Schema struct {
	Types           []TypeWords `json:"types"`
	Colors          []string    `json:"colors"`
	Patterns        []string    `json:"patterns"`
	Sizes           []string    `json:"sizes"`
	RecordRelations []string    `json:"record_relations"`
	SpecRelations   []string    `json:"spec_relations"`
	RecordColumns   []string    `json:"record_columns"`
	SpecColumns     []string    `json:"spec_columns"`
}

// TypeWords is a type with its named parts.
type TypeWords struct {
	Name  string   `json:"name"`
	Parts []string `json:"parts"`
}

// NewSchema lists the words.
func NewSchema() Schema {
	s := Schema{
		RecordRelations: []string{"left_of", "on", "inside"},
		SpecRelations:   []string{"left_of", "on", "inside", "beside"},
		RecordColumns:   []string{"type", "color", "pattern", "size", "part1_color", "part2_color"},
		SpecColumns:     []string{"count", "type", "color", "pattern", "size", "part1_color", "part2_color"},
	}
	for _, k := range kinds {
		t := TypeWords{Name: k.word}
		for _, p := range k.parts {
			t.Parts = append(t.Parts, p.word)
		}
		s.Types = append(s.Types, t)
	}
	for _, h := range hues {
		s.Colors = append(s.Colors, h.word)
	}
	for _, w := range patterns {
		s.Patterns = append(s.Patterns, w.word)
	}
	for _, w := range sizes {
		s.Sizes = append(s.Sizes, w.word)
	}
	return s
}
