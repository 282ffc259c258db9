package capfilt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sightline/indexer/capfilt"
	"sightline/store"
)

// TestVerdicts: each reason, and what is never flagged.
func TestVerdicts(t *testing.T) {
	w := newWorld()
	w.add("true", "Red mug", "red mug", "mug")
	w.add("better", "Mug", "two red mug handle small", "two small red mug handle")
	w.add("wrong", "Blue dress", "red mug", "red mug")
	w.add("stuffed", "Red mug, blue dress | gift idea", "red mug", "green mug", "red mug")
	w.add("unknown", "xaa xbb xcc", "red mug", "red mug")
	w.add("half", "xaa red", "red mug", "red mug")
	w.add("untitled", "", "red mug", "red mug", "red mug")
	w.add("marks", "!!! ---", "red mug", "red mug")
	w.add("false caption", "", "red sock", "blue sock")
	w.add("silent", "Red hat", "red hat")
	e := w.entries["true"]
	e.Item.ID, e.Picture = "flat", w.draw("grey", true)
	e.Embedding = w.embedding(e.Picture)
	w.says[e.Picture] = []string{"grey"}
	w.entries["flat"] = e
	for i := range 8 {
		w.add(fmt.Sprintf("place%d", i), "Thing "+strings.Repeat("a", i+1), "no image", "no image")
	}
	r, sum := w.judged(t, t.TempDir())
	rows := rowsOf(t, r)
	for id, want := range map[string]struct {
		flag string
		kept bool
	}{
		"true": {"", false}, "better": {"", true}, "wrong": {capfilt.Mismatch, true}, "stuffed": {capfilt.Stuffed, true},
		"unknown": {capfilt.Unknown, true}, "half": {capfilt.Unknown, true}, "untitled": {"", true}, "marks": {"", true},
		"false caption": {"", false}, "silent": {"", false}, "flat": {capfilt.Placeholder, false}, "place3": {capfilt.Placeholder, false},
	} {
		row := rows[id]
		if got := strings.Join(row.Flags, ","); got != want.flag || row.Kept != want.kept {
			t.Errorf("%s: flags %q, kept %v, want %q, %v: %+v", id, got, row.Kept, want.flag, want.kept, row)
		}
	}
	if s := rows["stuffed"]; s.Core != "Red mug" || !reflect.DeepEqual(s.Doubts, []string{"blue dress", "gift idea"}) || s.Caption.Text != "red mug" {
		t.Errorf("stuffed: %+v", s)
	}
	if rows["marks"].Match != nil || rows["unknown"].Unknown != 3 || rows["place3"].Alike != 8 {
		t.Errorf("%+v\n%+v\n%+v", rows["marks"], rows["unknown"], rows["place3"])
	}
	want := map[string]int{capfilt.Mismatch: 1, capfilt.Stuffed: 1, capfilt.Placeholder: 9, capfilt.Unknown: 2}
	if !reflect.DeepEqual(sum.Flags, want) || sum.Items != 19 || sum.Judged != 19 || sum.Kept != 7 || sum.Missing != 2 || sum.Failed != 0 {
		t.Errorf("%+v", sum)
	}
}

