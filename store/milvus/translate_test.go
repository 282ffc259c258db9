package milvus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sightline/store"
	"sightline/store/filter"
	"sightline/store/storetest"
)

// nasty texts try to leave their literals, or are special to LIKE, to one of
// the lexers, or to the order of texts.
var nasty = []string{
	"", "a", "A", "ab", "b", `"`, `\`, `\"`, `" or id != "`, `"] or id in ["`, `x" and "y`, "'", "%", "_", "a%", "a_", "50 %", "$meta", "]", ")",
	"a\nb", "a\rb", "a\tb", "a\x00b", "\x7f", "ä", "日本語", "👟", "\U0010ffff", "a\U0010ffff", "\ufffd", "\ue000", "\ud7ff", "O", "N", overflowing, "not", "true", "0", "-1", `\n`, `\u0041`, "\u2028",
}

// idOf makes a text a valid id.
func idOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, "i"+text)
}

func TestNastyIDs(t *testing.T) {
	x := newIndex(t, 2, func(o *Options) { o.FlushRows = 20 })
	var ids []string
	for _, text := range nasty {
		ids = append(ids, idOf(text))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		mustUpsert(t, x, store.Entry{Item: store.Item{ID: id, Version: 3}, Embedding: []float32{1, 0}})
	}
	for i, id := range ids {
		if got, err := x.Get(t.Context(), []string{id}); err != nil || len(got) != 1 || got[0].Item.ID != id {
			t.Errorf("get %q: %v, %v", id, got, err)
		}
		others := slices.Delete(slices.Clone(ids), i, i+1)
		if got := mustSearch(t, x, store.Query{Embedding: []float32{1, 0}, K: 100, Exclude: []string{id}}); !slices.Equal(got, others) {
			t.Errorf("without %q: %q", id, got)
		}
		page, err := x.Scan(t.Context(), id, 100, nil)
		if err != nil || len(page) != len(ids)-i-1 {
			t.Errorf("behind %q: %d items, %v", id, len(page), err)
		}
	}
	for i, id := range ids {
		if n, err := x.Delete(t.Context(), []string{id, id + `", "i", "`, id + `"] or id not in ["`, "\xff"}); err != nil || n != 1 {
			t.Fatalf("delete %q: %d, %v", id, n, err)
		}
		mustUpsert(t, x, store.Entry{Item: store.Item{ID: id, Version: 2}, Embedding: []float32{1, 0}}) // the tombstone is above
		if n, err := x.Count(t.Context(), nil); err != nil || n != len(ids)-i-1 {
			t.Fatalf("after deleting %q: %d items, %v", id, n, err)
		}
	}
}

func TestScanBehindBytes(t *testing.T) {
	x := newIndex(t, 2, nil)
	for _, id := range []string{"a", "ab", "aé", "b"} {
		mustUpsert(t, x, store.Entry{Item: store.Item{ID: id}, Embedding: []float32{1, 0}})
	}
	for after, want := range map[string]int{"a\xff": 1, "a\xc3": 2, "\xff": 0, "a\ufffd": 1, "a\x00": 3} {
		if page, err := x.Scan(t.Context(), after, 10, nil); err != nil || len(page) != want {
			t.Errorf("behind %q: %d items, %v; want %d", after, len(page), err, want)
		}
	}
}

// TestTranslation holds the conditions that Milvus Lite answers against
// filter.Match, over items and filters made of nasty texts.
func TestTranslation(t *testing.T) {
	x := newIndex(t, 2, func(o *Options) { o.FlushRows = 150 })
	items := make(map[string]*store.Item)
	draw := rapid.Custom(drawNasty)
	var batch []store.Entry
	for i := range 200 {
		it := draw.Example(i)
		it.ID = fmt.Sprintf("%d%s", i, idOf(nasty[i%len(nasty)]))
		items[it.ID] = &it
		batch = append(batch, store.Entry{Item: it, Embedding: []float32{1, 0}})
	}
	mustUpsert(t, x, batch...)
	setChecks(t, "200")
	rapid.Check(t, func(rt *rapid.T) {
		e := drawFilter(rt, 2)
		s := translate(e)
		over, under := idsWhere(rt, x, s.over), idsWhere(rt, x, s.under)
		for id, it := range items {
			if matches := it.Matches(e); matches && !over[id] || under[id] && !matches {
				rt.Fatalf("%+v:\nitem %+v matches: %v\nover  %v %s\nunder %v %s", e, *it, matches, over[id], s.over, under[id], s.under)
			}
		}
	})
}

