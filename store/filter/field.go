package filter

import (
	"fmt"
	"strings"
	"unicode"
)

// attributes is what the names of free attributes begin with in a tree.
const attributes = "attributes."

// maxName is the longest attribute name that an item may have, in bytes.
const maxName = 128

// FieldType is the type of a fixed field, and 0 for attributes.
func FieldType(field string) Type {
	switch field {
	case "price":
		return Number
	case "version":
		return Int
	case "updated_at":
		return Time
	case "id", "title", "description", "url", "image", "currency", "availability", "brand", "category", "color", "group_id":
		return String
	}
	return 0
}

// Attribute returns the name of the attribute that a field of a tree stands
// for, and false for fixed fields.
func Attribute(field string) (name string, ok bool) {
	return strings.CutPrefix(field, attributes)
}

// resolve finds the field that a written name stands for, or says what is
// wrong with the name.
func resolve(name string) (field, problem string) {
	free, long := strings.CutPrefix(name, attributes)
	fixed := strings.ToLower(free)
	switch {
	case !long && FieldType(name) != 0:
		return name, ""
	case free == "" || free == "attributes":
		return "", `attributes holds all free attributes: name one of them, such as attributes.material`
	case long && FieldType(free) != 0:
		return "", fmt.Sprintf("%s is a field of its own: write %s, not %s", free, free, name)
	case !long && FieldType(fixed) != 0:
		return "", fmt.Sprintf("%s is not a field: write %s, or attributes.%s for an attribute of that name", name, fixed, name)
	case len(free) > maxName || strings.ContainsFunc(free, unicode.IsControl):
		return "", fmt.Sprintf("%s cannot be an attribute: names are 1 to %d bytes of plain text", quoted(shorten(free)), maxName)
	}
	return attributes + free, ""
}

// isPlain says whether a name needs no back quotes in text form.
func isPlain(name string) bool {
	if name == "" || !isLetter(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' || c == '-' }

// isKeyword says whether a bare word cannot be a field. The list is longer
// than the grammar needs, so that conditions read without doubt.
func isKeyword(word string) bool {
	switch strings.ToUpper(word) {
	case "AND", "OR", "NOT", "IN", "BETWEEN", "STARTS", "WITH", "EXISTS", "MISSING", "CONTAINS", "ANY", "ALL", "TRUE", "FALSE":
		return true
	}
	return false
}
