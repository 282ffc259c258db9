package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"sightline/store"
	"sightline/store/filter"
)

// drawable is a field as text writes it, with few values so that items and
// filters meet.
type drawable struct {
	name   string
	values []any
}

func drawFields() []drawable {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	return []drawable{
		{"id", []any{"a", "b", "h", "p"}},
		{"title", []any{"", "r", "red", "red shoe"}},
		{"brand", []any{"", "A", "Ab", "B"}},
		{"price", []any{0.0, 0.5, 2.0, 1e21}},
		{"version", []any{int64(1), int64(2), int64(5)}},
		{"updated_at", []any{at, at.Add(1), at.Add(time.Hour)}},
		{"size", []any{"", "4", "42", 4.0, 42.0, true}},
		{"sale", []any{true, false}},
		{"tags", []any{"a", "b", ""}},
	}
}

// DrawItem draws an item whose fields are those that DrawFilter asks for, each
// often missing. Its id and version are the caller's.
func DrawItem(t *rapid.T, id string, version int64) store.Item {
	it := store.Item{ID: id, Version: version, Attributes: make(map[string]any)}
	for _, f := range drawFields() {
		v := rapid.SampledFrom(append(f.values, nil)).Draw(t, f.name)
		switch v := v.(type) {
		case float64:
			if f.name == "price" {
				it.Price = &v
				continue
			}
		case time.Time:
			it.UpdatedAt = v.In(time.FixedZone("", 3600))
			continue
		}
		switch f.name {
		case "id", "version", "price", "updated_at":
		case "title":
			it.Title, _ = v.(string)
		case "brand":
			it.Brand, _ = v.(string)
		case "tags":
			it.Attributes["tags"] = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", ""}), 0, 3).Draw(t, "list")
		default:
			if v != nil {
				it.Attributes[f.name] = v
			}
		}
	}
	return it
}

// DrawFilter draws a filter of up to three levels.
func DrawFilter(t *rapid.T) filter.Expr {
	text := drawText(t, 3)
	e, err := filter.Parse(text)
	if err != nil {
		t.Fatalf("drew a filter that is none: %v: %s", err, text)
	}
	return e
}

func drawText(t *rapid.T, depth int) string {
	kind := rapid.SampledFrom([]string{"leaf", "leaf", "NOT", " AND ", " OR "}).Draw(t, "kind")
	switch {
	case kind == "leaf" || depth == 1:
		return drawLeaf(t)
	case kind == "NOT":
		return "NOT (" + drawText(t, depth-1) + ")"
	}
	return "(" + drawText(t, depth-1) + kind + drawText(t, depth-1) + ")"
}

func drawLeaf(t *rapid.T) string {
	f := rapid.SampledFrom(drawFields()).Draw(t, "field")
	value := rapid.SampledFrom(f.values).Draw(t, "value")
	operators := []string{"EXISTS", "MISSING", "= %s", "!= %s", "IN (%s)", "NOT IN (%s)"}
	if _, isBool := value.(bool); !isBool {
		operators = append(operators, "< %s", "<= %s", "> %s", ">= %s")
	}
	switch f.name {
	case "id", "title", "brand", "size":
		if _, isText := value.(string); isText {
			operators = append(operators, "STARTS WITH %s")
		}
	case "tags":
		operators = []string{"EXISTS", "MISSING", "CONTAINS %s", `CONTAINS ANY (%s, "a")`, `CONTAINS ALL (%s, "a")`, "= %s"}
	}
	operator := rapid.SampledFrom(operators).Draw(t, "operator")
	if !strings.Contains(operator, "%s") {
		return f.name + " " + operator
	}
	return f.name + " " + fmt.Sprintf(operator, drawn(t, f, value, operator))
}

// drawn writes one value, or two of a type where a list may stand.
func drawn(t *rapid.T, f drawable, value any, operator string) string {
	text := show(value)
	if !strings.Contains(operator, "IN (") {
		return text
	}
	other := rapid.SampledFrom(f.values).Draw(t, "other")
	if fmt.Sprintf("%T", other) == fmt.Sprintf("%T", value) {
		text += ", " + show(other)
	}
	return text
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only values of this file come here
	}
	return string(text)
}
