package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sightline/rerank/blend"
	"sightline/store/filter"
)

// reader reads one field's value into a request.
type reader func(raw json.RawMessage, path string, wrong *Invalid)

// decodeSearch reads the JSON form of a request, strictly: fields that are
// unknown, repeated or of a wrong type are errors, and all of them are reported
// at once together with those of Validate. encoding/json alone would replace
// invalid UTF-8, take "TEXT" for "text", let the last of two equal names win
// and stop at the first problem.
func decodeSearch(body []byte) (SearchRequest, error) {
	req := NewSearchRequest("")
	if !utf8.Valid(body) {
		return req, refuse(kindMalformed, "The body is not valid UTF-8 text.")
	}
	body = bytes.TrimSpace(body)
	if err := checkSyntax(body); err != nil {
		return req, err
	}
	var wrong Invalid
	if err := readObject(body, "", searchFields(&req), &wrong); err != nil {
		return req, err
	}
	return req, wrong.join(req.Validate())
}

func checkSyntax(body []byte) error { return checkObject(body, `{"text": "red shoes"}`) }

// checkObject accepts one JSON object and nothing after it. It makes no copy.
func checkObject(body []byte, example string) error {
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(body, new(struct{})); {
	case len(body) == 0:
		return refuse(kindMalformed, "The body is empty: send a JSON object such as "+example+".")
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(body)):
		return refuse(kindMalformed, "The JSON ends too early: was the body cut?")
	case errors.As(err, &syntax):
		return refuse(kindMalformed, fmt.Sprintf("The body is not valid JSON near byte %d: %s.", syntax.Offset, syntax.Error()))
	case body[0] != '{':
		return refuse(kindMalformed, "The body must be a JSON object such as "+example+".")
	}
	return nil
}

func searchFields(req *SearchRequest) map[string]reader {
	return map[string]reader{
		"text":        into(&req.Text, "text in quotes"),
		"image":       object(imageFields(req)),
		"limit":       into(&req.Limit, "a whole number"),
		"offset":      into(&req.Offset, "a whole number"),
		"deadline_ms": deadlineInto(&req.Deadline),
		"min_match":   into(&req.MinMatch, "a number"),

		"negative":        into(&req.Negative, "text in quotes"),
		"negative_weight": into(&req.NegativeWeight, "a number"),
		"rerank": object(map[string]reader{
			"enabled": into(&req.Rerank, "true or false"),
			"depth":   into(&req.Depth, "a whole number"),
			"titles":  into(&req.Titles, "true or false"),
		}),
		"filter":    filterInto(&req.Filter),
		"group_by":  into(&req.GroupBy, "the name of a field, in quotes"),
		"diversity": into(&req.Diversity, "a number"),
		"boosts":    list(&req.Rules.Boosts, blend.MaxRules, readBoost),
		"buries":    list(&req.Rules.Buries, blend.MaxRules, readBury),
		"pins":      list(&req.Rules.Pins, blend.MaxPins, readPin),
		"facets":    facetsInto(&req.Facets),
		"explain":   into(&req.Explain, "true or false"),

		"include_hidden": into(&req.IncludeHidden, "true or false"),
	}
}

func imageFields(req *SearchRequest) map[string]reader {
	return map[string]reader{
		"id":     into(&req.ImageID, "text in quotes"),
		"base64": base64Into(&req.Image),
		"weight": into(&req.ImageWeight, "a number"),
		"url":    into(&req.ImageURL, "an address in quotes"),
		"box":    boxInto(&req.ImageBox),
	}
}

func into[T any](dst *T, wanted string) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		if err := json.Unmarshal(raw, dst); err != nil {
			wrong.add(path, "must be %s", wanted)
		}
	}
}

// oneOf takes one of a few words.
func oneOf(dst *string, words ...string) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		var word string
		switch err := json.Unmarshal(raw, &word); {
		case string(raw) == "null":
		case err != nil || !slices.Contains(words, word):
			wrong.add(path, `must be "%s"`, strings.Join(words, `" or "`))
		default:
			*dst = word
		}
	}
}

// numbers takes a list without null in it, which encoding/json would make 0.
func numbers[T int | float64](dst *[]T, wanted string) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		var all []*T
		if json.Unmarshal(raw, &all) != nil || slices.Contains(all, nil) {
			wrong.add(path, "must be %s", wanted)
			return
		}
		for _, n := range all {
			*dst = append(*dst, *n)
		}
	}
}

