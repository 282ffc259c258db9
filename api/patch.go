package api

import (
	"bytes"
	"encoding/json"
	"maps"

	"sightline/store/change"
)

// decodePatch reads an RFC 7396 merge patch for the item of the address, "" where
// the patch itself names it. Syntax, names and the types and values of what it
// sets are checked here; whether the item is there, its worker finds out.
func decodePatch(body []byte, id string, files files, wrong *Invalid) (draft, error) {
	body = bytes.TrimSpace(body)
	if err := checkItemObject(body, patchExample); err != nil {
		return draft{}, err
	}
	item := readItem(body, wrong)
	item.ID = agree(item.ID, id, wrong)
	fields := sorted(body, wrong)
	d := draft{change: change.Change{Op: change.Patch, ID: item.ID}}
	if raw := string(fields["image"]); files.main == nil && (raw == "null" || raw == `""`) {
		wrong.add("image", "cannot be removed: the index needs a picture; give another one, or delete the item")
	}
	if fields["image"] != nil || fields["images"] != nil || files.main != nil || files.further != nil {
		d.takeImages(&item, files, wrong)
	}
	takeProblems(item.ValidatePatch(), wrong)
	if len(fields) == 0 && len(d.images) == 0 {
		wrong.add("patch", "changes nothing: name the fields to change, with null for those to remove")
	}
	if d.uploads() {
		if d.images[0].field != "image" {
			wrong.add("image", "is missing: uploads replace all pictures of the item, so give the main one too")
		}
		fields["image"], fields["images"] = asJSON(orNull(item.Image)), asJSON(item.Images)
	}
	d.change.Patch = asJSON(fields)
	checkSize(d.change.Patch, wrong)
	return d, nil
}

// sorted gives the fields of a patch as the stored item has them: free names
// belong to the attributes, whether they stand there or at the top level.
func sorted(body []byte, wrong *Invalid) map[string]json.RawMessage {
	fields, attributes := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	free := 0
	for name, raw := range members(body) {
		switch {
		case name == "id":
			if string(raw) == "null" {
				wrong.add("id", "cannot be removed")
			}
		case name == "attributes" && raw[0] == '{':
			maps.Insert(attributes, members(raw))
			fields[name] = nil
		case isItemField(name):
			fields[name] = raw
		default:
			free++
		}
	}
	for name, raw := range members(body) { // after all attributes are known
		if isItemField(name) {
			continue
		}
		if _, twice := attributes[name]; twice && !wrong.has(clipField(name)) {
			wrong.add(clipField(name), "is given both at the top level and under attributes; keep one")
		}
		attributes[name] = raw
	}
	switch given, ok := fields["attributes"]; {
	case string(given) == "null" && free > 0:
		wrong.add("attributes", "is null, which removes all of them, and others are set at the top level: keep one")
	case string(given) != "null" && (ok || free > 0):
		fields["attributes"] = asJSON(attributes)
	}
	return fields
}

// isItemField tells the fields of an item from free names.
func isItemField(name string) bool {
	switch name {
	case "id", "title", "description", "url", "image", "images", "price", "currency", "availability", "brand",
		"category", "color", "group_id", "attributes", "version", "updated_at":
		return true
	}
	return false
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// asJSON encodes what always can be: texts, lists of them, and parts of valid
// JSON.
func asJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return raw
}