// TestResume: a run that was stopped, and whose last line was cut off, goes on where
// it was, and ends with the rows of one that was not.
func TestResume(t *testing.T) {
	w := newWorld()
	for i := range 40 {
		w.add(fmt.Sprintf("item-%02d", i), "Red mug", fmt.Sprintf("red mug %s", strings.Repeat("b", i+1)), "red mug")
	}
	whole, _ := w.judged(t, t.TempDir())
	want, dir := rowsOf(t, whole), t.TempDir()

	ctx, cancel := context.WithCancel(t.Context())
	batches := 0
	w.onImages = func() {
		if batches++; batches == 5 { // both models look: the third batch of pictures
			cancel()
		}
	}
	r := open(t, dir)
	sum, err := capfilt.Run(ctx, w.parts(), capfilt.Defaults(), r, func(capfilt.Progress) {})
	if !errors.Is(err, context.Canceled) || sum.Judged == 40 {
		t.Fatalf("%v after %d", err, sum.Judged)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, capfilt.ReportFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":"item-39","pict`); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	w.onImages, w.captions = nil, 0
	again, second := w.judged(t, dir)
	if w.captions != 40-sum.Judged || second.Judged != 40-sum.Judged {
		t.Errorf("%d captions in the second run, %d rows after %d", w.captions, second.Judged, sum.Judged)
	}
	if got := rowsOf(t, again); !reflect.DeepEqual(got, want) {
		t.Errorf("%d rows, want %d, or they differ", len(got), len(want))
	}
}

// TestChanged: an item with another title or picture is judged anew, one that is
// gone has no row.
func TestChanged(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	for _, id := range []string{"a", "b", "c", "d"} {
		w.add(id, "Red mug", "red mug "+id, "red mug")
	}
	r, _ := w.judged(t, dir)
	_ = r.Close()
	w.add("a", "Blue dress", "red mug a", "red mug")
	w.add("b", "Red mug", "blue dress", "blue dress")
	delete(w.entries, "c")
	again, sum := w.judged(t, dir)
	rows := rowsOf(t, again)
	if sum.Judged != 2 || len(rows) != 3 || !rows["a"].Flagged(capfilt.Mismatch) || !rows["b"].Flagged(capfilt.Mismatch) || len(rows["d"].Flags) > 0 {
		t.Errorf("%+v\n%+v", sum, rows)
	}
}

// TestOtherReport: nothing is mixed, and nothing but a report is taken for one.
func TestOtherReport(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	w.add("a", "Red mug", "red mug", "red mug")
	w.judged(t, dir)
	o := capfilt.Defaults()
	o.Samples = 1
	if _, err := capfilt.OpenReport(dir, made(o), false, false); !errors.Is(err, capfilt.ErrOther) || !strings.Contains(err.Error(), "--restart") {
		t.Errorf("other settings: %v", err)
	}
	r, err := capfilt.OpenReport(dir, made(o), true, false)
	if err != nil {
		t.Fatal(err)
	}
	if rows := rowsOf(t, r); len(rows) != 0 || r.Close() != nil {
		t.Errorf("--restart kept %d rows", len(rows))
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, capfilt.ReportFile), []byte("{\"id\":\"x\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := capfilt.OpenReport(other, made(o), false, false); err == nil || !strings.Contains(err.Error(), "not a report") {
		t.Errorf("another file: %v", err)
	}
}

// TestReadOnly: looking at a report makes nothing.
func TestReadOnly(t *testing.T) {
	w, dir := newWorld(), filepath.Join(t.TempDir(), "none")
	w.add("a", "Red mug", "red mug", "red mug")
	r, err := capfilt.OpenReport(dir, made(capfilt.Defaults()), false, true)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := capfilt.Left(t.Context(), w, r)
	if err != nil || sum.Items != 1 || sum.Left != 1 || r.Close() != nil {
		t.Errorf("%+v %v", sum, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made")
	}
}

// TestApply: kept captions become attributes of items that are still as they were
// judged, whose versions stay; nobody's word is overwritten.
func TestApply(t *testing.T) {
	w := newWorld()
	key := w.add("untitled", "", "red mug", "red mug")
	w.add("titled", "Red mug", "red mug", "red mug")
	w.add("declined", "", "red hat", "red hat")
	w.add("own", "", "red sock", "red sock")
	w.add("moved", "", "red bear", "red bear")
	set := func(id string, change func(*store.Entry)) {
		e := w.entries[id]
		change(&e)
		w.entries[id] = e
	}
	set("declined", func(e *store.Entry) { e.Item.Attributes = map[string]any{store.AttributeCaptionOf: e.Picture} })
	set("own", func(e *store.Entry) { e.Item.Attributes = map[string]any{store.AttributeCaption: "ours"} })
	r, sum := w.judged(t, t.TempDir())
	if sum.Kept != 4 {
		t.Errorf("%+v", sum)
	}
	set("moved", func(e *store.Entry) { e.Picture = key })
	if n, err := r.Apply(t.Context(), catalogue{w}, "filter", true); err != nil || n != 1 || w.entries["untitled"].Item.Caption() != "" {
		t.Errorf("dry: %d %v", n, err)
	}
	for _, want := range []int{1, 0} { // the second time there is nothing to do
		if n, err := r.Apply(t.Context(), catalogue{w}, "filter", false); err != nil || n != want {
			t.Errorf("%d %v, want %d", n, err, want)
		}
	}
	e := w.entries["untitled"]
	hash, err := e.Item.ContentHash("filter", key)
	if e.Item.Caption() != "red mug" || e.Item.Version != 7 || !e.Item.UpdatedAt.IsZero() || err != nil || hash != e.ContentHash {
		t.Errorf("%+v", e)
	}
	for id, want := range map[string]string{"titled": "", "declined": "", "own": "", "moved": ""} {
		if got := w.entries[id].Item.Caption(); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
}

func TestOptions(t *testing.T) {
	if err := capfilt.Defaults().Check(); err != nil {
		t.Error(err)
	}
	err := capfilt.Options{Margin: -1, MaxDoubt: 2}.Check()
	for _, word := range []string{"--samples", "--top-p", "--min-match", "--max-doubt", "--margin", "--alike", "--placeholder"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not name %s", err, word)
		}
	}
}
