package indexer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/store"
)

// labeller gives every picture the same labels.
type labeller struct {
	names  []string
	rules  string
	calls  int
	broken error
}

func (l *labeller) Label(context.Context, encoder.States) (names []string, rules, notice string, err error) {
	l.calls++
	return l.names, l.rules, "labelled so", l.broken
}

// TestLabelledAtImport: pictures that are encoded get labels, as they are; a feed that
// knows nothing of labels neither loses nor is changed by them, and corrections stay.
func TestLabelledAtImport(t *testing.T) {
	w, l := newWorld(t), &labeller{names: []string{"red"}, rules: strings.Repeat("1", 16)}
	run := func(title, picture string, o indexer.Options) (indexer.Summary, indexer.Outcome) {
		t.Helper()
		parts := w.parts()
		parts.Labels = l
		var last indexer.Outcome
		o.Observe = func(out indexer.Outcome, _ indexer.Progress) { last = out }
		more := dataURL(pngOf("further"))
		sum, err := indexer.New(parts, o).Run(t.Context(), one(indexer.Record{
			Row: 1, Image: dataURL(pngOf(picture)), Images: []string{dataURL(pngOf(picture)), more}, Item: store.Item{ID: "a", Title: title},
		}))
		if err != nil {
			t.Fatal(err)
		}
		return sum, last
	}
	names := func() string { return strings.Join(w.entries["a"].Item.Labels(), ",") }
	if sum, out := run("Mug", "a", indexer.Options{}); sum.Written != 1 || out.Reason != "labelled so" || l.calls != 1 || names() != "red" {
		t.Errorf("new: %+v %+v, %d judged, %q", sum, out, l.calls, names())
	}
	l.names = []string{"blue"}
	if sum, _ := run("Mug", "a", indexer.Options{}); sum.Unchanged != 1 || l.calls != 1 {
		t.Errorf("the same feed: %+v", sum)
	}
	if sum, _ := run("Mug", "a", indexer.Options{DryRun: true}); sum.Unchanged != 1 {
		t.Errorf("the same feed, dry: %+v", sum)
	}
	if sum, _ := run("Cup", "a", indexer.Options{}); sum.Written != 1 || l.calls != 1 || names() != "red" {
		t.Errorf("another title: %+v %q", sum, names())
	}
	e := w.entries["a"]
	e.Item.Attributes[store.AttributeLabels] = []string{"mine"}
	w.entries["a"] = e
	delete(w.states, e.Picture) // so that it is encoded anew
	if sum, _ := run("Cup", "a", indexer.Options{}); sum.Written != 1 || l.calls != 2 || names() != "mine" {
		t.Errorf("corrected: %+v %q", sum, names())
	}
	if sum, _ := run("Cup", "b", indexer.Options{}); sum.Written != 1 || names() != "blue" {
		t.Errorf("another picture: %+v %q", sum, names())
	}
	l.broken = errors.New("the device is gone")
	parts := w.parts()
	parts.Labels = l
	if _, err := indexer.New(parts, indexer.Options{}).Run(t.Context(), one(indexer.Record{Row: 1, Image: dataURL(pngOf("c")), Item: store.Item{ID: "c"}})); !errors.Is(err, l.broken) {
		t.Errorf("a broken model: %v", err)
	}
}
