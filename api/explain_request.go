package api

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sightline/encoder"
	"sightline/store"
)

// Forms of an explanation.
const (
	formatJSON = "json"
	formatPNG  = "png"
)

// explainDeadline is longer than a search's: the first explanation loads its graph.
const explainDeadline = 10 * time.Second

// maxLayers bounds the list of a request; BLIP has 12 layers.
const maxLayers = 32

// explainRequest asks why a text matches a picture of an item.
type explainRequest struct {
	text     string
	id       string
	view     int // 0 the main picture, n the n-th further one
	word     string
	wordAt   *int   // by place among the words; nil for not so
	format   string // "" for what Accept says
	layers   []int  // nil for the model's own
	deadline time.Duration
}

// readExplain reads a body, strictly, with all of its problems at once.
func readExplain(w http.ResponseWriter, r *http.Request) (explainRequest, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return explainRequest{}, refuse(kindMediaType, "Send JSON with Content-Type: application/json.")
	}
	body, err := readBody(w, r, smallBody)
	if err != nil {
		return explainRequest{}, bodyError(err)
	}
	req, err := decodeExplain(body)
	if err == nil && req.format == "" {
		req.format = acceptedForm(r)
	}
	return req, err
}

func decodeExplain(body []byte) (explainRequest, error) {
	req := explainRequest{deadline: explainDeadline}
	if !utf8.Valid(body) {
		return req, refuse(kindMalformed, "The body is not valid UTF-8 text.")
	}
	body = bytes.TrimSpace(body)
	if err := checkObject(body, `{"text": "red shoes", "id": "SKU"}`); err != nil {
		return req, err
	}
	var wrong Invalid
	if err := readObject(body, "", req.fields(), &wrong); err != nil {
		return req, err
	}
	return req, wrong.join(req.validate())
}

func (req *explainRequest) fields() map[string]reader {
	return map[string]reader{
		"text":        into(&req.text, "text in quotes"),
		"id":          into(&req.id, "text in quotes"),
		"view":        into(&req.view, "a whole number"),
		"word":        req.readWord,
		"format":      oneOf(&req.format, formatJSON, formatPNG),
		"layers":      numbers(&req.layers, "a list of whole numbers"),
		"deadline_ms": deadlineInto(&req.deadline),
	}
}

// readWord takes a word of the text, or its place in the list of words.
func (req *explainRequest) readWord(raw json.RawMessage, path string, wrong *Invalid) {
	switch {
	case string(raw) == "null":
	case raw[0] == '"':
		into(&req.word, "text in quotes")(raw, path, wrong)
		if strings.TrimSpace(req.word) == "" {
			wrong.add(path, "is empty: leave it out for all words")
		}
	default:
		into(&req.wordAt, "a word of the text, or its place, a whole number from 0")(raw, path, wrong)
	}
}

// validate returns all problems at once as an *Invalid.
func (req *explainRequest) validate() error {
	var wrong Invalid
	if strings.TrimSpace(req.text) == "" {
		wrong.add("text", "is empty: give the words that the picture was found by")
	}
	if req.id == "" {
		wrong.add("id", "is empty: name the item whose picture is to be explained")
	}
	checks := []struct {
		field, text string
		limit       int
	}{{"text", req.text, maxTextBytes}, {"id", req.id, maxIDBytes}, {"word", req.word, maxTextBytes}}
	for _, c := range checks {
		if problem := textProblem(c.text, c.limit); problem != "" {
			wrong.add(c.field, "%s", problem)
		}
	}
	between(&wrong, "view", req.view, 0, store.MaxViews)
	if len(req.layers) > maxLayers {
		wrong.add("layers", "has more than %d numbers", maxLayers)
	}
	between(&wrong, "deadline_ms", req.deadline.Milliseconds(), minDeadline.Milliseconds(), maxDeadline.Milliseconds())
	return wrong.err()
}

// acceptedForm is what Accept names first of the two forms.
func acceptedForm(r *http.Request) string {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "image/png", "image/*":
			return formatPNG
		case "application/json", "*/*":
			return formatJSON
		}
	}
	return formatJSON
}

// chosen are the places of the words that the request asks for: all, one by its
// place, or a run of words by their spelling. Spellings are compared as the
// model reads them, so case and accents count only where they do to it.
func (req *explainRequest) chosen(words []encoder.Word, tokenize func(string) encoder.Query) ([]int, error) {
	var all []int
	for i := range words {
		all = append(all, i)
	}
	switch {
	case len(words) == 0:
		return nil, invalid("text", "has no words that the model can read")
	case req.wordAt != nil && (*req.wordAt < 0 || *req.wordAt >= len(words)):
		var wrong Invalid
		wrong.add("word", "must be between 0 and %d: the model reads %s", len(words)-1, listWords(words))
		return nil, wrong.err()
	case req.wordAt != nil:
		return all[*req.wordAt:][:1], nil
	case req.word == "":
		return all, nil
	}
	wanted := tokenize(req.word).IDs
	wanted = wanted[1:max(len(wanted)-1, 1)]
	for i := range words {
		if n := run(words[i:], wanted); n > 0 {
			return all[i:][:n], nil
		}
	}
	var wrong Invalid
	wrong.add("word", "is not in the text: the model reads %s", listWords(words))
	return nil, wrong.err()
}

// run is how many of the first words have together just the wanted ids; 0 for
// none.
func run(words []encoder.Word, wanted []int64) int {
	var have []int64
	for n, w := range words {
		have = append(have, w.IDs...)
		if slices.Equal(have, wanted) {
			return n + 1
		}
		if len(have) >= len(wanted) {
			break
		}
	}
	return 0
}

func listWords(words []encoder.Word) string {
	var all []string
	for _, w := range words {
		all = append(all, w.Text)
	}
	return clip(strings.Join(all, " | "))
}
