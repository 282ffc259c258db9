package openapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Props are the members of an object.
type Props map[string]*huma.Schema

// Text is a string. JSON Schema counts characters and decoders bytes, so most is
// only the upper bound that a schema can give; 0 for none.
func Text(doc string, most int) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Description: doc}
	if most > 0 {
		s.MaxLength = &most
	}
	return s
}

// OneOf is a string out of a few.
func OneOf[S ~string](doc string, values ...S) *huma.Schema {
	s := Text(doc, 0)
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// Whole is a whole number from low to high, both included.
func Whole(doc string, low, high int) *huma.Schema {
	s := Number(doc, float64(low), float64(high))
	s.Type = huma.TypeInteger
	return s
}

// Number is a number from low to high, both included.
func Number(doc string, low, high float64) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Description: doc, Minimum: &low, Maximum: &high}
}

// Flag is true or false.
func Flag(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean, Description: doc} }

// List has at most so many elements; 0 for no bound.
func List(doc string, of *huma.Schema, most int) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeArray, Description: doc, Items: of}
	if most > 0 {
		s.MaxItems = &most
	}
	return s
}

// Object has these members and no others.
func Object(doc string, props Props, required ...string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Description: doc, Properties: props, Required: required, AdditionalProperties: false}
}

// File is the bytes of a part of a form, or of a whole body.
func File(doc string) *huma.Schema {
	return &huma.Schema{Description: doc, Extensions: map[string]any{"contentMediaType": "application/octet-stream"}}
}

// Ref is a reference to a component.
func Ref(name string) *huma.Schema { return &huma.Schema{Ref: refPrefix + name} }

const refPrefix = "#/components/schemas/"

// Default gives the value that a member has where a request leaves it out.
func Default(s *huma.Schema, v any) *huma.Schema {
	s.Default = v
	return s
}

// OrNull lets members be null, which decoders take as absent: all of them, also
// those of nested objects and of the objects of lists, but for the named.
func OrNull(s *huma.Schema, except ...string) *huma.Schema {
	for name, p := range s.Properties {
		if slices.Contains(except, name) {
			continue
		}
		nullable(p)
		OrNull(p, except...)
	}
	if s.Items != nil {
		OrNull(s.Items, except...)
	}
	return s
}

func nullable(s *huma.Schema) {
	switch {
	case s.Ref != "":
		s.AnyOf, s.Ref = []*huma.Schema{{Ref: s.Ref}, {Type: "null"}}, ""
	case s.AnyOf != nil:
		s.AnyOf = append(s.AnyOf, &huma.Schema{Type: "null"})
	case s.Type != "":
		s.Nullable = true
		if s.Enum != nil {
			s.Enum = append(slices.Clone(s.Enum), nil)
		}
	}
}

// Join adds the members of others to s, as JSON does with embedded structs.
func Join(s *huma.Schema, others ...*huma.Schema) *huma.Schema {
	for _, o := range others {
		maps.Copy(s.Properties, o.Properties)
		s.Required = append(s.Required, o.Required...)
	}
	return s
}

// Plain takes out of a schema made from a Go type what says more about Go than
// about the interface: formats of numbers, nulls for empty lists, which answers
// never have, and the ban on further members: a later version may add some.
func Plain(s *huma.Schema) {
	if s == nil {
		return
	}
	switch s.Type {
	case huma.TypeInteger, huma.TypeNumber:
		s.Format = ""
	case huma.TypeArray:
		s.Nullable = false
	}
	if closed, ok := s.AdditionalProperties.(bool); ok && !closed {
		s.AdditionalProperties = nil
	}
	for _, p := range s.Properties {
		Plain(p)
	}
	Plain(s.Items)
	slices.Sort(s.Required)
}

// Name is a namer for huma.NewMapRegistry: the words of others, else the type's
// own name with a capital.
func Name(words map[string]string) func(name string) string {
	return func(name string) string {
		if word, ok := words[name]; ok {
			return word
		}
		return strings.TrimSuffix(name, "Struct")
	}
}