func idsWhere(t *rapid.T, x *Index, c cond) map[string]bool {
	found := make(map[string]bool)
	err := x.visit(x.server.base, c, []string{colID}, place{hint: 1000}, func(r row) bool { found[r.id] = true; return true })
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	return found
}

func text(t *rapid.T) string { return rapid.SampledFrom(nasty).Draw(t, "text") }

var drawnTimes = []time.Time{
	{},
	time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 14*3600)),
	time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	time.Date(1969, 12, 31, 23, 59, 59, 5, time.UTC), time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), time.Date(2026, 1, 31, 12, 0, 0, 1, time.UTC),
}

var drawnNumbers = []float64{0, 0.1, 1, 2, 1e21, 5e-324, 1.7976931348623157e308, 19.99}

func drawNasty(t *rapid.T) store.Item {
	it := storetest.DrawItem(t, "x", rapid.SampledFrom([]int64{0, 1, 2, 1<<53 + 1, 1<<63 - 1}).Draw(t, "version"))
	it.Brand, it.Category, it.Title = text(t), text(t), text(t)
	it.UpdatedAt = rapid.SampledFrom(drawnTimes).Draw(t, "at")
	if rapid.Bool().Draw(t, "priced") {
		it.Price = new(rapid.SampledFrom(drawnNumbers).Draw(t, "price"))
	}
	it.Attributes["nasty"] = text(t)
	it.Attributes["list"] = rapid.SliceOfN(rapid.SampledFrom(nasty), 0, 4).Draw(t, "list")
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 { // too many tokens for the column
		for i := range 8 {
			values := make([]string, 256)
			for j := range values {
				values[j] = fmt.Sprint(i, "/", j)
			}
			it.Attributes[fmt.Sprint("many", i)] = values
		}
	}
	return it
}

func drawFilter(t *rapid.T, depth int) filter.Expr {
	kind := rapid.IntRange(0, 8).Draw(t, "kind")
	switch {
	case kind == 0 && depth > 0:
		return filter.And{Kids: []filter.Expr{drawFilter(t, depth-1), drawFilter(t, depth-1)}}
	case kind == 1 && depth > 0:
		return filter.Or{Kids: []filter.Expr{drawFilter(t, depth-1), drawFilter(t, depth-1)}}
	case kind == 2 && depth > 0:
		return filter.Not{Kid: drawFilter(t, depth-1)}
	case kind == 3:
		return storetest.DrawFilter(t)
	}
	return drawCondition(t, kind)
}

var drawnFields = []string{"id", "brand", "category", "title", "price", "version", "updated_at", "attributes.nasty", "attributes.list", "attributes.size", "attributes.many3", "attributes.none"}

func drawCondition(t *rapid.T, kind int) filter.Expr {
	field := rapid.SampledFrom(drawnFields).Draw(t, "field")
	switch kind {
	case 4:
		return filter.Exists{Field: field}
	case 5:
		return filter.Prefix{Field: field, Text: text(t)}
	case 6:
		texts := rapid.SliceOfNDistinct(rapid.SampledFrom(append([]string{"3/7"}, nasty...)), 1, 3, rapid.ID[string]).Draw(t, "texts")
		slices.Sort(texts)
		return filter.Contains{Field: field, Values: texts, All: len(texts) > 1 && rapid.Bool().Draw(t, "all")}
	case 7:
		return filter.Compare{Field: field, Op: filter.Order(rapid.IntRange(1, 4).Draw(t, "order")), Value: value(t, field)}
	}
	values := []filter.Value{value(t, field)}
	if v := values[0]; v.Type == filter.String { // sorted, as the parser leaves them
		values = append(values, filter.Value{Type: filter.String, Text: v.Text + "0"})
	}
	return filter.In{Field: field, Values: values, Not: rapid.Bool().Draw(t, "not")}
}

