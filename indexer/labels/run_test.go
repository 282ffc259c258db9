package labels_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sightline/indexer/labels"
	"sightline/store"
)

func colours() labels.Set {
	return labels.Set{
		{Name: "red", Texts: []string{"red"}, Group: "colour"},
		{Name: "blue", Texts: []string{"blue"}, Group: "colour", Action: labels.Flag},
		{Name: "toy", Texts: []string{"bear", "ball"}, Action: labels.Hide},
	}
}

func TestRun(t *testing.T) {
	w := newWorld(t)
	w.add("bear", "red", "bear")
	w.add("hat", "blue", "hat")
	w.add("cup", "green", "cup")
	before := w.entry("bear")
	sum := w.run(colours())
	want := labels.Summary{Items: 3, Scored: 3, Labels: map[string]int{"red": 1, "blue": 1, "toy": 1}, Flagged: 1, Hidden: 1, Failures: []labels.Failure{}}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("%+v", sum)
	}
	for id, want := range map[string]string{"bear": "red,toy", "hat": "blue", "cup": ""} {
		if got := w.labels(id); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
	after := w.entry("bear")
	hash, err := after.Item.ContentHash(w.fingerprint, after.Picture)
	if err != nil || after.ContentHash != hash || after.Item.Version != before.Item.Version || !after.Item.UpdatedAt.Equal(before.Item.UpdatedAt) {
		t.Errorf("%+v, before %+v", after, before)
	}
	// What is done about labels is not what they are.
	shown := colours()
	shown[2].Action = labels.None
	for name, set := range map[string]labels.Set{"again": colours(), "other actions": shown} {
		if sum := w.run(set); sum.Scored != 0 || sum.Labels["red"] != 1 || w.projected.Load() != 3 {
			t.Errorf("%s: %+v", name, sum)
		}
	}
}

// TestRunAnew: another text, threshold, model or picture is judged anew; what somebody
// has corrected is not, as long as it has the picture.
func TestRunAnew(t *testing.T) {
	w := newWorld(t)
	w.add("bear", "red", "bear")
	w.add("hat", "blue", "hat")
	w.run(colours())
	e := w.entry("hat")
	e.Item.Attributes[store.AttributeLabels] = []string{"toy"}
	w.write(e)
	strict := colours()
	strict[0].Threshold = 5
	if sum := w.run(strict); sum.Scored != 1 || sum.ByHand != 1 || sum.Hidden != 2 || w.labels("bear") != "toy" || w.labels("hat") != "toy" {
		t.Errorf("another threshold: %+v, %q, %q", sum, w.labels("bear"), w.labels("hat"))
	}
	words := colours()
	words[0].Texts = []string{"red", "bear"}
	if sum := w.run(words); sum.Scored != 1 || w.labels("bear") != "red,toy" {
		t.Errorf("another text: %+v", sum)
	}
	w.add("hat", "red", "hat") // as a PUT without labels of another picture
	if sum := w.run(words); sum.Scored != 1 || sum.ByHand != 0 || w.labels("hat") != "red" {
		t.Errorf("another picture: %+v %q", sum, w.labels("hat"))
	}
	w.fingerprint = "model-2"
	if sum := w.run(words); sum.Scored != 2 {
		t.Errorf("another model: %+v", sum)
	}
	words[1].Model = "model-1"
	if _, err := labels.NewScorer(words, w, false); err == nil || !strings.Contains(err.Error(), "calibrate") {
		t.Errorf("a threshold of another model: %v", err)
	}
	if _, err := labels.NewScorer(words, w, true); err != nil {
		t.Errorf("… to be fitted anew: %v", err)
	}
}

