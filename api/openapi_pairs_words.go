package api

// pairSchemaDocs say what the types of the answers to pairs, of facets and of
// live streams are.
func pairSchemaDocs() map[string]string {
	return map[string]string{ //nolint:gosec // words about tokens of texts, not secrets
		"RerankAnswer":     "Ranked documents, for clients of Jina (model, results, usage) and of Cohere (id, results, meta).",
		"RankedDocument":   "One document.",
		"EchoedDocument":   "A document, repeated. Bytes of pictures are not sent back.",
		"Usage":            "Tokens, as OpenAI counts them.",
		"CohereMeta":       "What Cohere's clients look for.",
		"APIVersion":       "Which form this is.",
		"TokenCounts":      "Tokens, as Cohere counts them.",
		"PairsTimings":     "Milliseconds of the stages.",
		"MatchAnswer":      "The pairs, in the order of the request.",
		"MatchedPair":      "One pair. What could not be read is null.",
		"EmbeddingsAnswer": "Vectors, in OpenAI's form.",
		"Embedding":        "One vector.",
		"WeaviateAnswer":   "Scores, in the order of the documents.",
		"WeaviateScore":    "One document.",
		"WeaviateMeta":     "What Weaviate shows of a module.",
		"FacetCounts":      "What items have in one field.",
		"FacetValue":       "How many items have a value.",
		"FacetNumbers":     "The numbers of a field.",
		"FacetRange":       "How many items have a number that is from or more and below to.",
		"Progress":         "How a job stands: an event of GET /v1/jobs/{id}/events.",
	}
}

func pairMemberDocs() map[string]string {
	return map[string]string{
		"RerankAnswer.id":                "The request's, as in the log.",
		"RerankAnswer.object":            "Always list.",
		"RerankAnswer.model":             "The model's fingerprint.",
		"RerankAnswer.results":           "Best first, by score.",
		"RankedDocument.index":           "Place in the request, from 0.",
		"RankedDocument.relevance_score": "The match probability, calibrated where the model is; 0 where the pair was not read.",
		"RankedDocument.score":           "itm_logit + itc.",
		"RankedDocument.itc":             "Cosine of query and document.",
		"RankedDocument.itm_logit":       "Match logit; null where the second look did not reach.",
		"RankedDocument.view":            "Which picture of the item is nearest: n the n-th further one.",
		"EchoedDocument.text":            "As it was sent.",
		"EchoedDocument.id":              "The item, where it was named so.",
		"Usage.prompt_tokens":            "Of the request's texts, as the model reads them.",
		"Usage.total_tokens":             "The same.",
		"APIVersion.version":             "1 or 2.",
		"TokenCounts.input_tokens":       "Of the request's texts, as the model reads them.",
		"PairsTimings.encode":            "Texts and pictures to vectors.",
		"PairsTimings.rerank":            "The second look.",
		"PairsTimings.total":             "All of it.",

		"MatchAnswer.pairs":             "In the order of the request.",
		"MatchAnswer.model":             "The model's fingerprint.",
		"MatchAnswer.request_id":        "As in the log.",
		"MatchedPair.index":             "Place in the request, from 0.",
		"MatchedPair.itc":               "Cosine of text and picture.",
		"MatchedPair.itm_logits":        "Raw: no match, match.",
		"MatchedPair.itm_logit":         "The second of them.",
		"MatchedPair.match_probability": "0 to 1.",
		"MatchedPair.score":             "itm_logit + itc.",
		"MatchedPair.view":              "Which picture of the item is nearest: n the n-th further one.",

		"EmbeddingsAnswer.object": "Always list.",
		"EmbeddingsAnswer.data":   "In the order of the request.",
		"EmbeddingsAnswer.model":  "The model's fingerprint.",
		"Embedding.object":        "Always embedding.",
		"Embedding.index":         "Place in the request, from 0.",
		"Embedding.embedding":     "Numbers, or base64 of little-endian float32.",

		"WeaviateAnswer.query":   "As it was sent; empty for a picture.",
		"WeaviateAnswer.scores":  "In the order of the documents.",
		"WeaviateScore.document": "As it was sent, where it was a string.",
		"WeaviateScore.score":    "itm_logit + itc; -100 plus the cosine where it was not read.",
		"WeaviateMeta.model":     "The model's fingerprint.",
		"WeaviateMeta.server":    "Always sightline.",
	}
}

func facetMemberDocs() map[string]string {
	return map[string]string{
		"SearchAnswer.facets": "What was counted, by field.",
		"FacetCounts.values":  "Texts and booleans, the most frequent first.",
		"FacetCounts.missing": "Items without the field.",
		"FacetCounts.exact":   "All items that pass the filter were counted, not only the candidates of this search.",
		"FacetCounts.failed":  "deadline or failed, where nothing could be counted.",
		"FacetValue.value":    "A text, true or false.",
		"FacetValue.count":    "Items that have it.",
		"FacetNumbers.count":  "Items with a number.",
		"FacetNumbers.min":    "The least; null without any.",
		"FacetNumbers.max":    "The greatest; null without any.",
		"FacetNumbers.ranges": "Those that were asked for.",
		"FacetRange.from":     "This and more; missing for no bound.",
		"FacetRange.to":       "Less than this; missing for no bound.",
		"FacetRange.count":    "Items that have such a number.",
		"Progress.id":         "What was asked for.",
		"Progress.state":      "Of all together; failed: all have ended, some are dead.",
	}
}
