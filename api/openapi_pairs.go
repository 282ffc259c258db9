package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
)

const (
	rerankExample = `{"query": "red shoe with white sole", "documents": ["p0000", {"id": "p0001"}], "top_n": 3}`
	textsExample  = `{"query": {"id": "p0001"}, "documents": ["red shoe", {"text": "blue hat"}]}`
	rankedExample = `{"id": "req-1", "object": "list", "model": "f47ee008720dfdc223ea75c8b117432c",
 "results": [{"index": 1, "relevance_score": 0.9996, "document": {"text": "", "id": "p0001"}, "score": 4.287, "itc": 0.7347, "itm_logit": 3.552}],
 "usage": {"prompt_tokens": 8, "total_tokens": 8}, "meta": {"api_version": {"version": "1"}, "tokens": {"input_tokens": 8}},
 "rerank": {"scored": 2, "of": 2, "stopped": "", "read": "pictures"}, "timings_ms": {"encode": 1.1, "rerank": 3.2, "total": 4.4}}`
	weaviateExample = `{"query": "red shoe", "documents": ["p0000", "p0001"]}`
	scoresExample   = `{"query": "red shoe", "scores": [{"document": "p0000", "score": -2.31}, {"document": "p0001", "score": 4.287}]}`
	pairsExample    = `{"pairs": [{"text": "red shoe", "id": "p0000"}, {"text": "blue hat", "id": "p0001"}]}`
	matchedExample  = `{"pairs": [{"index": 0, "itc": 0.7347, "itm_logits": [-4.31, 3.552], "itm_logit": 3.552, "match_probability": 0.9996, "score": 4.287}],
 "rerank": {"scored": 1, "of": 1, "stopped": ""}, "model": "f47ee008720dfdc223ea75c8b117432c", "request_id": "req-1", "timings_ms": {"encode": 1.1, "rerank": 3.2, "total": 4.4}}`
	inputExample   = `{"input": ["red shoe", {"text": "blue hat"}, {"id": "p0001"}]}`
	vectorsExample = `{"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}], "model": "f47ee008720dfdc223ea75c8b117432c", "usage": {"prompt_tokens": 4, "total_tokens": 4}}`
)

// pairRoutes are those that score texts with pictures, and embed both.
func (b *book) pairRoutes() {
	add := func(at, id, summary, about string) *route {
		return b.add(at, id, "Clients of others", summary, about).guarded("search").
			refuses(http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType).
			refuses(http.StatusRequestTimeout, http.StatusNotImplemented, http.StatusBadGateway, http.StatusGatewayTimeout)
	}
	const ranks = "Of query and documents one side is texts and the other pictures. To a text, a string is an item's id, and a picture where it begins as an address or data: URL; to a picture it is a text."
	ranked := b.made(rerankAnswer{})
	add("POST /v1/rerank", "rerank", "Rerank documents", "In the form of Jina, and of Cohere's first version. "+ranks).
		body("application/json", openapi.Ref("Rerank"), rerankExample, textsExample).
		answers(http.StatusOK, "The documents, best first.", asJSONForm(ranked, rankedExample))
	add("POST /v2/rerank", "rerank2", "Rerank documents, Cohere's second version", "As in /v1, but return_documents is false unless asked for.").
		body("application/json", openapi.Ref("Rerank"), rerankExample).
		answers(http.StatusOK, "The documents, best first.", asJSONForm(ranked, rankedExample))
	add("POST /rerank", "rerankWeaviate", "Rerank documents, as Weaviate asks", "For the module reranker-transformers, which sends no Content-Type.").
		body("application/json", openapi.Ref("WeaviateQuery"), weaviateExample).
		answers(http.StatusOK, "Scores, in the order of the documents.", asJSONForm(b.made(weaviateAnswer{}), scoresExample))
	b.add("GET /meta", "weaviateMeta", "Clients of others", "What Weaviate shows of the module", "").guarded("search").
		answers(http.StatusOK, "The model.", asJSONForm(b.made(metaAnswer{}), `{"model": "f47ee008720dfdc223ea75c8b117432c", "server": "sightline"}`))
	add("POST /v1/match", "match", "Scores of single pairs", "Of a text and a picture each, in their order.").
		body("application/json", openapi.Ref("Match"), pairsExample).
		answers(http.StatusOK, "The pairs.", asJSONForm(b.made(matchAnswer{}), matchedExample))
	add("POST /v1/embeddings", "embeddings", "Vectors of texts and pictures", "In OpenAI's form. All are of unit length, in one space.").
		body("application/json", openapi.Ref("Embeddings"), inputExample).
		answers(http.StatusOK, "A vector for each input.", asJSONForm(b.made(embeddingsAnswer{}), vectorsExample))
}

// phraseSchema is phrase.fields: a text or a picture.
func phraseSchema() *huma.Schema {
	return openapi.OrNull(openapi.Object("One of text, id, image and image_url.", phraseProps()))
}

