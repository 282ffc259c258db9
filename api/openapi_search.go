package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
)

const (
	searchExample = `{"text": "red shoe with white sole", "limit": 10, "filter": {"category": "shoes", "price": {"lt": 50}}, "min_match": 0.5}`
	facetsExample = `{"text": "red shoe", "filter": {"brand": "Acme"}, "facets": ["category", {"field": "brand", "limit": 50, "multi": true}, {"field": "price", "ranges": [{"to": 50}, {"from": 50}]}]}`
	answerExample = `{"hits": [{"id": "p0074", "score": 4.287, "itc": 0.7347, "itm_logit": 3.552, "match_probability": 0.9996, "rank": 1, "itc_rank": 1,
 "item": {"id": "p0074", "title": "red striped bottle with yellow lid", "price": 170.34, "currency": "EUR"}}],
 "no_good_match": false, "rerank": {"scored": 50, "of": 50, "stopped": "", "read": "pictures"},
 "query": {"text": "red bottle", "tokens": 4, "cut": 0},
 "timings_ms": {"tokenize": 0.04, "encode": 1.2, "search": 0.1, "rerank": 20.1, "total": 21.5},
 "facets": {"brand": {"values": [{"value": "Acme", "count": 812}], "missing": 31, "exact": true},
  "price": {"values": [], "numbers": {"count": 812, "min": 4.5, "max": 320, "ranges": [{"to": 50, "count": 500}]}, "missing": 0, "exact": true}},
 "cached": false, "model": "f47ee008720dfdc223ea75c8b117432c", "request_id": "req-1"}`
	explanationExample = `{"id": "p0001", "view": 0, "itc": 0.7347, "itm_logit": 3.552, "match_probability": 0.9996, "score": 4.287,
 "words": [{"word": "hat", "index": 0, "tokens": ["hat"], "share": 0.97, "grid": [[0.25, 0.25], [0.25, 0.25]]}],
 "rows": 2, "cols": 2, "layers": [0], "model": "f47ee008720dfdc223ea75c8b117432c", "request_id": "req-1"}`
)

// searchRoutes are those of searches and explanations.
func (b *book) searchRoutes() {
	answer := b.made(SearchResponse{})
	bad := []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusGatewayTimeout}
	byAddress := []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusNotImplemented, http.StatusBadGateway}
	flat := flatSearch()
	b.add("GET /v1/search", "search", "Search", "Search by words", "The form for links and curl. One of q, image_id and image_url is needed.").
		guarded("search").refuses(bad...).refuses(byAddress...).
		params("IfNoneMatch").query(queryParams(flat, []string{"text"}, openapi.Props{"q": flat["text"]})).
		answers(http.StatusOK, "The hits, best first.", asJSONForm(answer, answerExample), "ETag!").
		answers(http.StatusNotModified, "The caller has an answer that says the same.", nil, "ETag!")

	form := openapi.Object("The fields of the GET form, with text for q, and a file.", queryParams(flat, nil, openapi.Props{
		"image": openapi.File("JPEG, PNG or WebP, up to 10 MiB."),
	}))
	b.add("POST /v1/search", "searchBody", "Search", "Search by words, a picture, or both",
		"Fields that are unknown or of a wrong type are refused, all problems at once. Where the second look did not reach, rerank.stopped says why; the search answers 200 all the same.").
		guarded("search").refuses(bad...).refuses(byAddress...).refuses(http.StatusRequestTimeout).
		body("application/json", openapi.Ref("Search"), searchExample, `{"image": {"id": "p0001"}, "text": "in blue"}`, facetsExample).
		body("multipart/form-data", form).
		answers(http.StatusOK, "The hits, best first.", asJSONForm(answer, answerExample))

	b.add("GET /v1/items/{id}/similar", "similar", "Search", "Items that look like this one", "In cosine order.").
		guarded("search", "write").refuses(bad...).refuses(http.StatusNotFound).
		params("ItemID", "IfNoneMatch").query(queryParams(flat, append(notForSimilar(), "text"), nil)).
		answers(http.StatusOK, "The hits, best first.", asJSONForm(answer, answerExample), "ETag!").
		answers(http.StatusNotModified, "The caller has an answer that says the same.", nil, "ETag!")

	forms := asJSONForm(b.made(explainAnswer{}), explanationExample)
	forms["image/png"] = &huma.MediaType{Schema: openapi.File("The picture with the map over it.")}
	b.add("POST /v1/explain", "explain", "Search", "Why does this picture match?", "The score by its parts, and a heat map for each word (docs/explain.md).").
		guarded("search").refuses(bad...).
		refuses(http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusRequestTimeout, http.StatusNotImplemented).
		body("application/json", openapi.Ref("Explain"), `{"text": "brown hat with a white band", "id": "p0001", "word": "white band"}`).
		answers(http.StatusOK, "The explanation, as JSON or as a picture.", forms)
}
