package api

import (
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
	"sightline/store/change"
)

// kinds are all words that a problem's code can be but kindCancelled, which
// nobody receives.
func kinds() []kind {
	return []kind{
		kindMalformed, kindInvalid, kindPicture, kindTooLarge, kindMediaType, kindNotFound, kindMethod, kindSlowBody, kindBusy,
		kindUnavailable, kindDeadline, kindFetch, kindInternal, kindUnauthorized, kindScope, kindLimited, kindReadOnly, kindForbidden,
		kindConflict, kindKeyReused, kindPrecondition, kindFailed, kindUnsupported,
	}
}

// components are what several operations refer to.
func (b *book) components() {
	b.doc.Tags = []*huma.Tag{
		{Name: "Search"},
		{Name: "Clients of others", Description: "The second look and embeddings for other engines, in the forms of Jina, Cohere, OpenAI and Weaviate (docs/compatibility.md)."},
		{Name: "Captions and answers", Description: "What models say about pictures."},
		{Name: "Items", Description: "Reading the catalogue."},
		{Name: "Writing", Description: "Changes are queued, durably, and then done; answers wait for that as long as Prefer says."},
		{Name: "Jobs", Description: "What became of changes."},
		{Name: "Access"},
		{Name: "Health"},
		{Name: "Evaluations", Description: "Ranking quality, as searchd eval measured it."},
		{Name: "Pages", Description: "For people."},
	}
	b.security()
	b.headers()
	b.parameters()
	b.made(problem{}, about{})
	done := map[int]bool{}
	for _, k := range kinds() {
		if status := k.status(); !done[status] {
			done[status] = true
			b.doc.Components.Responses[problemName(status)] = problemResponse(status)
		}
	}
}

func (b *book) security() {
	b.doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer":  {Type: "http", Scheme: "bearer", Description: "A key: sl_ and 36 letters and digits."},
		"apiKey":  {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "The same key."},
		"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "From POST /v1/session, for pages of this server."},
	}
	b.doc.Security = []map[string][]string{{"bearer": {}}, {"apiKey": {}}, {"session": {}}, {}}
}

// problemName is the component of the problems with a status.
func problemName(status int) string {
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

// problemResponse has all codes that come with a status.
func problemResponse(status int) *huma.Response {
	var codes []string
	for _, k := range kinds() {
		if k.status() == status {
			codes = append(codes, string(k))
		}
	}
	res := &huma.Response{
		Description: http.StatusText(status) + ". Codes: " + strings.Join(codes, ", ") + ".",
		Headers:     map[string]*huma.Header{"X-Request-Id": headerRef("X-Request-Id!")},
		Content: map[string]*huma.MediaType{"application/problem+json": {
			Schema: openapi.Ref("Problem"), Example: problemExample(status, kind(codes[0])),
		}},
	}
	always := map[int]string{
		http.StatusTooManyRequests: "Retry-After", http.StatusServiceUnavailable: "Retry-After",
		http.StatusUnauthorized: "WWW-Authenticate", http.StatusMethodNotAllowed: "Allow",
	}
	if name := always[status]; name != "" {
		res.Headers[name] = headerRef(name + "!")
	}
	return res
}

func problemExample(status int, code kind) problem {
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, RequestID: "req-1", Detail: "What is wrong, for a person."}
	switch code {
	case kindInvalid:
		p.Detail = "The request has problems; see errors."
		p.Errors = []FieldProblem{{Field: "limit", Detail: fmt.Sprintf("must be between 1 and %d", maxLimit)}}
	case kindConflict:
		n := 12
		p.Detail, p.Matches = mismatch(deletion{}, n).Error(), &n
	}
	return p
}

func (b *book) headers() {
	for name, doc := range map[string]string{
		"X-Request-Id":        "The caller's, if it is 1 to 64 letters, digits and -_.:, or a random one. The log has it too.",
		"ETag":                "Names the state of what is answered.",
		"Location":            "The job, or the new item.",
		"Retry-After":         "Seconds to wait.",
		"RateLimit":           "What is left of the caller's requests; where the server limits them.",
		"RateLimit-Policy":    "How many requests in how many seconds.",
		"WWW-Authenticate":    "How to send a key, and which scope is missing.",
		"Allow":               "Methods that the address takes.",
		"Preference-Applied":  "Which part of Prefer was followed.",
		"Idempotent-Replayed": "true where this request came before.",
		"Set-Cookie":          "The session's cookie.",
		"Content-Range":       "Which part of the bytes this is.",
	} {
		b.doc.Components.Headers[name] = &huma.Header{Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	for _, name := range []string{"X-Request-Id", "Location", "Retry-After", "WWW-Authenticate", "Allow", "ETag"} {
		always := *b.doc.Components.Headers[name]
		always.Required = true
		b.doc.Components.Headers[name+"-always"] = &always
	}
}

func (b *book) parameters() {
	maps.Copy(b.doc.Components.Parameters, map[string]*huma.Param{
		"ItemID": {
			Name: "id", In: "path", Required: true, Example: "p0001", Schema: idSchema(),
			Description: "The item. Slashes may stand plainly or as %2F; an id that ends in /image or /similar needs %2F.",
		},
		"JobID": {
			Name: "id", In: "path", Required: true, Example: "p-3gpk3jknkfjvyzxhtxhcqknygr", Schema: idSchema(),
			Description: "The job of a request, or of one item.",
		},
		"IdempotencyKey": {
			Name: "Idempotency-Key", In: "header", Example: "order-4711",
			Description: "The same request with the same key within 48 hours queues nothing and answers for the first one.",
			Schema:      &huma.Schema{Type: huma.TypeString, Pattern: fmt.Sprintf("^[!-~]{1,%d}$", maxKey)},
		},
		"Prefer": {
			Name: "Prefer", In: "header", Example: "wait=10",
			Description: fmt.Sprintf("wait=N, 0 to %.0f seconds for the outcome, or respond-async.", maxWait.Seconds()),
			Schema:      &huma.Schema{Type: huma.TypeString},
		},
		"IfMatch": {
			Name: "If-Match", In: "header",
			Description: "One ETag of GET, or * for any item that is there. It is compared when the change is done.",
			Schema:      &huma.Schema{Type: huma.TypeString, Pattern: `^(\*|"[^"]{1,98}")$`},
		},
		"LastEventID": {
			Name: "Last-Event-ID", In: "header", Description: "The seq of the last event that is known, as browsers send it when they come again. Goes before after and from.",
			Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64)},
		},
		"IfNoneMatch": {
			Name: "If-None-Match", In: "header", Description: "ETags that the caller has: 304 where one is right.",
			Schema: &huma.Schema{Type: huma.TypeString},
		},
	})
}

// idSchema is for ids of items and of jobs, which may be as long as each other.
func idSchema() *huma.Schema {
	one, most := 1, max(maxIDBytes, maxJobID)
	return &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &most, Pattern: `^[^\x00-\x1f\x7f-\x9f]+$`}
}

// memberValues are the members of answers that have only certain values.
func memberValues() map[string][]any {
	codes, states := []any{}, []any{}
	for _, k := range kinds() {
		codes = append(codes, string(k))
	}
	for _, s := range jobStates() {
		states = append(states, string(s))
	}
	group := []any{"waiting", "running", "done", "failed"}
	return map[string][]any{
		"Problem.code": codes, "ItemJob.state": states, "JobEvent.state": states, "Job.state": group, "Progress.state": group, "Queued.state": group, "Batch.state": group,
		"SecondLook.read": {ReadPictures, ReadTitles}, "ItemJob.op": {string(change.Put), string(change.Patch), string(change.Delete)},
	}
}
