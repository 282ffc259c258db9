package catalogue_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sightline/demo/catalogue"
)

var splits = []catalogue.Split{catalogue.Train, catalogue.Val, catalogue.Demo, catalogue.Test}

// Whatever the seed: a caption is true of its picture, its negatives are not,
// and every word has an id.
func TestCaptionsAreTrueAndNegativesFalse(t *testing.T) {
	w, words := catalogue.NewWorld(), catalogue.NewTokenizer()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(splits).Draw(t, "split")
		pictures := w.Plan(s, 12, rapid.Uint64().Draw(t, "seed"))
		for _, p := range pictures {
			captions := w.Captions(s, p, 6, 4)
			if len(captions) < 3 {
				t.Fatalf("%s has %d captions", p.ID, len(captions))
			}
			for _, c := range captions {
				checkText(t, words, c.Text, p.Record, true)
				for _, n := range c.Negatives {
					checkText(t, words, n, p.Record, false)
				}
			}
			checkTitle(t, words, w.Product(p).Title)
		}
	})
}

func checkText(t *rapid.T, words *catalogue.Tokenizer, text catalogue.Text, r catalogue.Record, want bool) {
	if got := catalogue.Matches(text.Spec, r); got != want {
		t.Fatalf("%q is %v of %+v", text.Text, got, r)
	}
	ids, err := words.Encode(text.Text)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) > 22 {
		t.Fatalf("%q has %d words; with [CLS] and [SEP] that is over 24", text.Text, len(ids))
	}
}

func checkTitle(t *rapid.T, words *catalogue.Tokenizer, title string) {
	if _, err := words.Encode(strings.ToLower(title)); err != nil {
		t.Fatalf("title: %v", err)
	}
}

func TestNegativesAreOfEveryKind(t *testing.T) {
	w := catalogue.NewWorld()
	captions, negatives := map[string]int{}, map[string]int{}
	full, all := 0, 0
	for _, p := range w.Plan(catalogue.Train, 2000, 3) {
		for _, c := range w.Captions(catalogue.Train, p, 8, 4) {
			captions[c.Kind]++
			all++
			if len(c.Negatives) >= 3 {
				full++
			}
			for _, n := range c.Negatives {
				negatives[n.Kind]++
			}
		}
	}
	for _, kind := range []string{catalogue.KindShort, catalogue.KindBinding, catalogue.KindSet, catalogue.KindRelation, catalogue.KindCount} {
		if captions[kind] < all/25 {
			t.Errorf("%d of %d captions are %s", captions[kind], all, kind)
		}
	}
	for kind, least := range map[string]int{"colour": all / 2, "pattern": all / 10, "left_right": all / 12, "attribute": all, "count": all / 20, "relation": all / 200} {
		if negatives[kind] < least {
			t.Errorf("%d negatives are %s, for %d captions", negatives[kind], kind, all)
		}
	}
	if full*100 < all*80 {
		t.Errorf("%d of %d captions have three negatives", full, all)
	}
}

func TestWordingsOfOneSpecAreTheSame(t *testing.T) {
	w := catalogue.NewWorld()
	texts := map[string]map[string]bool{}
	for _, p := range w.Plan(catalogue.Test, 1500, 4) {
		for _, c := range w.Captions(catalogue.Test, p, 6, 0) {
			key, err := json.Marshal(c.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if texts[string(key)] == nil {
				texts[string(key)] = map[string]bool{}
			}
			texts[string(key)][c.Text.Text] = true
		}
	}
	several := 0
	for _, of := range texts {
		if len(of) > 1 {
			several++
		}
	}
	if several < 300 {
		t.Errorf("only %d specs are said in more than one way", several)
	}
}

func TestVocabulary(t *testing.T) {
	words := catalogue.Vocabulary()
	if want := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", "[ENC]"}; !slices.Equal(words[:6], want) {
		t.Errorf("the vocabulary begins %v", words[:6])
	}
	for i, w := range words {
		if slices.Contains(words[:i], w) {
			t.Errorf("%q is listed twice", w)
		}
		if i >= 6 && w != "," && strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is no plain word", w)
		}
	}
	schema := catalogue.NewSchema()
	if len(schema.Types) < 40 || len(schema.Colors) != 12 {
		t.Errorf("%d types, %d colours", len(schema.Types), len(schema.Colors))
	}
	for _, k := range schema.Types {
		if len(k.Parts) < 1 || len(k.Parts) > 2 {
			t.Errorf("%s has %d parts beside its body", k.Name, len(k.Parts))
		}
	}
	if _, err := catalogue.NewTokenizer().Encode("a red spanner"); err == nil {
		t.Error("an unknown word was taken")
	}
}

func TestQueriesKnowTheirAnswers(t *testing.T) {
	t.Parallel()
	w := catalogue.NewWorld()
	pictures := w.Plan(catalogue.Test, 5000, 1)
	byID := map[string]catalogue.Record{}
	for _, p := range pictures {
		byID[p.ID] = p.Record
	}
	count := map[string]int{}
	for i, q := range w.Queries(catalogue.Test, pictures, 1) {
		count[q.Kind]++
		if !slices.Contains(q.Relevant, q.Picture) {
			t.Errorf("%q: its own picture %s is not relevant", q.Text, q.Picture)
		}
		if q.Swap != nil && catalogue.Matches(q.Swap.Spec, byID[q.Picture]) {
			t.Errorf("%q exchanged to %q is still true", q.Text, q.Swap.Text)
		}
		if i%100 == 0 && !slices.Equal(q.Relevant, bruteForce(t, q.Spec, pictures)) {
			t.Errorf("%q: %d relevant pictures, trying all finds others", q.Text, len(q.Relevant))
		}
	}
	if count["short"] != 300 || count["binding"] != 500 || count["set"]+count["count"] != 300 || count["relation"] != 200 {
		t.Errorf("queries: %v", count)
	}
}

// bruteForce tries every picture by the rule of the package comment.
func bruteForce(t *testing.T, s catalogue.Spec, pictures []catalogue.Picture) []string {
	t.Helper()
	spec, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range pictures {
		record, err := json.Marshal(p.Record)
		if err != nil {
			t.Fatal(err)
		}
		if naive(spec, record) {
			out = append(out, p.ID)
		}
	}
	return out
}

func TestViewsShowTheSame(t *testing.T) {
	w := catalogue.NewWorld()
	pictures := w.Plan(catalogue.Test, 200, 1)
	views := w.Views(pictures, 50, 1)
	if len(views) != 50 {
		t.Fatalf("%d views", len(views))
	}
	r := renderer(t, 64)
	for _, v := range views {
		i := slices.IndexFunc(pictures, func(p catalogue.Picture) bool { return p.ID == v.Relevant[0] })
		if string(r.Draw(v.Record, v.Seed)) == string(renderer(t, 64).Draw(pictures[i].Record, pictures[i].Seed)) {
			t.Errorf("%s is the picture of the catalogue itself", v.Image)
		}
	}
}
