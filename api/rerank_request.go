package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of the routes that score pairs.
const (
	maxDocuments     = 1000
	maxDocumentBytes = 20_000 // of a text; BLIP reads 35 tokens of it
	maxModelName     = 200
	pairsDeadline    = 10 * time.Second
)

// phrase is a text or a picture, which a request may give as either.
type phrase struct {
	text   string
	visual visual
}

func (p *phrase) isPicture() bool { return p.visual.named() }

// phraseInto takes a text, or an object with one of text, image, image_url and
// id. A string that is an address or a data: URL is a picture where pictures says
// so.
func phraseInto(dst *phrase, pictures bool) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		switch {
		case raw[0] == '"' && pictures && (isAddress(raw) || isDataURL(raw)):
			visualInto(&dst.visual)(raw, path, wrong)
		case raw[0] == '"':
			into(&dst.text, "text in quotes")(raw, path, wrong)
		case raw[0] == '{':
			dst.readObject(raw, path, wrong)
		default:
			wrong.add(path, `must be text in quotes, or an object such as {"text": …}, {"id": …}, {"image": …}`)
		}
	}
}

func (p *phrase) readObject(raw json.RawMessage, path string, wrong *Invalid) {
	object(p.fields())(raw, path, wrong)
	p.checkFields(path, wrong)
}

// fields are those of a text or a picture. An item's id may stand for its picture.
func (p *phrase) fields() map[string]reader {
	var kind string // "text", "image_url": OpenAI's parts say what they have
	return map[string]reader{
		"text": into(&p.text, "text in quotes"), "image": visualInto(&p.visual), "image_url": imageURLInto(&p.visual),
		"id": func(raw json.RawMessage, path string, wrong *Invalid) {
			if p.visual.named() {
				wrong.add(path, "is a second picture: give one")
				return
			}
			into(&p.visual.id, "an item's id in quotes")(raw, path, wrong)
			if p.visual.id != "" {
				p.visual.path = path
			}
		},
		"type": into(&kind, "text in quotes"),
	}
}

// checkFields is for an object that has to be one thing.
func (p *phrase) checkFields(path string, wrong *Invalid) {
	if wrong.mentionsBelow(path) {
		return
	}
	v := p.visual
	switch n := count(p.text != "") + count(v.id != "") + count(v.url != "") + count(len(v.data) > 0); {
	case n == 0:
		wrong.add(path, "is empty: give one of text, id, image and image_url")
	case n > 1:
		wrong.add(path, "has several of text, id, image and image_url: give one")
	case v.id != "" && textProblem(v.id, maxIDBytes) != "":
		wrong.add(path+".id", "%s", textProblem(v.id, maxIDBytes))
	}
}

// rerankRequest asks how well documents match a query. Of the two, one is a text
// and the other pictures.
type rerankRequest struct {
	query     phrase
	documents []document
	topN      int // 0 for all
	echo      bool
	deadline  time.Duration
	lenient   bool // documents that are not there are no problem
}

// document is one candidate, and how the request names it.
type document struct {
	phrase

	name string // the string that it was; "" where it was none that is worth repeating
}

// rerankForm is what differs between the routes.
type rerankForm struct {
	echo     bool // documents are repeated in the answer unless the request says not to
	weaviate bool
}

// decodeRerank reads the body of Jina's, Cohere's and Weaviate's form.
func decodeRerank(body []byte, form rerankForm) (rerankRequest, error) {
	req := rerankRequest{deadline: pairsDeadline, echo: form.echo, lenient: form.weaviate}
	body, err := wholeObject(body, `{"query": "red shoes", "documents": ["SKU"]}`)
	if err != nil {
		return req, err
	}
	var documents json.RawMessage
	var wrong Invalid
	if err := readObject(body, "", req.fields(&documents, form), &wrong); err != nil {
		return req, err
	}
	req.check(documents, &wrong)
	return req, wrong.err()
}

// wholeObject is the part of a body that is a JSON object.
func wholeObject(body []byte, example string) ([]byte, error) {
	if !utf8.Valid(body) {
		return nil, refuse(kindMalformed, "The body is not valid UTF-8 text.")
	}
	body = bytes.TrimSpace(body)
	return body, checkObject(body, example)
}

func (req *rerankRequest) fields(documents *json.RawMessage, form rerankForm) map[string]reader {
	fields := map[string]reader{
		"query":       phraseInto(&req.query, true),
		"documents":   func(raw json.RawMessage, _ string, _ *Invalid) { *documents = raw },
		"deadline_ms": deadlineInto(&req.deadline),
	}
	if form.weaviate {
		fields["property"] = ignored[string]("text in quotes") // what Weaviate's Go client always sends, empty
		return fields
	}
	fields["model"] = modelName
	fields["top_n"] = topInto(&req.topN)
	fields["return_documents"] = into(&req.echo, "true or false")
	fields["max_tokens_per_doc"], fields["max_chunks_per_doc"] = ignored[int]("a whole number"), ignored[int]("a whole number")
	fields["priority"], fields["truncation"] = ignored[int]("a whole number"), ignored[bool]("true or false")
	return fields
}

