package api

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"sightline/encoder/decode"
)

// Limits of writing.
const (
	// maxWritten pictures of one request are held at once, with their patch states
	// by two models: 29 MB of BLIP-base.
	maxWritten   = 8
	maxBeams     = 16 // BLIP uses 3; each is a row of every step
	maxSamples   = 16
	maxAnswers   = 1000
	maxAnswer    = 200 // bytes
	maxPrompt    = 500 // bytes
	maxTopK      = 1000
	writingLimit = maxDeadline // the first request loads the graphs
)

// writingOptions say how ids are chosen. What is nil is the model's own.
type writingOptions struct {
	beams, minLength, maxLength, samples, topK *int
	topP, temperature                          *float64
	seed                                       *uint64
	ids                                        bool
	deadline                                   time.Duration
}

func (o *writingOptions) fields() map[string]reader {
	return map[string]reader{
		"beams":       into(&o.beams, "a whole number"),
		"min_length":  into(&o.minLength, "a whole number"),
		"max_length":  into(&o.maxLength, "a whole number"),
		"samples":     into(&o.samples, "a whole number"),
		"top_k":       into(&o.topK, "a whole number"),
		"top_p":       into(&o.topP, "a number"),
		"temperature": into(&o.temperature, "a number"),
		"seed":        into(&o.seed, "a whole number from 0"),
		"ids":         into(&o.ids, "true or false"),
		"deadline_ms": deadlineInto(&o.deadline),
		"model":       modelName,
	}
}

// sampled says that anything of sampling was asked for.
func (o *writingOptions) sampled() bool {
	return o.samples != nil || o.topK != nil || o.topP != nil || o.temperature != nil || o.seed != nil
}

// check says what is out of range in what could be read.
func (o *writingOptions) check(wrong *Invalid) {
	for _, c := range []struct {
		field     string
		value     *int
		low, high int
	}{
		{"beams", o.beams, 1, maxBeams},
		{"samples", o.samples, 1, maxSamples},
		{"top_k", o.topK, 1, maxTopK},
		{"min_length", o.minLength, 0, decode.MostLength},
		{"max_length", o.maxLength, 2, decode.MostLength},
	} {
		if c.value != nil {
			between(wrong, c.field, *c.value, c.low, c.high)
		}
	}
	if o.topP != nil && (*o.topP <= 0 || *o.topP > 1) {
		wrong.add("top_p", "must be above 0 and at most 1")
	}
	if o.temperature != nil && (*o.temperature < 0.01 || *o.temperature > 100) {
		wrong.add("temperature", "must be between 0.01 and 100")
	}
	if o.beams != nil && *o.beams > 1 && o.sampled() {
		wrong.add("beams", "does not go with samples, top_k, top_p, temperature and seed, which draw: leave these or beams out")
	}
	between(wrong, "deadline_ms", o.deadline.Milliseconds(), minDeadline.Milliseconds(), maxDeadline.Milliseconds())
}

// over are the model's own options with those of the request in their place. What
// only the model can judge is in wrong. seed is what was drawn by, nil for not at all.
func (o *writingOptions) over(a *Author, own decode.Options, wrong *Invalid) (all decode.Options, seed *uint64) {
	set(&own.Beams, o.beams)
	set(&own.MinLength, o.minLength)
	set(&own.MaxLength, o.maxLength)
	if own.MaxLength > a.Longest {
		wrong.add("max_length", "must be at most %d, which this model can write", a.Longest)
	}
	if own.MinLength > own.MaxLength {
		field := "min_length"
		if o.minLength == nil {
			field = "max_length"
		}
		wrong.add(field, "the least length is %d and the greatest %d: give both, the least first", own.MinLength, own.MaxLength)
	}
	if o.sampled() {
		drawn := rand.Uint64() //nolint:gosec // chooses words, keeps no secret
		set(&drawn, o.seed)
		own.Beams, own.Sample, own.Seed, seed = 1, true, drawn, &drawn
		set(&own.Returns, o.samples)
		set(&own.TopK, o.topK)
		set(&own.TopP, o.topP)
		set(&own.Temperature, o.temperature)
	}
	return own, seed
}

func set[T any](dst, v *T) {
	if v != nil {
		*dst = *v
	}
}

// captionsRequest asks for a caption of each picture.
type captionsRequest struct {
	writingOptions

	pictures []*visual
	prompt   *string
	match    bool
}