func value(t *rapid.T, field string) filter.Value {
	kind := filter.FieldType(field)
	if kind == 0 {
		kind = rapid.SampledFrom([]filter.Type{filter.String, filter.Number}).Draw(t, "type")
	}
	switch kind {
	case filter.Number:
		return filter.Value{Type: kind, Number: rapid.SampledFrom(append(drawnNumbers, -1, -5e-324, 4, 42)).Draw(t, "number")}
	case filter.Int:
		return filter.Value{Type: kind, Int: rapid.SampledFrom([]int64{-1 << 63, -1, 0, 1, 2, 1 << 53, 1<<53 + 1, 1<<63 - 1}).Draw(t, "int")}
	case filter.Time:
		return filter.Value{Type: kind, Time: rapid.SampledFrom(drawnTimes).Draw(t, "time").UTC()}
	}
	return filter.Value{Type: filter.String, Text: text(t)}
}

// FuzzCondition: whatever the text, what is sent has the words of our grammar
// and literals only, and the text is one of the literals.
func FuzzCondition(f *testing.F) {
	for i, text := range nasty {
		f.Add(text, i)
	}
	f.Fuzz(func(t *testing.T, text string, kind int) {
		field := drawnFields[uint(kind)%uint(len(drawnFields))]
		v := filter.Value{Type: filter.String, Text: text}
		exprs := []filter.Expr{
			filter.In{Field: field, Values: []filter.Value{v}},
			filter.In{Field: field, Values: []filter.Value{v}, Not: true},
			filter.Compare{Field: field, Op: filter.Less, Value: v},
			filter.Prefix{Field: field, Text: text},
			filter.Contains{Field: field, Values: []string{text}},
			filter.Exists{Field: "attributes." + text},
		}
		s := translate(filter.Not{Kid: filter.Or{Kids: exprs}})
		for _, c := range []cond{s.over, s.under, in(colID, []string{text, "x"}), compare(colID, ">", quote(validPrefix(text)))} {
			checkGrammar(t, string(c))
		}
		if utf8.ValidString(text) {
			if back, err := strconv.Unquote(quote(text)); err != nil || back != text {
				t.Fatalf("%q is read as %q, %v", quote(text), back, err)
			}
		}
	})
}

var words = map[string]bool{
	"and": true, "or": true, "not": true, "in": true, "like": true, "": true,
	colID: true, colPrice: true, colVersion: true, colSecond: true, colNano: true, colTokens: true,
	"brand": true, "category": true,
}

// checkGrammar takes literals out, as both lexers would, and looks at the rest.
func checkGrammar(t *testing.T, expression string) {
	t.Helper()
	if !utf8.ValidString(expression) {
		t.Fatalf("%q is not UTF-8", expression)
	}
	var rest strings.Builder
	for i := 0; i < len(expression); i++ {
		if expression[i] != '"' {
			rest.WriteByte(expression[i])
			continue
		}
		for i++; expression[i] != '"'; i++ { // panics where a literal has no end
			if expression[i] == '\n' || expression[i] == '\r' {
				t.Fatalf("%q: a line ends in a literal", expression)
			}
			if expression[i] == '\\' {
				if i++; !strings.ContainsRune(`"\nrt`, rune(expression[i])) {
					t.Fatalf("%q: escape %q", expression, expression[i])
				}
			}
		}
	}
	for _, word := range strings.FieldsFunc(rest.String(), func(r rune) bool { return strings.ContainsRune(" ()[],=!<>", r) }) {
		if _, err := strconv.ParseFloat(word, 64); err != nil && !words[word] {
			t.Fatalf("%s: the word %q is not ours", expression, word)
		}
	}
}