// topInto takes a number of results, at least 1.
func topInto(dst *int) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		into(dst, "a whole number")(raw, path, wrong)
		if string(raw) != "null" && *dst < 1 && !wrong.mentions(path) {
			wrong.add(path, "must be at least 1: leave it out for all")
		}
	}
}

// ignored takes what clients of others send and what changes nothing here.
func ignored[T any](wanted string) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		var unused T
		into(&unused, wanted)(raw, path, wrong)
	}
}

// modelName takes any: clients have to send one, and a server has one model.
func modelName(raw json.RawMessage, path string, wrong *Invalid) {
	var name string
	into(&name, "text in quotes")(raw, path, wrong)
	if problem := textProblem(name, maxModelName); problem != "" {
		wrong.add(path, "%s", problem)
	}
}

// check reads the documents, which mean different things to a text and to a
// picture.
func (req *rerankRequest) check(documents json.RawMessage, wrong *Invalid) {
	between(wrong, "deadline_ms", req.deadline.Milliseconds(), minDeadline.Milliseconds(), maxDeadline.Milliseconds())
	if !wrong.mentionsBelow("query") {
		switch {
		case !req.query.isPicture() && strings.TrimSpace(req.query.text) == "":
			wrong.add("query", "is empty: give the words to compare with, or a picture")
		case textProblem(req.query.text, maxTextBytes) != "":
			wrong.add("query", "%s", textProblem(req.query.text, maxTextBytes))
		}
	}
	if ok := isList(documents, "documents", maxDocuments, wrong); !ok || wrong.mentionsBelow("query") {
		return
	}
	fresh := count(req.query.isPicture() && req.query.visual.fresh())
	before := len(wrong.Fields)
	for raw := range elements(documents) {
		d := req.readDocument(raw, indexed("documents", len(req.documents)), wrong)
		req.documents = append(req.documents, d)
		fresh += count(d.isPicture() && d.visual.fresh())
		if len(wrong.Fields)-before >= maxListProblems {
			return
		}
	}
	if fresh > maxFresh {
		wrong.add("documents", "has %d pictures that have to be encoded; the limit is %d: name items by id, or send several requests", fresh, maxFresh)
	}
}

// isList says whether raw is a list of 1 to most elements.
func isList(raw json.RawMessage, path string, most int, wrong *Invalid) bool {
	switch {
	case len(raw) == 0:
		wrong.add(path, "is missing: give a list")
		return false
	case raw[0] != '[':
		wrong.add(path, "must be a list")
		return false
	}
	n := 0
	for range elements(raw) {
		if n++; n > most {
			wrong.add(path, "has more than %d elements", most)
			return false
		}
	}
	if n == 0 {
		wrong.add(path, "is empty")
	}
	return n > 0
}

// readDocument takes one document. For a text, a string is an item's id unless it
// is an address or a data: URL; for a picture, it is a text.
func (req *rerankRequest) readDocument(raw json.RawMessage, path string, wrong *Invalid) (d document) {
	byText := !req.query.isPicture()
	problems := len(wrong.Fields)
	phraseInto(&d.phrase, byText)(raw, path, wrong)
	if len(wrong.Fields) > problems {
		return d
	}
	bare := raw[0] == '"'
	if bare && !isDataURL(raw) {
		d.name = unquote(raw)
	}
	switch {
	case bare && byText && !d.isPicture():
		d.takeID(path, req.lenient, wrong)
	case byText && !d.isPicture():
		wrong.add(path, "is a text, and so is the query: the model reads texts with pictures. Name an item by id, or give a picture")
	case !byText && d.isPicture() && d.visual.fresh():
		wrong.add(path, "is a picture, and so is the query: the model reads pictures with texts. Give a text, or an item by id, whose title is read")
	case !d.isPicture() && textProblem(d.text, maxDocumentBytes) != "":
		wrong.add(path, "%s", textProblem(d.text, maxDocumentBytes))
	case !d.isPicture() && strings.TrimSpace(d.text) == "":
		wrong.add(path, "is empty: give a text")
	}
	return d
}

// takeID makes a string an item's id.
func (d *document) takeID(path string, lenient bool, wrong *Invalid) {
	d.visual.id, d.visual.path, d.text = d.text, path, ""
	switch problem := textProblem(d.visual.id, maxIDBytes); {
	case d.visual.id == "" && lenient:
		d.visual.id = noSuchItem
	case d.visual.id == "":
		wrong.add(path, "is empty: give an item's id, or a picture")
	case problem != "" && lenient:
		d.visual.id = noSuchItem
	case problem != "":
		wrong.add(path, "%s. With a text as query, a document is an item's id, or a picture as address or data: URL: texts cannot be read with texts", problem)
	}
}

// noSuchItem stands for a name that no item can have. It is longer than an id.
var noSuchItem = strings.Repeat("-", maxIDBytes+1)