// TestRunStopped: what a stopped run has written stays, and the next one ends as one
// that was not stopped.
func TestRunStopped(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.add(fmt.Sprintf("item-%03d", i), []string{"red", "blue", "green"}[i%3])
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.onProject = func() error {
		if w.projected.Load() == 50 {
			cancel()
		}
		return nil
	}
	sum, err := labels.Run(ctx, w.parts(colours()), false, func(labels.Progress) {})
	if !errors.Is(err, context.Canceled) || sum.Scored != 32 || sum.Items != 51 {
		t.Fatalf("%+v %v", sum, err)
	}
	w.onProject = nil
	dry, err := labels.Run(t.Context(), w.parts(colours()), true, func(labels.Progress) {})
	if err != nil || dry.Left != 68 || dry.Scored != 0 {
		t.Errorf("%+v %v", dry, err)
	}
	var last labels.Progress
	sum, err = labels.Run(t.Context(), w.parts(colours()), false, func(p labels.Progress) { last = p })
	if err != nil || sum.Scored != 68 || sum.Labels["red"] != 34 || sum.Labels["blue"] != 33 || last.Done != 100 || last.Of != 100 {
		t.Errorf("%+v %v %+v", sum, err, last)
	}
}

// TestRunFailures: an item that cannot be judged fails alone, and one whose patch states
// are lost is read anew.
func TestRunFailures(t *testing.T) {
	w := newWorld(t)
	lost, gone, full := w.add("lost", "red"), w.add("gone", "red"), store.Item{ID: "full", Attributes: map[string]any{}}
	for i := range 127 {
		full.Attributes[fmt.Sprintf("a%d", i)] = true
	}
	w.put(full, "red")
	w.states[lost.Picture], w.states[gone.Picture], w.gone[gone.Picture] = false, false, true
	sum := w.run(colours())
	if sum.Failed != 2 || sum.Scored != 1 || w.labels("lost") != "red" || len(sum.Failures) != 2 {
		t.Errorf("%+v", sum)
	}
	for _, f := range sum.Failures {
		if want := map[string]string{"gone": "cannot be read", "full": "too many attributes"}[f.ID]; want == "" || !strings.Contains(f.Reason, want) {
			t.Errorf("%+v", f)
		}
	}
	w.onProject = func() error { return errors.New("the device is gone") }
	w.add("new", "red")
	if _, err := labels.Run(t.Context(), w.parts(colours()), false, func(labels.Progress) {}); err == nil || !strings.Contains(err.Error(), "the device is gone") {
		t.Errorf("a broken model: %v", err)
	}
}

// TestRunBesideWrites: what another program has changed since it was read is not
// written over.
func TestRunBesideWrites(t *testing.T) {
	w := newWorld(t)
	w.add("a", "red")
	w.add("b", "red")
	w.add("c", "red")
	done := false
	w.onProject = func() error {
		if done {
			return nil
		}
		done = true
		e := w.entry("a")
		e.Item.Title = "Another"
		w.write(e)
		w.add("b", "blue")
		_, err := w.index.Delete(t.Context(), []string{"c"})
		return err
	}
	if sum := w.run(colours()); sum.Scored != 1 || w.entry("a").Item.Title != "Another" || w.labels("a") != "red" || w.labels("b") != "" {
		t.Errorf("%+v", sum)
	}
	if sum := w.run(colours()); sum.Items != 2 || sum.Scored != 1 || w.labels("b") != "blue" {
		t.Errorf("%+v", sum)
	}
}

func TestScorerRefuses(t *testing.T) {
	w := newWorld(t)
	set := labels.Set{{Name: "a", Texts: []string{" "}}, {Name: "b", Texts: []string{"one two three four five six seven"}}, {Name: "c", Texts: []string{"red", "a xylophone"}}}
	_, err := labels.NewScorer(set, w, false)
	if err == nil || !strings.Contains(err.Error(), `"a": the text " " has no words`) || !strings.Contains(err.Error(), `"b": the text "one`) {
		t.Errorf("%v", err)
	}
	s, err := labels.NewScorer(set[2:], w, false)
	if err != nil || !reflect.DeepEqual(s.Unknown(1), []string{"a xylophone"}) {
		t.Errorf("%v %v", s, err)
	}
}

