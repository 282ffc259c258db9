package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"sightline/store"
	"sightline/store/filter"
)

// Limits of facets.
const (
	maxFacets          = 10
	defaultFacetValues = 10
	maxFacetValues     = 100 // and ranges
	maxFacetField      = len("attributes.") + 128
)

// Facet asks how many items have which values in a field.
type Facet struct {
	Field  string // as in a filter's tree: "brand", "attributes.material"
	Limit  int    // of values, 1-100; 10 unless asked for
	Ranges []store.Range
	// Hits counts among the candidates that the answer is drawn from instead of
	// among all items that pass the filter.
	Hits bool
	// Multi leaves the filter's own conditions on the field out, as far as AND
	// joins them to the rest: what else could be chosen, and how much that would add.
	Multi bool
}

// numbers says whether the field may hold numbers, texts whether it may hold texts.
func (f Facet) numbers() bool { return filter.FieldType(f.Field) == filter.Number || f.free() }
func (f Facet) texts() bool   { return filter.FieldType(f.Field) == filter.String || f.free() }

func (f Facet) free() bool {
	_, free := filter.Attribute(f.Field)
	return free
}

// facetsInto reads a list of names and of objects.
func facetsInto(dst *[]Facet) reader { return list(dst, maxFacets, readFacet) }

func readFacet(raw json.RawMessage, path string, wrong *Invalid) Facet {
	f := Facet{Limit: defaultFacetValues}
	if raw[0] == '"' {
		into(&f.Field, "the name of a field, in quotes")(raw, path, wrong)
		return f
	}
	var of string
	object(map[string]reader{
		"field": into(&f.Field, "the name of a field, in quotes"), "limit": into(&f.Limit, "a whole number"),
		"ranges": list(&f.Ranges, maxFacetValues, readRange),
		"of":     oneOf(&of, "filter", "hits"), "multi": into(&f.Multi, "true or false"),
	})(raw, path, wrong)
	f.Hits = of == "hits"
	return f
}

func readRange(raw json.RawMessage, path string, wrong *Invalid) store.Range {
	r := store.Range{From: math.Inf(-1), To: math.Inf(1)}
	if raw[0] != '{' {
		wrong.add(path, `must be an object such as {"from": 10, "to": 50}`)
		return r
	}
	object(map[string]reader{"from": into(&r.From, "a number"), "to": into(&r.To, "a number")})(raw, path, wrong)
	return r
}

// facetsText reads names with commas between them, or the JSON form.
func facetsText(dst *[]Facet) setter {
	return func(v string) string {
		var wrong Invalid
		if strings.HasPrefix(strings.TrimSpace(v), "[") {
			raw := bytes.TrimSpace([]byte(v))
			if !json.Valid(raw) {
				return "must be names of fields with commas between them, or valid JSON"
			}
			facetsInto(dst)(raw, "facets", &wrong)
		} else if v != "" {
			for name := range strings.SplitSeq(v, ",") {
				*dst = append(*dst, Facet{Field: strings.TrimSpace(name), Limit: defaultFacetValues})
			}
		}
		if len(wrong.Fields) > 0 {
			return strings.TrimPrefix(wrong.Fields[0].Field+" "+wrong.Fields[0].Detail, "facets")
		}
		return ""
	}
}

// checkFacets is Validate's part for facets.
func (r SearchRequest) checkFacets(wrong *Invalid) {
	if len(r.Facets) > maxFacets {
		wrong.add("facets", "are %d; the limit is %d", len(r.Facets), maxFacets)
		return
	}
	for i, f := range r.Facets {
		path := fmt.Sprintf("facets[%d]", i)
		if problem := textProblem(f.Field, maxFacetField); problem != "" {
			wrong.add(path+".field", "%s", problem)
			continue
		}
		between(wrong, path+".limit", f.Limit, 1, maxFacetValues)
		switch again := slices.IndexFunc(r.Facets, func(o Facet) bool { return o.Field == f.Field }); {
		case !f.texts() && !f.numbers():
			wrong.add(path+".field", "is %q: name price, a field of texts such as brand, or an attribute as attributes.NAME", shorten(f.Field))
		case again < i:
			wrong.add(path+".field", "is the one of facets[%d] too: ask for it once", again)
		case f.Ranges != nil && !f.numbers():
			wrong.add(path+".ranges", "are for numbers, and %s has texts: leave them out", f.Field)
		case f.Hits && f.Multi:
			wrong.add(path+".multi", "is for counts of all items, not for those of hits: leave it out")
		}
		for n, rg := range f.Ranges {
			if !(rg.From < rg.To) {
				wrong.add(fmt.Sprintf("%s.ranges[%d]", path, n), "must have its from below its to")
			}
		}
	}
}