func deadlineInto(dst *time.Duration) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		ms := dst.Milliseconds()
		into(&ms, "a whole number of milliseconds")(raw, path, wrong)
		*dst = deadline(ms)
	}
}

// deadline keeps absurd numbers absurd for Validate instead of letting the
// multiplication wrap round to something that looks right.
func deadline(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), 2*maxDeadline.Milliseconds())) * time.Millisecond
}

// base64Into takes standard base64, bare or as a data URL. The value is decoded
// out of the body in place unless it has escapes ("\/", as PHP writes it): a
// picture may be 14 MB long here, and every copy counts.
func base64Into(dst *[]byte) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		if string(raw) == "null" {
			return
		}
		text := bytes.Trim(raw, `"`)
		if raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 {
			var unescaped string
			if json.Unmarshal(raw, &unescaped) != nil {
				wrong.add(path, "must be text in quotes")
				return
			}
			text = []byte(unescaped)
		}
		if bytes.HasPrefix(text, []byte("data:")) {
			_, text, _ = bytes.Cut(text, []byte(";base64,"))
		}
		picture := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Decode(picture, text)
		switch {
		case err != nil:
			wrong.add(path, "must be standard base64 with padding")
		case n == 0:
			wrong.add(path, "is empty: give the bytes of a JPEG, PNG or WebP")
		default:
			*dst = picture[:n]
		}
	}
}

// filterInto takes a filter's JSON form, or its text form in quotes.
func filterInto(dst *filter.Expr) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		if string(raw) == "null" {
			return
		}
		parsed, err := filter.ParseJSON(raw)
		if err != nil {
			wrong.add(path, "%s", filterProblem(err))
			return
		}
		*dst = parsed
	}
}

// filterProblem says what is wrong with a filter.
func filterProblem(err error) string {
	var wrong *filter.Error
	if !errors.As(err, &wrong) {
		return "is not a filter that can be read"
	}
	return wrong.Detail()
}

// object reads a nested object; null counts as absent.
func object(fields map[string]reader) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		if string(raw) == "null" {
			return
		}
		if raw[0] != '{' {
			wrong.add(path, "must be an object with the fields %s", names(fields))
			return
		}
		if err := readObject(raw, path+".", fields, wrong); err != nil {
			wrong.add(path, "has more than %d fields", maxFields)
		}
	}
}

// readObject hands each member of a valid JSON object to its reader. The error
// says that there are too many.
func readObject(data []byte, prefix string, fields map[string]reader, wrong *Invalid) error {
	seen := make(map[string]bool)
	n := 0
	for name, raw := range members(data) {
		if n++; n > maxFields {
			return refuse(kindMalformed, fmt.Sprintf("The object has more than %d fields.", maxFields))
		}
		readField(name, raw, prefix, fields, seen[name], wrong)
		seen[name] = true
	}
	return nil
}

// maxFields bounds one object, and so the list of problems in an answer.
const maxFields = 64

func readField(name string, raw json.RawMessage, prefix string, fields map[string]reader, again bool, wrong *Invalid) {
	read, known := fields[name]
	switch {
	case again:
		wrong.add(prefix+shorten(name), "is given more than once")
	case !known:
		wrong.add(prefix+shorten(name), "%s", unknown(name, fields))
	default:
		read(raw, prefix+name, wrong)
	}
}

// join adds the problems that Validate found in what could be read. A field
// that could not be read has its default there, which says nothing about it.
func (e *Invalid) join(err error) error {
	var more *Invalid
	if errors.As(err, &more) {
		for _, f := range more.Fields {
			if !e.mentions(f.Field) {
				e.Fields = append(e.Fields, f)
			}
		}
	}
	return e.err()
}

const (
	weightField = "image.weight"
	boxField    = "image.box"
)

// mentions says whether a problem with field, or with the other half of what
// to search by, is reported already. A weight or a box is not what to search by.
func (e *Invalid) mentions(field string) bool {
	top, _, _ := strings.Cut(field, ".")
	for _, f := range e.Fields {
		has, _, _ := strings.Cut(f.Field, ".")
		if field == weightField || f.Field == weightField || field == boxField || f.Field == boxField {
			has, top = f.Field, field
		}
		if f.Field == field || has == top && (top == "image" || f.Field == top) || top == "text" && has == "image" {
			return true
		}
	}
	return false
}
