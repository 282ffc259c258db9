package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"sightline/store"
)

func itself(h http.Handler) chi.Router { return h.(chi.Router) }

// operations are those of the description: "GET /v1/search" to the operation.
func operations() map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for path, item := range describe().Paths {
		for method, op := range map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete,
		} {
			if op != nil {
				all[method+" "+path] = op
			}
		}
	}
	return all
}

// TestEveryRouteIsDescribed walks the router: a route without an operation and
// an operation without a route are errors.
func TestEveryRouteIsDescribed(t *testing.T) {
	none := http.NotFoundHandler()
	h := NewRouter(Options{Readiness: &Readiness{}, Page: none, Metrics: none, Webhooks: none, Profiles: none})
	undescribed := operations()
	left := map[string]string{"GET /debug/pprof/*": "Go's profiles are for its own tools, not a part of the interface (docs/operations.md)"}
	err := chi.Walk(itself(h), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		_, found := left[method+" "+route]
		for at := range operations() {
			verb, path, _ := strings.Cut(at, " ")
			prefix, wild := strings.CutSuffix(route, "*")
			if verb == method && (path == route || wild && strings.HasPrefix(path, prefix) && len(path) > len(prefix)) {
				found = true
				delete(undescribed, at)
			}
		}
		if !found {
			t.Errorf("%s %s is not described: add it to openapi_*.go", method, route)
		}
		return nil
	})
	if err != nil || len(undescribed) != 0 {
		t.Errorf("described and not routed: %v (%v)", slices.Sorted(maps.Keys(undescribed)), err)
	}
}

// TestDocumentIsStable: two processes say the same, with the same ETag.
func TestDocumentIsStable(t *testing.T) {
	get := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		newDocs().JSON(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
		return w
	}
	a, b := get(), get()
	if a.Body.String() != b.Body.String() || a.Header().Get("ETag") != b.Header().Get("ETag") {
		t.Error("two descriptions differ")
	}
	t.Logf("openapi.json has %d bytes", a.Body.Len())
}

// TestEverythingIsExplained: no operation without words, no member without.
func TestEverythingIsExplained(t *testing.T) {
	doc := describe()
	for at, op := range operations() {
		if op.Summary == "" || op.OperationID == "" || len(op.Tags) != 1 {
			t.Errorf("%s lacks a summary, an id or a tag", at)
		}
		if !slices.ContainsFunc(doc.Tags, func(tag *huma.Tag) bool { return slices.Contains(op.Tags, tag.Name) }) {
			t.Errorf("%s has a tag that is not in the list, and is not shown on /docs", at)
		}
		for _, p := range op.Parameters {
			if p.Ref == "" && p.Description == "" && p.In == "query" {
				t.Errorf("%s: parameter %s is not explained", at, p.Name)
			}
		}
	}
	schemas := doc.Components.Schemas.Map()
	for name, s := range schemas {
		if s.Description == "" {
			t.Errorf("schema %s is not explained", name)
		}
		for member, p := range s.Properties {
			if p.Description == "" && p.Ref == "" && len(p.AnyOf) == 0 {
				t.Errorf("%s.%s is not explained", name, member)
			}
		}
	}
	words := memberDocs()
	maps.Copy(words, schemaDocs())
	for name := range words {
		schema, member, nested := strings.Cut(name, ".")
		if s := schemas[schema]; s == nil || nested && s.Properties[member] == nil {
			t.Errorf("%s is explained and not there", name)
		}
	}
	for name := range memberValues() {
		schema, member, _ := strings.Cut(name, ".")
		if s := schemas[schema]; s == nil || s.Properties[member] == nil {
			t.Errorf("values of %s are given, and it is not there", name)
		}
	}
}

// TestAllKinds: each code of error.go is in the list that the description has.
func TestAllKinds(t *testing.T) {
	source, err := os.ReadFile("error.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`kind\w+\s+kind = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		if k := kind(m[1]); k != kindCancelled && !slices.Contains(kinds(), k) {
			t.Errorf("kinds() lacks %s", k)
		}
	}
}

