package api

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
)

// newDocs serves the description of the routes of NewRouter and its page.
func newDocs() openapi.Handlers {
	return openapi.New(describe, func(w http.ResponseWriter, r *http.Request, err error) {
		if errors.Is(err, openapi.ErrNoFile) {
			err = refuse(kindNotFound, "There is nothing at this address.")
		}
		fail(w, r, err)
	})
}

// describe writes down every route, with what it takes and answers. Limits are
// the constants of the decoders, members of answers the fields of their types.
func describe() *huma.OpenAPI {
	b := newBook()
	b.components()
	b.searchRoutes()
	b.pairRoutes()
	b.authorRoutes()
	b.itemRoutes()
	b.writeRoutes()
	b.batchRoutes()
	b.jobRoutes()
	b.sessionRoutes()
	b.healthRoutes()
	b.evaluationRoutes()
	b.pageRoutes()
	b.finish()
	return b.doc
}

// book is a description that is being written.
type book struct {
	doc      *huma.OpenAPI
	registry huma.Registry
}

// schemaName is the component of a Go type; types without a name have that of
// where they stand.
func schemaName(goName string) string {
	return openapi.Name(map[string]string{
		"problem": "Problem", "explainAnswer": "Explanation", "wordAnswer": "ExplainedWord", "jobAnswer": "Job", "jobItem": "ItemJob",
		"jobPage": "JobList", "itemList": "ItemList", "written": "Written", "accepted": "Queued", "batchAnswer": "Batch",
		"rejected": "Rejected", "session": "Session", "place": "Place", "about": "About", "aliveAnswer": "Alive", "readyAnswer": "Ready", "retryAnswer": "Retried",
		"SearchResponse": "SearchAnswer", "Look": "SecondLook", "Part": "Reading", "Blended": "Blend", "SearchResponseQueryStruct": "SearchedQuery",
		"rerankAnswer": "RerankAnswer", "rerankResult": "RankedDocument", "echoDocument": "EchoedDocument", "usage": "Usage", "pairsTimings": "PairsTimings",
		"meta": "CohereMeta", "metaAPIVersionStruct": "APIVersion", "metaTokensStruct": "TokenCounts", "matchAnswer": "MatchAnswer", "matchPair": "MatchedPair",
		"embeddingsAnswer": "EmbeddingsAnswer", "embeddingData": "Embedding", "weaviateAnswer": "WeaviateAnswer", "weaviateScore": "WeaviateScore",
		"metaAnswer": "WeaviateMeta", "progress": "Progress", "evaluationList": "Evaluations",
		"captionsAnswer": "CaptionsAnswer", "caption": "Caption", "writtenText": "WrittenText", "writingTimings": "WritingTimings",
		"answersAnswer": "AnswersAnswer", "rankedOption": "RankedAnswer", "askedQuestion": "AskedQuestion",
	})(goName)
}

func newBook() *book {
	registry := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Name() == "" {
			return schemaName(hint)
		}
		return schemaName(t.Name())
	})
	return &book{registry: registry, doc: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Sightline", Version: "1",
			Description: "Picture search in two looks: by BLIP's embeddings, and again by its image-text matching. " +
				"A server on loopback asks for no key; elsewhere each operation names the scope that a key needs (x-scopes). HEAD works wherever GET does.",
		},
		Servers: []*huma.Server{{URL: "/", Description: "the server that this description comes from"}},
		Components: &huma.Components{
			Schemas: registry, Responses: map[string]*huma.Response{}, Parameters: map[string]*huma.Param{}, Headers: map[string]*huma.Header{},
		},
	}}
}

// finish takes Go's own out of the schemas and puts words to their members.
func (b *book) finish() {
	schemas := b.registry.Map()
	words, values := memberDocs(), memberValues()
	for name, s := range schemas {
		openapi.Plain(s)
		s.Description = schemaDocs()[name]
		for member, p := range s.Properties {
			if doc := words[name+"."+member]; p.Ref == "" {
				p.Description = doc
			}
			if some := values[name+"."+member]; some != nil {
				p.Enum = some
			}
		}
	}
	maps.Copy(schemas, requestSchemas(schemas["Item"]))
	schemas["Item"].Properties["attributes"].AdditionalProperties = attributeSchema()
	schemas["MatchedPair"].Properties["itm_logits"].Nullable = true
	schemas["FacetValue"].Properties["value"].AnyOf = []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeBoolean}}
	schemas["Embedding"].Properties["embedding"].AnyOf = []*huma.Schema{{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeNumber}}, {Type: huma.TypeString}}
}

