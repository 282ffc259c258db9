package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
)

const sessionExample = `{"keys_required": true, "key": "3f9a0c1d2e4b", "name": "shop", "scopes": ["search"]}`

// sessionRoutes are those of the search page's sign-in.
func (b *book) sessionRoutes() {
	answer := func() map[string]*huma.MediaType { return asJSONForm(b.made(session{}), sessionExample) }
	add := func(at, id, summary, about string) *route {
		return b.add(at, id, "Access", summary, about).
			refuses(http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError)
	}
	add("GET /v1/session", "whoAmI", "Who am I?", "What the key or cookie of the request is for; 401 where there is none and the server asks for one.").
		answers(http.StatusOK, "The caller.", answer())
	add("POST /v1/session", "signIn", "Sign in", "Sets the cookie for a key, which comes in the body or in a header.").
		refuses(http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestTimeout).
		body("application/json", openapi.OrNull(&huma.Schema{Type: huma.TypeObject, Properties: openapi.Props{"key": openapi.Text("The key.", 0)}}), `{"key": "sl_…"}`).
		optionalBody().
		answers(http.StatusOK, "The caller.", answer(), "Set-Cookie")
	add("DELETE /v1/session", "signOut", "Sign out", "Takes the cookie back.").
		answers(http.StatusOK, "Nobody.", asJSONForm(b.made(session{}), `{"keys_required": true}`), "Set-Cookie")
}

func (r *route) optionalBody() *route {
	r.op.RequestBody.Required = false
	return r
}

// healthRoutes are those of operators, and what others send.
func (b *book) healthRoutes() {
	b.add("GET /healthz", "alive", "Health", "Is the process alive?", "").
		answers(http.StatusOK, "It is.", asJSONForm(b.made(aliveAnswer{}), `{"status": "alive"}`))
	b.add("GET /readyz", "ready", "Health", "Is the service ready?", "Asks the index and encodes a word, at most every two seconds.").
		refuses(http.StatusServiceUnavailable).
		answers(http.StatusOK, "It is.", asJSONForm(b.made(readyAnswer{}), `{"status": "ready", "items": 240, "model": "f47ee008720dfdc223ea75c8b117432c", "dimensions": 256, "calibrated": true, "second_look": "ok"}`))
	b.add("GET /.well-known/live", "wellKnownLive", "Health", "Is the process alive?", "As Weaviate asks its modules.").
		answers(http.StatusNoContent, "It is.", nil)
	b.add("GET /.well-known/ready", "wellKnownReady", "Health", "Is the service ready?", "As Weaviate asks its modules.").
		refuses(http.StatusServiceUnavailable).
		answers(http.StatusNoContent, "It is.", nil)
	b.add("GET /metrics", "metrics", "Health", "Metrics for Prometheus", "Open with --metrics-open.").
		guarded("admin").
		answers(http.StatusOK, "In Prometheus' text format, or another that Accept asks for.", map[string]*huma.MediaType{
			"text/plain": {Schema: openapi.Text("", 0)}, "application/openmetrics-text": {Schema: openapi.Text("", 0)},
		})
	op := b.add("POST /webhooks/{source}", "webhook", "Writing", "Take a webhook",
		"For Shopify (source shopify), which signs what it sends: no key is asked for (docs/shopify.md). Only where the server is told of a shop.")
	op.op.Parameters = []*huma.Param{{Name: "source", In: "path", Required: true, Schema: openapi.OneOf("", "shopify"), Example: "shopify"}}
	op.refuses(http.StatusServiceUnavailable, http.StatusInternalServerError).
		body("application/json", &huma.Schema{Type: huma.TypeObject, Description: "As Shopify sends it."}, `{"id": 1}`)
	op.answers(http.StatusOK, "Taken.", map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}, Example: map[string]string{"status": "queued"}}})
	op.answers(http.StatusNotFound, "This server takes none.", map[string]*huma.MediaType{"text/plain": {Schema: openapi.Text("", 0)}})
	for _, status := range []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
	} {
		op.answers(status, "A problem, with codes of its own.", map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Type: huma.TypeObject}}})
	}
}

// pageRoutes are those for people.
func (b *book) pageRoutes() {
	file := func(media string) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{media: {Schema: openapi.Text("", 0)}}
	}
	page := func(at, id, summary string, forms map[string]*huma.MediaType) *route {
		return b.add(at, id, "Pages", summary, "").params("IfNoneMatch").
			answers(http.StatusOK, "It.", forms, "ETag!").answers(http.StatusNotModified, "The caller has it already.", nil, "ETag!")
	}
	named := func(r *route) *route {
		r.op.Parameters = append(r.op.Parameters, &huma.Param{Name: "file", In: "path", Required: true, Schema: idSchema()})
		return r
	}
	files := map[string]*huma.MediaType{"text/css": {}, "text/javascript": {}, "image/svg+xml": {}}
	page("GET /", "page", "The search page", file("text/html"))
	named(page("GET /assets/{file}", "pageFile", "A file of the search page", files)).
		answers(http.StatusNotFound, "There is none.", file("text/plain"))
	page("GET /docs", "docs", "The page that shows this description", file("text/html"))
	named(page("GET /docs/{file}", "docsFile", "A file of that page", files)).refuses(http.StatusNotFound)
	page("GET /openapi.json", "openapiJSON", "This description", map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}})
	page("GET /openapi.yaml", "openapiYAML", "This description, as YAML", map[string]*huma.MediaType{"application/yaml": {}})
}