func keysOf[V any](m map[string]V, without ...string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(name string) bool { return slices.Contains(without, name) })
}

// TestDocumentedFieldsAreDecoded holds schemas to their decoders: the same names,
// nothing more and nothing less.
func TestDocumentedFieldsAreDecoded(t *testing.T) {
	var req SearchRequest
	search := searchSchema()
	param := func(at string) []string {
		var names []string
		for _, p := range operations()[at].Parameters {
			if p.In == "query" {
				names = append(names, p.Name)
			}
		}
		return names
	}
	similar := settings(&req, "q")
	for _, name := range notForSimilar() {
		delete(similar, name)
	}
	page := pageSetters(&JobQuery{})
	form := operations()["POST /v1/search"].RequestBody.Content["multipart/form-data"].Schema
	for what, pair := range map[string][2][]string{
		"search":       {keysOf(search.Properties), keysOf(searchFields(&req))},
		"image":        {keysOf(search.Properties["image"].Properties), keysOf(imageFields(&req))},
		"query string": {param("GET /v1/search"), keysOf(settings(&req, "q"))},
		"form":         {keysOf(form.Properties, "image"), keysOf(settings(&req, "text"))},
		"similar":      {param("GET /v1/items/{id}/similar"), keysOf(similar)},
		"explain":      {keysOf(explainSchema().Properties), keysOf((&explainRequest{}).fields())},
		"jobs":         {param("GET /v1/jobs"), keysOf(page)},
		"rerank":       {keysOf(rerankSchema().Properties), keysOf((&rerankRequest{}).fields(nil, rerankForm{}))},
		"Weaviate":     {keysOf(weaviateSchema().Properties), keysOf((&rerankRequest{}).fields(nil, rerankForm{weaviate: true}))},
		"phrase":       {keysOf(phraseSchema().Properties), keysOf((&phrase{}).fields())},
		"match":        {keysOf(matchSchema().Properties), keysOf((&matchRequest{}).fields(nil))},
		"captions":     {keysOf(captionsSchema().Properties), keysOf((&captionsRequest{}).fields(nil, nil))},
		"answers":      {keysOf(answersSchema().Properties), keysOf((&answersRequest{}).fields(nil))},
		"embeddings":   {keysOf(embeddingsSchema().Properties), keysOf((&embeddingsRequest{}).fields(nil))},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: described are %v, decoded are %v", what, pair[0], pair[1])
		}
	}
	for name := range describe().Components.Schemas.Map()["PutItem"].Properties {
		if !isItemField(name) {
			t.Errorf("item: %s is described and is no field", name)
		}
	}
}

// TestDocumentedLimits sends each number of a search at its bounds and beyond
// them, and each field as null and with a wrong type.
func TestDocumentedLimits(t *testing.T) {
	try := func(set func(body map[string]any)) error {
		body := map[string]any{"text": "x", "negative": "y", "image": map[string]any{"id": "z"}, "rerank": map[string]any{}}
		set(body)
		raw, err := json.Marshal(body)
		if err == nil {
			_, err = decodeSearch(raw)
		}
		return err
	}
	var walk func(path []string, s *huma.Schema)
	walk = func(path []string, s *huma.Schema) {
		for name, p := range s.Properties {
			at := append(slices.Clone(path), name)
			with := func(v any) error {
				return try(func(body map[string]any) {
					for _, step := range at[:len(at)-1] {
						body, _ = body[step].(map[string]any)
					}
					body[name] = v
				})
			}
			checkBounds(t, strings.Join(at, "."), p, with)
			if p.Type == huma.TypeObject {
				walk(at, p)
			}
		}
	}
	walk(nil, searchSchema())
}

