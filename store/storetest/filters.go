package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

func parsed(t *testing.T, text string) filter.Expr {
	t.Helper()
	e, err := filter.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// shelf upserts ten shoes "i00" … with falling cosine to axis(0); some of
// their fields follow from their number.
func shelf(t *testing.T, x store.Index) {
	t.Helper()
	entries := make([]store.Entry, 10)
	for i := range entries {
		price := float64(i)
		e := entry(fmt.Sprintf("i%02d", i), int64(i), between(1-float64(i)/10))
		e.Item.Brand = []string{"Acme", "Bolt", ""}[i%3]
		e.Item.Attributes = map[string]any{"sale": i%2 == 0, "tags": []string{"all", fmt.Sprint("t", i/5), "all"}}
		if i > 0 {
			e.Item.Price = &price
			e.Item.UpdatedAt = time.Date(2026, 1, i, 0, 0, 0, 0, time.FixedZone("", 3600*i))
		}
		if i == 9 {
			e.Item.Attributes["sale"] = "soon"
		}
		entries[i] = e
	}
	mustUpsert(t, x, entries...)
}

// checkFilters has one case for each kind of condition; checkExact has the rest.
func checkFilters(t *testing.T, x store.Index) {
	shelf(t, x)
	mustDelete(t, x, 1, "i06")
	for text, want := range map[string]string{
		`brand = "Acme"`:                      "i00 i03 i09",
		`brand != "Acme"`:                     "i01 i04 i07",
		`NOT brand = "Acme"`:                  "i01 i02 i04 i05 i07 i08",
		`brand MISSING AND price < 6`:         "i02 i05",
		`price < 2 OR price >= 8`:             "i01 i08 i09",
		`price BETWEEN 2 AND 3`:               "i02 i03",
		`version IN (0, 1, 6, 70)`:            "i01",
		`updated_at > "2026-01-07T00:00:00Z"`: "i08 i09",
		`id STARTS WITH "i0"`:                 "i00 i01 i02 i03 i04 i05 i07 i08 i09",
		`title STARTS WITH "i04 at"`:          "i04",
		`sale = true`:                         "i00 i02 i04 i08",
		`sale != true`:                        "i01 i03 i05 i07",
		`sale = "soon"`:                       "i09",
		`tags CONTAINS ALL ("all", "t1")`:     "i05 i07 i08 i09",
		`tags CONTAINS "t0" AND price > 2`:    "i03 i04",
		`colour EXISTS`:                       "",
	} {
		e := parsed(t, text)
		ids := strings.Fields(want)
		wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: 20, Filter: e}), ids...)
		if got, err := x.Count(t.Context(), e); err != nil || got != len(ids) {
			t.Errorf("%s: counted %d, %v; want %d", text, got, err, len(ids))
		}
	}
	if got, err := x.Count(t.Context(), nil); err != nil || got != 9 {
		t.Errorf("no filter: counted %d, %v; want 9", got, err)
	}
}

// checkFilterPages: K, Offset and Exclude count matching items only.
func checkFilterPages(t *testing.T, x store.Index) {
	shelf(t, x)
	q := store.Query{Embedding: axis(0), K: 1, Filter: parsed(t, `brand = "Bolt"`)}
	wantIDs(t, mustSearch(t, x, q), "i01")
	q.Offset, q.K = 1, 2
	wantIDs(t, mustSearch(t, x, q), "i04", "i07")
	q.Exclude = []string{"i00", "i04"}
	wantIDs(t, mustSearch(t, x, q), "i07")
	q.Offset = 2
	wantIDs(t, mustSearch(t, x, q))
}

func checkDeleteWhere(t *testing.T, x store.Index) {
	shelf(t, x)
	_, err := x.DeleteWhere(t.Context(), nil)
	wantError(t, "no filter", err, store.ErrInvalid)
	if err != nil && !strings.Contains(err.Error(), "id EXISTS") {
		t.Errorf("the error does not say how to delete everything: %v", err)
	}
	before := mustStats(t, x)
	for _, step := range []struct {
		text string
		want int
	}{{`brand = "none"`, 0}, {`brand = "Bolt"`, 3}, {`brand = "Bolt"`, 0}} {
		got, err := x.DeleteWhere(t.Context(), parsed(t, step.text))
		if err != nil || got != step.want {
			t.Errorf("%s: deleted %d, %v; want %d", step.text, got, err, step.want)
		}
		if now := mustStats(t, x); (now.Generation > before.Generation) != (step.want > 0) || now.Items != before.Items-step.want {
			t.Errorf("%s: stats %+v after %+v", step.text, now, before)
		}
		before = mustStats(t, x)
	}
	mustUpsert(t, x, entry("i04", 3, axis(0)), entry("i07", 7, axis(0)))
	wantVersions(t, x, map[string]int64{"i01": -1, "i04": -1, "i07": 7, "i00": 0})
	if got, err := x.DeleteWhere(t.Context(), parsed(t, "id EXISTS")); err != nil || got != 8 {
		t.Errorf("everything: deleted %d, %v; want 8", got, err)
	}
}

