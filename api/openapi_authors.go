package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
	"sightline/encoder/decode"
)

const (
	captionExample   = `{"image": {"id": "p0001"}}`
	captionsExample  = `{"images": [{"id": "p0001"}, {"id": "p0002"}], "prompt": "a picture of", "beams": 3}`
	captionedExample = `{"captions": [{"index": 0, "text": "red shoe with white sole", "log_probability": -1.82, "itm_logit": 3.552, "match_probability": 0.9996}],
 "prompt": "", "model": "c1b0eaa4b0a1b52be1ffbe2a9c8d9c1e", "match": {"scored": 1, "of": 1, "stopped": ""}, "cached": false, "request_id": "req-1",
 "timings_ms": {"encode": 5.1, "write": 21.4, "match": 3.2, "total": 29.9}}`
	askExample    = `{"image": {"id": "p0001"}, "question": "what colour is the shoe?"}`
	chooseExample = `{"image": {"id": "p0001"}, "question": "what colour is the shoe?", "answers": ["red", "blue", "green"]}`
	saidExample   = `{"text": "red", "log_probability": -0.4, "question": {"tokens": 8, "cut": 0}, "model": "0f7ac2d1ac0e8c14a9f2f6b4f6f0a7a3", "cached": false,
 "request_id": "req-1", "timings_ms": {"encode": 5.1, "write": 9.3, "total": 14.4}}`
)

// authorRoutes are those that write about pictures.
func (b *book) authorRoutes() {
	add := func(at, id, summary, about string) *route {
		return b.add(at, id, "Captions and answers", summary, about).guarded("search").
			refuses(http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType).
			refuses(http.StatusRequestTimeout, http.StatusNotImplemented, http.StatusBadGateway, http.StatusGatewayTimeout)
	}
	b.made(caption{}, writtenText{})
	add("POST /v1/captions", "captions", "Describe pictures in words", "By the model of --captioner (docs/captions.md). Each caption is read again with its picture by the model that searches.").
		body("application/json", openapi.Ref("Captions"), captionExample, captionsExample).
		answers(http.StatusOK, "A caption for each picture.", asJSONForm(b.made(captionsAnswer{}), captionedExample))
	add("POST /v1/answers", "answers", "Answer a question about a picture", "By the model of --answerer: in its own words, or by the best of a list (docs/captions.md).").
		body("application/json", openapi.Ref("Answers"), askExample, chooseExample).
		answers(http.StatusOK, "The answer.", asJSONForm(b.made(answersAnswer{}, writtenText{}), saidExample))
}

// visualSchema is visualInto.
func visualSchema() *huma.Schema { return phraseProps()["image"] }

// optionProps is writingOptions.fields.
func optionProps() openapi.Props {
	low, zero := 1.0, 0.0
	return openapi.Props{
		"beams":       openapi.Whole("Beams of beam search; 1 is greedy search. The model's own where it is left out, as all of these.", 1, maxBeams),
		"min_length":  openapi.Whole("Least number of token ids, with the first and the prompt.", 0, decode.MostLength),
		"max_length":  openapi.Whole("Most of them, with the last; the model may have fewer places.", 2, decode.MostLength),
		"samples":     openapi.Whole("Draws so many texts.", 1, maxSamples),
		"top_k":       openapi.Whole("Draws from so many of the most probable words.", 1, maxTopK),
		"top_p":       {Type: huma.TypeNumber, ExclusiveMinimum: &zero, Maximum: &low, Description: "Draws from the most probable words that together have this probability."},
		"temperature": openapi.Number("Draws with probabilities flattened (above 1) or sharpened.", 0.01, 100),
		"seed":        {Type: huma.TypeInteger, Minimum: &zero, Description: "Of drawing: one seed, one text. Below 2^64."},
		"ids":         openapi.Default(openapi.Flag("Whether token ids come back."), false),
		"deadline_ms": deadlineSchema(writingLimit.Milliseconds()),
		"model":       modelSchema(),
	}
}

