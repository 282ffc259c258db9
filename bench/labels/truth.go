package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sightline/demo/catalogue"
	"sightline/indexer/labels"
)

// known is a label with what makes it true.
type known struct {
	labels.Label
	is func(catalogue.Record) bool
}

// vehicles is what a word outside of the vocabulary stands for.
var vehicles = []string{"car", "boat", "rocket"}

// labelList are the labels that are measured: patterns, colours of whole objects,
// kinds, how many products there are, and a word that the model has never read.
func labelList(schema catalogue.Schema) []known {
	var all []known
	add := func(name string, texts []string, is func(catalogue.Record) bool) {
		all = append(all, known{labels.Label{Name: name, Texts: texts}, is})
	}
	for i, word := range schema.Patterns[1:] { // the first is plain
		add(word, []string{word}, some(func(o catalogue.Object) bool { return o.Pattern == i+1 }))
	}
	for _, word := range []string{"red", "blue", "green", "black"} {
		i := slices.Index(schema.Colors, word)
		add(word, []string{word}, some(func(o catalogue.Object) bool { return o.Color == i || o.Parts[0] == i || o.Parts[1] == i }))
	}
	var striped, red []string // as captions say it
	kinds := make([]string, 0, len(schema.Types))
	for i, t := range schema.Types {
		kinds = append(kinds, t.Name)
		striped = append(striped, "a striped "+t.Name)
		red = append(red, "a red "+t.Name)
		if i%4 == 0 {
			add(t.Name, []string{"a " + t.Name}, some(func(o catalogue.Object) bool { return o.Type == i }))
		}
	}
	add(fmt.Sprintf("striped, by %d texts", len(striped)), striped, all[0].is)
	add(fmt.Sprintf("red, by %d texts", len(red)), red, some(func(o catalogue.Object) bool { return o.Color == slices.Index(schema.Colors, "red") }))
	add("several products", []string{"two", "three", "beside"}, func(r catalogue.Record) bool { return len(r.Objects) > 1 })
	add("vehicle", []string{"a vehicle"}, some(func(o catalogue.Object) bool { return slices.Contains(vehicles, kinds[o.Type]) }))
	return all
}

func some(is func(catalogue.Object) bool) func(catalogue.Record) bool {
	return func(r catalogue.Record) bool { return slices.ContainsFunc(r.Objects, is) }
}

// writeTruth reads what demo/render drew, and says it in the form of labels.
func writeTruth(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return fmt.Errorf("read catalogue: %w: make it with go run ./demo/render --out DIR", err)
	}
	var m struct {
		Split catalogue.Split
		Seed  uint64
		N     int
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	all := labelList(catalogue.NewSchema())
	var truth bytes.Buffer
	encoder := json.NewEncoder(&truth)
	for _, p := range catalogue.NewWorld().Plan(m.Split, m.N, m.Seed) {
		t := labels.Truth{ID: p.ID, Labels: []string{}}
		for _, l := range all {
			if l.is(p.Record) {
				t.Labels = append(t.Labels, l.Name)
			}
		}
		if err := encoder.Encode(t); err != nil {
			return fmt.Errorf("write truth: %w", err)
		}
	}
	var list strings.Builder
	list.WriteString("labels:\n")
	for _, l := range all {
		texts, err := json.Marshal(l.Texts)
		if err != nil {
			return fmt.Errorf("write labels: %w", err)
		}
		fmt.Fprintf(&list, "  - name: %s\n    texts: %s\n", l.Name, texts)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "truth.jsonl"), truth.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, "labels.yaml"), []byte(list.String()), 0o644),
	)
}