func checkFacets(t *testing.T, x store.Index) {
	shelf(t, x)
	mustDelete(t, x, 1, "i08")
	fields := []string{"brand", "attributes.sale", "attributes.tags", "attributes.none"}
	for _, c := range []struct {
		text  string
		limit int
		want  map[string][]store.FacetCount
	}{
		{"id EXISTS", 10, map[string][]store.FacetCount{
			"brand":           {{Value: "Acme", Count: 4}, {Value: "Bolt", Count: 3}},
			"attributes.sale": {{Value: false, Count: 4}, {Value: true, Count: 4}, {Value: "soon", Count: 1}},
			"attributes.tags": {{Value: "all", Count: 9}, {Value: "t0", Count: 5}, {Value: "t1", Count: 4}},
			"attributes.none": {},
		}},
		{"price >= 9 OR price < 3", 2, map[string][]store.FacetCount{
			"brand":           {{Value: "Acme", Count: 1}, {Value: "Bolt", Count: 1}},
			"attributes.sale": {{Value: false, Count: 1}, {Value: true, Count: 1}},
			"attributes.tags": {{Value: "all", Count: 3}, {Value: "t0", Count: 2}},
			"attributes.none": {},
		}},
	} {
		got, err := x.Facets(t.Context(), parsed(t, c.text), fields, c.limit)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, %v\nwant %v", c.text, got, err, c.want)
		}
	}
	checkRefusedFacets(t, x)
}

func checkRefusedFacets(t *testing.T, x store.Index) {
	for _, c := range []struct {
		fields []string
		limit  int
	}{
		{[]string{"brand"}, 0},
		{[]string{"brand"}, store.MaxWindow + 1},
		{[]string{"price"}, 1},
		{[]string{"version"}, 1},
		{[]string{"updated_at"}, 1},
		{[]string{"material"}, 1},
		{[]string{""}, 1},
		{slices.Repeat([]string{"brand"}, 65), 1},
	} {
		_, err := x.Facets(t.Context(), nil, c.fields, c.limit)
		wantError(t, fmt.Sprint(c), err, store.ErrInvalid)
	}
}

func checkScan(t *testing.T, x store.Index) {
	shelf(t, x)
	full := fullEntry("Z")
	mustUpsert(t, x, full, entry("ä", 0, axis(1)))
	mustDelete(t, x, 1, "i03")
	for _, c := range []struct {
		after string
		limit int
		text  string
		want  string
	}{
		{"", 3, "id EXISTS", "Z i00 i01"},
		{"i01", 3, "id EXISTS", "i02 i04 i05"},
		{"i03", 1, "id EXISTS", "i04"}, // an id that is no longer there
		{"i08", 10, "id EXISTS", "i09 ä"},
		{"ä", 10, "id EXISTS", ""},
		{"", 2, `brand = "Bolt"`, "i01 i04"},
		{"i04", 2, `brand = "Bolt"`, "i07"},
	} {
		if got := scanned(t, x, c.after, c.limit, parsed(t, c.text)); got != c.want {
			t.Errorf("after %q, %d of %s: %s; want %s", c.after, c.limit, c.text, got, c.want)
		}
	}
	if got := scanned(t, x, "", store.MaxWindow, nil); got != "Z i00 i01 i02 i04 i05 i06 i07 i08 i09 ä" {
		t.Errorf("everything: %s", got)
	}
	got, err := x.Scan(t.Context(), "", 1, nil)
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], full) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, full)
	}
	for _, limit := range []int{-1, 0, store.MaxWindow + 1} {
		_, err := x.Scan(t.Context(), "", limit, nil)
		wantError(t, fmt.Sprint("limit ", limit), err, store.ErrInvalid)
	}
}

func scanned(t *testing.T, x store.Index, after string, limit int, e filter.Expr) string {
	t.Helper()
	entries, err := x.Scan(t.Context(), after, limit, e)
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Item.ID
	}
	return strings.Join(ids, " ")
}

// countOnce counts a group through a filter: all of it is there or nothing.
func countOnce(ctx context.Context, x store.Index) error {
	n, err := x.Count(ctx, filter.Prefix{Field: "id", Text: "g"})
	if err == nil && n != 0 && n != groupSize {
		return fmt.Errorf("count saw a torn write: %d items", n)
	}
	return err
}