// captionsSchema is captionsRequest.fields.
func captionsSchema() *huma.Schema {
	props := optionProps()
	props["image"] = visualSchema()
	props["images"] = some("Several pictures, in the place of image.", visualSchema(), maxWritten)
	props["prompt"] = openapi.Text("What the captions go on from; it is no part of them.", maxPrompt)
	props["match"] = openapi.Default(openapi.Flag("Whether pictures and captions are read again together."), true)
	s := openapi.OrNull(openapi.Object("Pictures to describe.", props))
	s.OneOf = []*huma.Schema{{Required: []string{"image"}}, {Required: []string{"images"}}}
	return s
}

// answersSchema is answersRequest.fields.
func answersSchema() *huma.Schema {
	props := optionProps()
	props["image"] = visualSchema()
	props["question"] = openapi.Text("About the picture.", maxTextBytes)
	props["answers"] = some("Answers to choose from.", openapi.Text("", maxAnswer), maxAnswers)
	props["rank"] = openapi.Whole("How many of them, those with the likeliest first words, are read to their end.", 1, maxRank)
	return openapi.OrNull(openapi.Object("A question.", props, "image", "question"), "image", "question")
}

func authorSchemaDocs() map[string]string {
	return map[string]string{
		"CaptionsAnswer": "Captions, in the order of the pictures.",
		"Caption":        "A picture's caption.",
		"WrittenText":    "A further text about the picture.",
		"WritingTimings": "Milliseconds of the stages.",
		"AnswersAnswer":  "The answer to a question.",
		"RankedAnswer":   "One of the answers to choose from.",
		"AskedQuestion":  "How the model read the question.",
	}
}

func authorMemberDocs() map[string]string {
	docs := map[string]string{
		"CaptionsAnswer.captions":   "In the order of the pictures.",
		"CaptionsAnswer.prompt":     "What they go on from.",
		"CaptionsAnswer.model":      "Fingerprint of the model that wrote.",
		"CaptionsAnswer.seed":       "Of what was drawn; the same draws the same.",
		"CaptionsAnswer.cached":     "Whether it was written before.",
		"CaptionsAnswer.request_id": "As in the log.",
		"Caption.index":             "Place of the picture in the request, from 0.",
		"Caption.others":            "Further ones, where several were drawn.",
		"WritingTimings.encode":     "Getting the pictures, and looking at them.",
		"WritingTimings.write":      "Writing, the time in the queue included.",
		"WritingTimings.match":      "Reading pictures and captions together.",
		"WritingTimings.total":      "All of it.",
		"AnswersAnswer.others":      "Further ones, where several were drawn.",
		"AnswersAnswer.ranked":      "Of a list, best first.",
		"AnswersAnswer.model":       "Fingerprint of the model that answered.",
		"AnswersAnswer.seed":        "Of what was drawn; the same draws the same.",
		"AnswersAnswer.cached":      "Whether it was written before.",
		"AnswersAnswer.request_id":  "As in the log.",
		"RankedAnswer.index":        "Place in the request, from 0.",
		"RankedAnswer.text":         "The answer.",
		"RankedAnswer.score":        "Minus the model's loss; the nearest to 0 is the best.",
		"AskedQuestion.tokens":      "Tokens that the model read.",
		"AskedQuestion.cut":         "Tokens that it left out at the end.",
		"Ready.captioner":           "Fingerprint of the model that describes pictures, where there is one.",
		"Ready.answerer":            "Fingerprint of the model that answers questions, where there is one.",
	}
	for _, of := range []string{"Caption", "WrittenText", "AnswersAnswer"} {
		docs[of+".text"] = "Without the prompt."
		docs[of+".log_probability"] = "The model's, of all that it wrote; of an answer that was chosen, its score."
		docs[of+".ids"] = "As transformers' generate gives them."
		docs[of+".itm_logit"] = "Match logit of picture and caption; left out where they were not read."
		docs[of+".match_probability"] = "0 to 1, calibrated where the model is."
	}
	return docs
}