func decodeCaptions(body []byte) (captionsRequest, error) {
	req := captionsRequest{writingOptions: writingOptions{deadline: writingLimit}, match: true}
	body, err := wholeObject(body, `{"image": {"id": "SKU"}}`)
	if err != nil {
		return req, err
	}
	var list json.RawMessage
	var one visual
	var wrong Invalid
	if err := readObject(body, "", req.fields(&one, &list), &wrong); err != nil {
		return req, err
	}
	req.check(&wrong)
	if req.prompt != nil {
		if problem := textProblem(*req.prompt, maxPrompt); problem != "" {
			wrong.add("prompt", "%s", problem)
		}
	}
	switch {
	case one.named() && len(list) > 0:
		wrong.add("images", "stands beside image: put all pictures into images")
	case one.named():
		req.pictures = []*visual{&one}
	case len(list) > 0:
		req.readImages(list, &wrong)
	case !wrong.mentionsBelow("image"):
		wrong.add("image", `is missing: name a picture such as {"id": "SKU"}, or several in images`)
	}
	return req, wrong.err()
}

func (req *captionsRequest) fields(one *visual, list *json.RawMessage) map[string]reader {
	fields := req.writingOptions.fields()
	fields["images"] = func(raw json.RawMessage, _ string, _ *Invalid) { *list = raw }
	fields["image"] = visualInto(one)
	fields["prompt"] = into(&req.prompt, "text in quotes")
	fields["match"] = into(&req.match, "true or false")
	return fields
}

func (req *captionsRequest) readImages(list json.RawMessage, wrong *Invalid) {
	if !isList(list, "images", maxWritten, wrong) {
		return
	}
	for raw := range elements(list) {
		v := &visual{}
		path := indexed("images", len(req.pictures))
		visualInto(v)(raw, path, wrong)
		if !v.named() && !wrong.mentionsBelow(path) {
			wrong.add(path, "names no picture: give one of id, url and base64")
		}
		req.pictures = append(req.pictures, v)
	}
}

// answersRequest asks a question about a picture.
type answersRequest struct {
	writingOptions

	picture  visual
	question string
	answers  []string // to choose from; nil for the model's own words
	rank     *int     // how many of them are read to their end
}

func decodeAnswers(body []byte) (answersRequest, error) {
	req := answersRequest{writingOptions: writingOptions{deadline: writingLimit}}
	body, err := wholeObject(body, `{"image": {"id": "SKU"}, "question": "what colour is it?"}`)
	if err != nil {
		return req, err
	}
	var list json.RawMessage
	var wrong Invalid
	if err := readObject(body, "", req.fields(&list), &wrong); err != nil {
		return req, err
	}
	req.check(&wrong)
	if !req.picture.named() && !wrong.mentionsBelow("image") {
		wrong.add("image", `is missing: name a picture such as {"id": "SKU"}`)
	}
	if problem := textProblem(req.question, maxTextBytes); problem != "" {
		wrong.add("question", "%s", problem)
	} else if strings.TrimSpace(req.question) == "" && !wrong.mentionsBelow("question") {
		wrong.add("question", "is empty: ask something about the picture")
	}
	req.readAnswers(list, &wrong)
	return req, wrong.err()
}

func (req *answersRequest) fields(list *json.RawMessage) map[string]reader {
	fields := req.writingOptions.fields()
	fields["image"] = visualInto(&req.picture)
	fields["question"] = into(&req.question, "text in quotes")
	fields["answers"] = func(raw json.RawMessage, _ string, _ *Invalid) { *list = raw }
	fields["rank"] = into(&req.rank, "a whole number")
	return fields
}

// readAnswers reads the list to choose from, with which nothing is written.
func (req *answersRequest) readAnswers(list json.RawMessage, wrong *Invalid) {
	if len(list) == 0 || string(list) == "null" {
		if req.rank != nil {
			wrong.add("rank", "says how many of answers are read to their end: give answers, or leave it out")
		}
		return
	}
	if req.rank != nil {
		between(wrong, "rank", *req.rank, 1, maxRank)
	}
	if req.sampled() || req.beams != nil || req.minLength != nil || req.maxLength != nil {
		wrong.add("answers", "are chosen from, and nothing is written: leave out beams, lengths and what draws")
	}
	if !isList(list, "answers", maxAnswers, wrong) {
		return
	}
	before := len(wrong.Fields)
	for raw := range elements(list) {
		path, answer := indexed("answers", len(req.answers)), ""
		into(&answer, "text in quotes")(raw, path, wrong)
		if problem := textProblem(answer, maxAnswer); problem != "" {
			wrong.add(path, "%s", problem)
		} else if strings.TrimSpace(answer) == "" && !wrong.mentionsBelow(path) {
			wrong.add(path, "is empty")
		}
		if req.answers = append(req.answers, answer); len(wrong.Fields)-before >= maxListProblems {
			return
		}
	}
}