func phraseProps() openapi.Props {
	base64 := openapi.Text("Bytes, as standard base64 or a data: URL.", 0)
	base64.ContentEncoding = "base64"
	image := openapi.OrNull(openapi.Object("", openapi.Props{
		"id": openapi.Text("An item.", maxIDBytes), "url": addressSchema("An http or https address."), "base64": base64, "box": boxSchema(),
	}))
	detail := openapi.OrNull(openapi.Object("", openapi.Props{
		"url": openapi.Text("An http or https address, or a data: URL.", 0), "detail": openapi.Text("Passed over.", 0),
	}, "url"), "url")
	text := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
	return openapi.Props{
		"text":      openapi.Text("Words.", maxDocumentBytes),
		"id":        openapi.Text("An item.", maxIDBytes),
		"image":     named("A picture: an address, a data: URL or base64, or an object with one of id, url and base64.", either(text(), image)),
		"image_url": named("A picture in OpenAI's form.", either(text(), detail)),
		"type":      openapi.Text("Passed over: OpenAI's parts say what they have.", 0),
	}
}

// phraseOr is a string, or an object with a text or a picture.
func phraseOr(doc string) *huma.Schema {
	return named(doc, either(&huma.Schema{Type: huma.TypeString}, openapi.Ref("TextOrPicture")))
}

// some is a list that has to have elements.
func some(doc string, of *huma.Schema, most int) *huma.Schema {
	one := 1
	s := openapi.List(doc, of, most)
	s.MinItems = &one
	return s
}

// passed are fields that clients send and that change nothing.
func passed(props openapi.Props, names ...string) openapi.Props {
	for _, name := range names {
		props[name] = &huma.Schema{Type: huma.TypeInteger, Description: "Passed over."}
	}
	return props
}

func deadlineSchema(ms int64) *huma.Schema {
	return openapi.Default(openapi.Whole("Milliseconds for the whole request.", int(minDeadline.Milliseconds()), int(maxDeadline.Milliseconds())), ms)
}

func modelSchema() *huma.Schema {
	return openapi.Text("Passed over: a server has one model.", maxModelName)
}

// rerankSchema is rerankRequest.fields.
func rerankSchema() *huma.Schema {
	one := 1.0
	props := passed(openapi.Props{
		"query":            phraseOr("A text, or a picture."),
		"documents":        some("What is compared with the query.", phraseOr(""), maxDocuments),
		"top_n":            {Type: huma.TypeInteger, Minimum: &one, Description: "Results in the answer; all documents are read."},
		"return_documents": openapi.Flag("Whether documents that are strings come back; true unless said in /v1, false in /v2."),
		"truncation":       openapi.Flag("Passed over."),
		"model":            modelSchema(),
		"deadline_ms":      deadlineSchema(pairsDeadline.Milliseconds()),
	}, "max_tokens_per_doc", "max_chunks_per_doc", "priority")
	return openapi.OrNull(openapi.Object("Documents to rank.", props, "query", "documents"), "query", "documents")
}

func weaviateSchema() *huma.Schema {
	return openapi.OrNull(openapi.Object("Documents to score.", openapi.Props{
		"query":       phraseOr("A text, or a picture."),
		"documents":   some("Ids of items, or addresses of pictures.", phraseOr(""), maxDocuments),
		"property":    openapi.Text("Passed over.", 0),
		"deadline_ms": deadlineSchema(pairsDeadline.Milliseconds()),
	}, "query", "documents"), "query", "documents")
}

// matchSchema is matchRequest.fields.
func matchSchema() *huma.Schema {
	pair := openapi.OrNull(openapi.Object("", phraseProps(), "text"), "text")
	return openapi.OrNull(openapi.Object("Pairs to score.", openapi.Props{
		"pairs":       some("Each a text and one of id, image and image_url.", pair, maxPairs),
		"model":       modelSchema(),
		"deadline_ms": deadlineSchema(pairsDeadline.Milliseconds()),
	}, "pairs"), "pairs", "text")
}

// embeddingsSchema is embeddingsRequest.fields.
func embeddingsSchema() *huma.Schema {
	return openapi.OrNull(openapi.Object("What to embed.", openapi.Props{
		"input":           named("A text, or a list of texts and pictures.", either(openapi.Text("", maxDocumentBytes), some("", phraseOr(""), maxInputs))),
		"model":           modelSchema(),
		"encoding_format": openapi.Default(openapi.OneOf("base64 is that of little-endian float32.", formatFloat, formatBase64), formatFloat),
		"dimensions":      {Type: huma.TypeInteger, Description: "Must be the model's."},
		"user":            openapi.Text("Passed over.", 0),
		"normalized":      {Type: huma.TypeBoolean, Enum: []any{true}, Description: "Embeddings have unit length."},
		"deadline_ms":     deadlineSchema(embeddingsDeadline.Milliseconds()),
	}, "input"), "input")
}