func checkBounds(t *testing.T, name string, p *huma.Schema, with func(v any) error) {
	t.Helper()
	if err := with(nil); p.Nullable && name != "text" && err != nil {
		t.Errorf("%s: null: %v", name, err)
	}
	if p.Maximum != nil {
		for v, good := range map[float64]bool{*p.Minimum: true, *p.Maximum: true, *p.Minimum - 1: false, *p.Maximum + 1: false} {
			if err := with(v); (err == nil) != good {
				t.Errorf("%s: %v: %v", name, v, err)
			}
		}
	}
	if p.MaxLength != nil {
		if good, bad := with(strings.Repeat("x", *p.MaxLength)), with(strings.Repeat("x", *p.MaxLength+1)); good != nil || bad == nil {
			t.Errorf("%s: at its limit %v, beyond it %v", name, good, bad)
		}
	}
	if p.Type != "" && with([]any{map[string]any{}}) == nil {
		t.Errorf("%s: a list of objects is taken", name)
	}
}

// TestDocumentedExamples: the examples of bodies are taken by their decoders.
func TestDocumentedExamples(t *testing.T) {
	decoders := map[string]func(body []byte) error{
		"POST /v1/rerank": func(body []byte) error { _, err := decodeRerank(body, rerankForm{}); return err },
		"POST /v2/rerank": func(body []byte) error { _, err := decodeRerank(body, rerankForm{}); return err },
		"POST /rerank": func(body []byte) error {
			_, err := decodeRerank(body, rerankForm{weaviate: true})
			return err
		},
		"POST /v1/match":      func(body []byte) error { _, err := decodeMatch(body); return err },
		"POST /v1/embeddings": func(body []byte) error { _, err := decodeEmbeddings(body); return err },
		"POST /v1/captions":   func(body []byte) error { _, err := decodeCaptions(body); return err },
		"POST /v1/answers":    func(body []byte) error { _, err := decodeAnswers(body); return err },
		"POST /v1/search":     func(body []byte) error { _, err := decodeSearch(body); return err },
		"POST /v1/explain":    func(body []byte) error { _, err := decodeExplain(body); return err },
		"PUT /v1/items/{id}": func(body []byte) error {
			var wrong Invalid
			_, err := decodePut(body, "p0001", files{}, &wrong)
			return wrong.join(err)
		},
		"PATCH /v1/items/{id}": func(body []byte) error {
			var wrong Invalid
			_, err := decodePatch(body, "p0001", files{}, &wrong)
			return wrong.join(err)
		},
		"POST /v1/items:batch": func(body []byte) error {
			var wrong Invalid
			var rep report
			_, err := decodeBatch(body, &wrong, &rep)
			if rep.count > 0 {
				return rep.err()
			}
			return wrong.join(err)
		},
		"POST /v1/items:delete": func(body []byte) error {
			var wrong Invalid
			_, err := decodeDeletion(body, &wrong)
			return wrong.join(err)
		},
	}
	n := 0
	for at, decode := range decoders {
		for media, c := range operations()[at].RequestBody.Content {
			examples := []any{c.Example}
			for _, e := range c.Examples {
				examples = append(examples, e.Value)
			}
			for _, e := range examples {
				raw, ok := e.(json.RawMessage)
				if !ok {
					continue
				}
				n++
				if err := decode(raw); err != nil {
					t.Errorf("%s %s: %s: %v", at, media, raw, err)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("%d examples", n)
	}
}

// TestItemLimits: limits of an item that its description repeats.
func TestItemLimits(t *testing.T) {
	s := describe().Components.Schemas.Map()["PutItem"]
	most := *s.Properties["id"].MaxLength
	good, bad := store.Item{ID: strings.Repeat("x", most)}, store.Item{ID: strings.Repeat("x", most+1)}
	if good.Validate() != nil || bad.Validate() == nil {
		t.Errorf("an id of %d bytes is not the longest", most)
	}
	for value, good := range map[string]bool{"EUR": true, "eur": false, "EURO": false, "": true} {
		matches := regexp.MustCompile(s.Properties["currency"].Pattern).MatchString(value)
		if taken := (store.Item{ID: "x", Currency: value}).Validate() == nil; taken != good || matches != good {
			t.Errorf("currency %q: taken %v, described %v", value, taken, matches)
		}
	}
}
