package api

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/client"
)

// answerTypes are the structs of this package's source that have JSON names, with
// the types that they embed.
type answerTypes map[string]*ast.StructType

func readTypes(t *testing.T) answerTypes {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := answerTypes{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				all.addSpecs(g.Specs)
			}
		}
	}
	return all
}

func (all answerTypes) addSpecs(specs []ast.Spec) {
	for _, spec := range specs {
		if ts, ok := spec.(*ast.TypeSpec); ok {
			if s, ok := ts.Type.(*ast.StructType); ok {
				all.add(ts.Name.Name, s)
			}
		}
	}
}

// add takes a struct, and those without a name in it.
func (all answerTypes) add(name string, s *ast.StructType) {
	all[name] = s
	for _, f := range s.Fields.List {
		if inner, ok := f.Type.(*ast.StructType); ok && len(f.Names) == 1 {
			all.add(name+f.Names[0].Name+"Struct", inner)
		}
	}
}

// fields are the JSON names of a type, those of embedded ones among them.
func (all answerTypes) fields(s *ast.StructType) (names, embedded []string) {
	for _, f := range s.Fields.List {
		if id, ok := f.Type.(*ast.Ident); ok && len(f.Names) == 0 && all[id.Name] != nil {
			more, deeper := all.fields(all[id.Name])
			names, embedded = append(names, more...), append(append(embedded, id.Name), deeper...)
			continue
		}
		if name := jsonName(f); name != "" {
			names = append(names, name)
		}
	}
	return names, embedded
}

func jsonName(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
	return strings.TrimPrefix(name, "-")
}

// tagged says that a struct has JSON names of its own: answers that carry another
// beside what is not encoded have none.
func tagged(s *ast.StructType) bool {
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool { return jsonName(f) != "" })
}

// TestEveryAnswerFieldIsDescribed reads the source: each struct with JSON names
// has a schema with just these members.
func TestEveryAnswerFieldIsDescribed(t *testing.T) {
	others := map[string]string{"kept": "is what the cache holds"}
	all := readTypes(t)
	schemas := describe().Components.Schemas.Map()
	parts := map[string]bool{}
	for _, s := range all {
		_, embedded := all.fields(s)
		for _, name := range embedded {
			parts[name] = true
		}
	}
	n := 0
	for name, s := range all {
		want, _ := all.fields(s)
		schema := schemas[schemaName(name)]
		switch {
		case !tagged(s) || others[name] != "" || schema == nil && parts[name]:
			continue
		case schema == nil:
			t.Errorf("type %s has no schema: add its route or its name to openapi.go", name)
			continue
		}
		n++
		slices.Sort(want)
		if got := keysOf(schema.Properties); !slices.Equal(got, want) {
			t.Errorf("%s: described are %v, answered are %v", name, got, want)
		}
	}
	if n < 30 {
		t.Errorf("%d types", n)
	}
}

// unknownName is no field, and like none.
const unknownName = "########"

