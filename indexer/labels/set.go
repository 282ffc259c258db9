package labels

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Action is what is done with items that have a label.
type Action string

// The actions. None is for filters and facets; Flag has items listed for people to
// look at; Hide leaves them out of searches too.
const (
	None Action = "none"
	Flag Action = "flag"
	Hide Action = "hide"
)

// Limits of a Set. An item keeps the names, and each text costs a run of the ITM
// encoder on every picture.
const (
	MaxLabels = 64
	MaxTexts  = 256 // of all labels together
	maxName   = 64  // bytes
	maxText   = 200 // bytes; BLIP reads 35 tokens
)

// Label is a name that pictures are given.
type Label struct {
	Name  string   `json:"name"`
	Texts []string `json:"texts"` // the one that fits best counts
	// Group has labels of which a picture is given at most one: that of the greatest
	// margin, if it reaches its own threshold. "" for a label by itself.
	Group string `json:"group,omitempty"`
	// Threshold is the ITM margin, match logit - no-match logit, from which the label
	// is given. 0 is ITM's own probability of a half.
	Threshold float64 `json:"threshold"`
	Action    Action  `json:"action,omitempty"` // "" for None
	// Model is the fingerprint that Threshold was fitted for; "" for a threshold
	// that somebody chose.
	Model string `json:"model,omitempty"`
}

// Set is a checked list of labels. Nobody changes one.
type Set []Label

// Check reports everything wrong with a list.
func (s Set) Check() error {
	var errs []error
	note := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("labels: "+format, args...))
		}
	}
	note(len(s) > MaxLabels, "%d of them; the limit is %d", len(s), MaxLabels)
	texts, seen := 0, map[string]bool{}
	for i, l := range s[:min(len(s), MaxLabels)] {
		at := l.place(i)
		note(l.Name == "" || len(l.Name) > maxName, "%s: give a name of 1 to %d bytes", at, maxName)
		note(l.Name != "" && seen[l.Name], "%s: the name is given twice", at)
		seen[l.Name] = true
		note(len(l.Texts) == 0, `%s: has no texts; give some such as "a striped product"`, at)
		for _, text := range l.Texts {
			note(text == "" || len(text) > maxText, "%s: texts are 1 to %d bytes long", at, maxText)
		}
		texts += len(l.Texts)
		note(math.IsNaN(l.Threshold) || math.IsInf(l.Threshold, 0), "%s: the threshold must be a finite number", at)
		note(!slices.Contains([]Action{"", None, Flag, Hide}, l.Action), "%s: action %q: use none, flag or hide", at, l.Action)
	}
	note(texts > MaxTexts, "%d texts in all; the limit is %d", texts, MaxTexts)
	return errors.Join(errs...)
}

// place says which label is meant, by its name where it has one.
func (l Label) place(i int) string {
	if l.Name == "" {
		return fmt.Sprintf("number %d", i+1)
	}
	return fmt.Sprintf("%q", l.Name)
}

// rules names what labels depend on: texts, groups, thresholds and the model. What
// is done with labelled items is no part of it.
func (s Set) rules(fingerprint string) string {
	bare := make(Set, len(s))
	for i, l := range s {
		l.Action, l.Model = "", ""
		bare[i] = l
	}
	text, _ := json.Marshal(bare) // names, texts and finite numbers
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %s%s", len(fingerprint), fingerprint, text)
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// With are the names of labels that have one of the actions.
func (s Set) With(actions ...Action) []string {
	var names []string
	for _, l := range s {
		if slices.Contains(actions, l.Action) {
			names = append(names, l.Name)
		}
	}
	return names
}

// Scores are what thresholds are compared with: margins, and minus infinity for
// labels that another of their group beats. Of equal margins the first one wins.
func (s Set) Scores(margins []float64) []float64 {
	best := map[string]int{}
	for i, l := range s {
		if b, ok := best[l.Group]; l.Group != "" && (!ok || margins[i] > margins[b]) {
			best[l.Group] = i
		}
	}
	scores := slices.Clone(margins)
	for i, l := range s {
		if l.Group != "" && best[l.Group] != i {
			scores[i] = math.Inf(-1)
		}
	}
	return scores
}

// Given are the labels that apply, in the order of the set.
func (s Set) Given(margins []float64) []string {
	var names []string
	for i, score := range s.Scores(margins) {
		if score >= s[i].Threshold {
			names = append(names, s[i].Name)
		}
	}
	return names
}