// made is the schema of an answer, from its Go type. Members of embedded structs
// that are not exported have to be named.
func (b *book) made(v any, embedded ...any) *huma.Schema {
	ref := b.registry.Schema(reflect.TypeOf(v), true, "")
	s := b.registry.SchemaFromRef(ref.Ref)
	for _, e := range embedded {
		openapi.Join(s, huma.SchemaFromType(b.registry, reflect.TypeOf(e)))
	}
	return ref
}

// route is one operation that is being written down.
type route struct {
	op   *huma.Operation
	book *book
}

// add begins an operation: at is "GET /v1/search".
func (b *book) add(at, id, tag, summary, about string) *route {
	method, path, _ := strings.Cut(at, " ")
	op := &huma.Operation{
		Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Description: about,
		Responses: map[string]*huma.Response{}, Security: []map[string][]string{}, Extensions: map[string]any{},
	}
	b.doc.AddOperation(op)
	return &route{op: op, book: b}
}

// guarded is for operations that need a key with one of the scopes, and a server
// that is ready.
func (r *route) guarded(scopes ...string) *route {
	r.op.Security = nil // as the document says
	r.op.Extensions["x-scopes"] = scopes
	return r.refuses(http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable)
}

// refuses adds the answers to what is wrong.
func (r *route) refuses(statuses ...int) *route {
	for _, status := range statuses {
		r.op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + problemName(status)}
	}
	return r
}

// query adds parameters of the query string.
func (r *route) query(params openapi.Props) *route {
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s := *params[name]
		p := &huma.Param{Name: name, In: "query", Description: s.Description, Schema: &s}
		if name == "q" { // what the page fills in, and Schemathesis sends
			p.Example = "red shoe"
		}
		s.Description = ""
		r.op.Parameters = append(r.op.Parameters, p)
	}
	return r
}

// params adds parameters that several operations have.
func (r *route) params(names ...string) *route {
	for _, name := range names {
		r.op.Parameters = append(r.op.Parameters, &huma.Param{Ref: "#/components/parameters/" + name})
	}
	return r
}

// body adds one form of the body. examples are JSON.
func (r *route) body(media string, s *huma.Schema, examples ...string) *route {
	if r.op.RequestBody == nil {
		r.op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	}
	r.op.RequestBody.Content[media] = content(media, s, examples...)
	return r
}

func content(media string, s *huma.Schema, examples ...string) *huma.MediaType {
	m := &huma.MediaType{Schema: s}
	lines := media == ndjson || media == eventStream
	if lines { // OpenAPI 3.1 has no words for a schema of each line
		m.Schema, m.Extensions = nil, map[string]any{"x-line-schema": s}
	}
	for i, text := range examples {
		var value any = json.RawMessage(text)
		if lines {
			value = text
		}
		if len(examples) == 1 {
			m.Example = value
			break
		}
		if m.Examples == nil {
			m.Examples = map[string]*huma.Example{}
		}
		m.Examples["example "+strconv.Itoa(i+1)] = &huma.Example{Value: value}
	}
	return m
}

// answers adds a good answer; headers are names of components, a "!" behind one
// says that it is always there.
func (r *route) answers(status int, about string, forms map[string]*huma.MediaType, headers ...string) *route {
	res := &huma.Response{Description: about, Content: forms, Headers: map[string]*huma.Header{}}
	headers = append(headers, "X-Request-Id!")
	if r.op.Extensions["x-scopes"] != nil {
		headers = append(headers, "RateLimit", "RateLimit-Policy")
	}
	for _, name := range headers {
		res.Headers[strings.TrimSuffix(name, "!")] = headerRef(name)
	}
	r.op.Responses[strconv.Itoa(status)] = res
	return r
}

// headerRef names the component of a header that is always there apart, as
// references hold nothing else.
func headerRef(name string) *huma.Header {
	if always, ok := strings.CutSuffix(name, "!"); ok {
		name = always + "-always"
	}
	return &huma.Header{Ref: "#/components/headers/" + name}
}

// asJSONForm is the usual form of an answer.
func asJSONForm(s *huma.Schema, example string) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": content("application/json", s, example)}
}