// TestEveryRequestFieldIsDescribed puts an unknown field into each object of each
// schema of a request. Its decoder then lists the fields that there are, and the
// schema has to have just these.
func TestEveryRequestFieldIsDescribed(t *testing.T) {
	type body = map[string]any
	requests := map[string]struct {
		base   body
		decode func([]byte) error
	}{
		"Search":        {body{"text": "x"}, func(b []byte) error { _, err := decodeSearch(b); return err }},
		"Explain":       {body{"text": "x", "id": "a"}, func(b []byte) error { _, err := decodeExplain(b); return err }},
		"Rerank":        {body{"query": "x", "documents": []any{"a"}}, func(b []byte) error { _, err := decodeRerank(b, rerankForm{}); return err }},
		"WeaviateQuery": {body{"query": "x", "documents": []any{"a"}}, func(b []byte) error { _, err := decodeRerank(b, rerankForm{weaviate: true}); return err }},
		"Match":         {body{}, func(b []byte) error { _, err := decodeMatch(b); return err }},
		"Embeddings":    {body{}, func(b []byte) error { _, err := decodeEmbeddings(b); return err }},
		"Deletion":      {body{"ids": []any{"a"}}, func(b []byte) error { var w Invalid; _, err := decodeDeletion(b, &w); return w.join(err) }},
		"Changes":       {body{"deletes": []any{"a"}}, func(b []byte) error { var w Invalid; _, err := decodeBatch(b, &w, &report{}); return w.join(err) }},
	}
	schemas := describe().Components.Schemas.Map()
	n := 0
	for name, r := range requests {
		objects(schemas, schemas[name], nil, func(path []string, s *huma.Schema) {
			n++
			sent := maps.Clone(r.base)
			maps.Copy(sent, nest(path, body{unknownName: 1}).(body))
			raw, err := json.Marshal(sent)
			if err == nil {
				err = r.decode(raw)
			}
			want := "there are " + strings.Join(keysOf(s.Properties), ", ")
			if got := listed(err); got != want {
				t.Errorf("%s: %s: described are fields, %q; decoded, %q (%v)", name, raw, want, got, err)
			}
		})
	}
	if n < 20 {
		t.Errorf("%d objects", n)
	}
}

// objects visits the objects of a schema that have only certain members. A step
// "[]" of a path is into a list.
func objects(schemas map[string]*huma.Schema, s *huma.Schema, path []string, visit func(path []string, s *huma.Schema)) {
	if s == nil || s.Ref == "#/components/schemas/PutItem" || s.Ref == "#/components/schemas/Patch" { // whose other names are attributes
		return
	}
	if s.Ref != "" {
		objects(schemas, schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")], path, visit)
		return
	}
	for _, form := range s.AnyOf {
		objects(schemas, form, path, visit)
	}
	if s.Properties != nil {
		visit(path, s)
	}
	for name, p := range s.Properties {
		objects(schemas, p, append(slices.Clone(path), name), visit)
	}
	objects(schemas, s.Items, append(slices.Clone(path), "[]"), visit)
}

// nest puts a value where a path leads.
func nest(path []string, v any) any {
	for _, step := range slices.Backward(path) {
		if step == "[]" {
			v = []any{v}
		} else {
			v = map[string]any{step: v}
		}
	}
	return v
}

// listed is what the problem with the unknown field says.
func listed(err error) string {
	var wrong *Invalid
	if errors.As(err, &wrong) {
		for _, f := range wrong.Fields {
			if _, fields, ok := strings.Cut(f.Detail, "is not a field; "); ok && strings.HasSuffix(f.Field, unknownName) {
				return fields
			}
		}
	}
	return ""
}

// TestClientFieldsAreDescribed: package client sends and reads nothing that is
// not described.
func TestClientFieldsAreDescribed(t *testing.T) {
	schemas := describe().Components.Schemas.Map()
	for v, names := range map[any][]string{
		&client.Query{}: {"Search"}, &client.Facet{}: {"Facet"}, &client.Result{}: {"SearchAnswer"}, &client.Hit{}: {"Hit"}, &client.Look{}: {"SecondLook"},
		&client.Problem{}: {"Problem"}, &client.FieldProblem{}: {"FieldProblem"}, &client.Written{}: {"Written", "Queued"}, &client.Batch{}: {"Batch"},
		&client.LineProblem{}: {"Rejected"}, &client.Job{}: {"Job"}, &client.JobCounts{}: {"JobCounts"}, &client.JobItem{}: {"ItemJob"}, &client.Item{}: {"Item"},
		&client.FacetCounts{}: {"FacetCounts"}, &client.Reasons{}: {"Reasons"}, &client.Term{}: {"Term"},
	} {
		typ := reflect.TypeOf(v).Elem()
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			if !slices.ContainsFunc(names, func(schema string) bool { return schemas[schema] != nil && schemas[schema].Properties[name] != nil }) {
				t.Errorf("client.%s: %s is not in %v", typ.Name(), name, names)
			}
		}
	}
}
