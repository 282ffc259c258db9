package worker

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"sightline/store"
)

// object is a JSON object whose values are not read yet.
type object = map[string]json.RawMessage

// merge lays a JSON merge patch (RFC 7396) over an item's JSON. Names that are
// not fields of an item are attributes, as store.Item reads them. named are the
// item's fields that the patch has, "attributes" not among them. A field that is
// wrong is said as a *store.ItemError.
func merge(item store.Item, patch json.RawMessage) (merged store.Item, named object, err error) {
	var changes object
	if err := json.Unmarshal(patch, &changes); err != nil || changes == nil {
		return item, nil, fmt.Errorf(`item %q: the patch must be a JSON object such as {"price": 9.5}`, item.ID)
	}
	named, attributes, problem := split(item.ID, changes)
	if problem != nil {
		return item, nil, &store.ItemError{ID: item.ID, Fields: []store.FieldError{*problem}}
	}
	data, err := overlaid(item, named, attributes)
	if err != nil {
		return item, nil, fmt.Errorf("patch item %q: %w", item.ID, err)
	}
	if err := json.Unmarshal(data, &merged); err != nil {
		return item, nil, err
	}
	return merged, named, merged.Validate()
}

// attributePatch is what a patch says of attributes.
type attributePatch struct {
	clear bool // of all that the item has
	set   object
}

// split tells the item's own fields from attributes.
func split(id string, changes object) (fields object, attributes attributePatch, problem *store.FieldError) {
	if raw, ok := changes["attributes"]; ok {
		attributes.clear = isNull(raw)
		if json.Unmarshal(raw, &attributes.set) != nil {
			return nil, attributes, &store.FieldError{Field: "attributes", Problem: "must be an object of names and values"}
		}
	}
	if attributes.set == nil {
		attributes.set = object{}
	}
	own := fieldNames()
	fields = object{}
	for name, raw := range changes {
		_, twice := attributes.set[name]
		switch {
		case name == "attributes":
		case name == "id":
			if given := ""; json.Unmarshal(raw, &given) != nil || given != id {
				return nil, attributes, &store.FieldError{Field: name, Problem: "cannot be changed; delete the item and put one of the other id"}
			}
		case own[name]:
			fields[name] = raw
		case twice:
			return nil, attributes, &store.FieldError{Field: name, Problem: "is given both at the top level and under attributes; keep one"}
		default:
			attributes.set[name] = raw
		}
	}
	return fields, attributes, nil
}

// overlaid is the item's JSON with the patch laid over it.
func overlaid(item store.Item, fields object, attributes attributePatch) ([]byte, error) {
	data, err := json.Marshal(item)
	if err != nil {
		return nil, err
	}
	var target object
	if err := json.Unmarshal(data, &target); err != nil {
		return nil, err
	}
	kept := object{}
	if raw, ok := target["attributes"]; ok && !attributes.clear {
		if err := json.Unmarshal(raw, &kept); err != nil {
			return nil, err
		}
	}
	overlay(kept, attributes.set)
	overlay(target, fields)
	if target["attributes"], err = json.Marshal(kept); err != nil {
		return nil, err
	}
	return json.Marshal(target)
}

// overlay needs no recursion: no value of an item is an object but attributes,
// and none of those; store.Item refuses what is.
func overlay(target, patch object) {
	for name, raw := range patch {
		if isNull(raw) {
			delete(target, name)
		} else {
			target[name] = raw
		}
	}
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// fieldNames are the JSON names of an item's own fields.
func fieldNames() map[string]bool {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[store.Item]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}
