package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// UnmarshalJSON reads an item. Top-level names that are not fields of an item
// ("pattern", "material") go into Attributes, so that a shop's own columns
// need no mapping. A null counts as absent. All fields of a wrong type are
// reported at once as an *ItemError; syntax errors are encoding/json's own.
func (it *Item) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil // the convention of encoding/json
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("an item must be a JSON object: %w", err)
	}
	var next Item
	var wrong problems
	for name, raw := range fields {
		next.decodeField(name, raw, &wrong)
	}
	next.takeUnknown(fields, &wrong)
	if err := wrong.err(next.ID); err != nil {
		return err
	}
	*it = next
	return nil
}

func (it *Item) decodeField(name string, raw json.RawMessage, wrong *problems) {
	target := it.field(name)
	switch target := target.(type) {
	case nil:
	case *map[string]any:
		*target = decodeAttributes(raw, wrong)
	case *[]string:
		*target = decodeTexts(name, raw, wrong)
	default:
		if err := json.Unmarshal(raw, target); err != nil {
			wrong.add(name, "must be %s", wanted(target))
		}
	}
}

// takeUnknown runs after all fields are read, since the order of a JSON object
// must not decide which of two values wins.
func (it *Item) takeUnknown(fields map[string]json.RawMessage, wrong *problems) {
	for name, raw := range fields {
		if it.field(name) != nil {
			continue
		}
		value, problem := decodeAttribute(raw)
		_, twice := it.Attributes[name]
		switch {
		case problem != "":
			wrong.add(name, "%s", problem)
		case value == nil:
		case twice:
			wrong.add(name, "is given both at the top level and under attributes; keep one")
		default:
			if it.Attributes == nil {
				it.Attributes = make(map[string]any)
			}
			it.Attributes[name] = value
		}
	}
}

func wanted(target any) string {
	switch target.(type) {
	case *string:
		return "text in quotes"
	case **float64:
		return "a number"
	case *int64:
		return "a whole number"
	case *time.Time:
		return `a time such as "2026-01-31T12:00:00Z"`
	}
	return "another type"
}

func decodeAttributes(raw json.RawMessage, wrong *problems) map[string]any {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		wrong.add("attributes", "must be an object of names and values")
		return nil
	}
	out := make(map[string]any, len(fields))
	for name, raw := range fields {
		value, problem := decodeAttribute(raw)
		if problem != "" {
			wrong.add("attributes."+name, "%s", problem)
		} else if value != nil {
			out[name] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// decodeAttribute returns string, float64, bool or []string; nil for a null.
// raw is one valid JSON value without space around it, as json.RawMessage is.
func decodeAttribute(raw json.RawMessage) (value any, problem string) {
	switch raw[0] {
	case 'n':
		return nil, ""
	case '{':
		return nil, "is an object; give its values as attributes of their own"
	case '[':
		return decodeList(raw)
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, "is not a number that fits 64 bits"
	}
	return value, ""
}

// decodeTexts reads a list of texts; one text is a list of one.
func decodeTexts(name string, raw json.RawMessage, wrong *problems) []string {
	value, problem := decodeAttribute(raw)
	switch value := value.(type) {
	case string:
		return []string{value}
	case []string:
		return value[:len(value):len(value)]
	case nil:
		if problem == "" {
			return nil
		}
	}
	wrong.add(name, "must be a list of texts in quotes")
	return nil
}

func decodeList(raw json.RawMessage) (any, string) {
	var texts []*string
	if err := json.Unmarshal(raw, &texts); err != nil || slices.Contains(texts, nil) {
		return nil, "is a list that holds something other than texts; put its values in quotes"
	}
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = *text
	}
	return list, ""
}

// sortedNames gives messages a fixed order.
func sortedNames(attributes map[string]any) []string {
	return slices.Sorted(maps.Keys(attributes))
}