// TestManyTexts: they are judged some at a time, and each for its own label.
func TestManyTexts(t *testing.T) {
	w := newWorld(t)
	e := w.add("a", "word40", "word3")
	var set labels.Set
	for i := range 60 {
		set = append(set, labels.Label{Name: fmt.Sprint(i), Texts: []string{"none", fmt.Sprintf("word%d", i)}})
	}
	w.run(set)
	if got := w.labels("a"); got != "3,40" {
		t.Errorf("%q of %v", got, e.Item)
	}
	margins, err := labels.Of(t.Context(), w.parts(set), "a")
	if err != nil || margins[3] != 4 || margins[4] != -4 {
		t.Errorf("%v %v", margins, err)
	}
	if _, err := labels.Of(t.Context(), w.parts(set), "b"); err == nil || !strings.Contains(err.Error(), "no item") {
		t.Errorf("%v", err)
	}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	w.add("a", "red", "ball")
	w.add("b", "green")
	w.add("c", "blue")
	w.run(colours())
	e := w.entry("c")
	e.Item.Attributes[store.AttributeLabels] = []string{"toy"}
	w.write(e)
	for names, want := range map[string]string{"": "a c*", "red": "a", "toy": "a c*", "blue": ""} {
		var got []string
		var only []string
		if names != "" {
			only = []string{names, names}
		}
		err := labels.List(t.Context(), w.index, only, func(l labels.Listed) error {
			mark := map[bool]string{true: "*"}[l.ByHand]
			got = append(got, l.ID+mark)
			return nil
		})
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %q, %v", names, got, want, err)
		}
	}
}

// TestCalibrate: thresholds of a model that knows, of one label that nobody can tell and
// of one that is too rare; variants stay on one side.
func TestCalibrate(t *testing.T) {
	w := newWorld(t)
	set := append(colours(), labels.Label{Name: "rare", Texts: []string{"gold"}}, labels.Label{Name: "any", Texts: []string{"thing"}})
	var truth []labels.Truth
	for i := range 400 {
		id, colour := fmt.Sprintf("item-%03d", i), []string{"red", "blue"}[i%2]
		w.put(store.Item{ID: id, GroupID: fmt.Sprintf("group-%d", i/4)}, colour)
		names := []string{colour}
		if i%4 < 2 {
			names = append(names, "any")
		}
		truth = append(truth, labels.Truth{ID: id, Labels: names})
	}
	truth = append(truth, labels.Truth{ID: "nobody", Labels: []string{}})
	truth[0].Judged = []string{"red"}
	truth[0].Labels = []string{"red"}
	c, err := labels.Calibrate(t.Context(), w.parts(set), truth, labels.Fitting{Precision: 0.9, HoldOut: 0.5}, func(labels.Progress) {})
	if err != nil || c.Fitted+c.Held != 400 || c.Fitted < 120 || c.Held < 120 || c.Missing != 1 || c.Unknown[0] != "nobody" || c.Model != w.fingerprint {
		t.Fatalf("%+v %v", c, err)
	}
	red := c.Labels[0]
	if red.Problem != "" || red.Label.Model != w.fingerprint || red.Held.Right != red.Held.True || red.Held.Given != red.Held.Right || red.Held.Pictures != c.Held {
		t.Errorf("red: %+v", red)
	}
	if p := c.Labels[3].Problem; !strings.Contains(p, "true of 0") {
		t.Errorf("rare: %q", p)
	}
	if p := c.Labels[4].Problem; !strings.Contains(p, "no threshold has a precision of 0.9") {
		t.Errorf("any: %q", p)
	}
	text := c.YAML()
	for _, want := range []string{"labels:\n", `name: "red"`, `texts: ["red"]`, `group: "colour"`, "action: flag", `model: "model-1"`, `left out: "rare"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	groups := map[string]bool{}
	for i := range 400 {
		it := w.entry(fmt.Sprintf("item-%03d", i)).Item
		held := labels.HeldOut(it, 0.5)
		if was, seen := groups[it.GroupID]; seen && was != held {
			t.Errorf("%s is on both sides", it.GroupID)
		}
		groups[it.GroupID] = held
	}
	for _, f := range []labels.Fitting{{Precision: -1, HoldOut: 0.5}, {Precision: 1.1, HoldOut: 0.5}, {HoldOut: 0}, {HoldOut: 1}} {
		if f.Check() == nil {
			t.Errorf("%+v passes", f)
		}
	}
}
