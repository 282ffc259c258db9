package api

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"sightline/encoder/picture"
)

// visual is a picture as a request names it, by one of id, url and data.
type visual struct {
	path string // of its field, for problems; "" where there is no picture
	id   string // of an item
	url  string // http or https
	data []byte // JPEG, PNG or WebP
	box  picture.Box
}

func (v *visual) named() bool { return v.path != "" }

// fresh says that the picture has to be decoded and encoded.
func (v *visual) fresh() bool { return v.id == "" }

// visualInto takes a picture in the forms of the field: an address, a data: URL
// or base64 in quotes, as Jina's clients send them, or our own object.
func visualInto(dst *visual) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		switch {
		case string(raw) == "null":
			return
		case dst.named():
			wrong.add(path, "is a second picture: give one")
			return
		case raw[0] == '"':
			dst.readText(raw, path, wrong)
		default:
			object(map[string]reader{
				"id": into(&dst.id, "text in quotes"), "url": into(&dst.url, "an address in quotes"),
				"base64": base64Into(&dst.data), "box": boxInto(&dst.box),
			})(raw, path, wrong)
		}
		dst.check(path, wrong)
	}
}

// imageURLInto takes OpenAI's form, {"url": …}, or the address alone.
func imageURLInto(dst *visual) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		var detail string // how closely a model is to look: ours has one size
		var address json.RawMessage
		switch {
		case string(raw) == "null":
			return
		case dst.named():
			wrong.add(path, "is a second picture: give one")
			return
		case raw[0] == '"':
			address = raw
		default:
			keep := func(raw json.RawMessage, _ string, _ *Invalid) { address = raw }
			object(map[string]reader{"url": keep, "detail": into(&detail, "text in quotes")})(raw, path, wrong)
			path += ".url"
		}
		if len(address) == 0 || address[0] != '"' {
			wrong.add(path, "must be an address or a data: URL in quotes")
			return
		}
		dst.readText(address, path, wrong)
		dst.check(path, wrong)
	}
}

// readText takes an address, a data: URL, or base64.
func (v *visual) readText(raw json.RawMessage, path string, wrong *Invalid) {
	if isAddress(raw) {
		into(&v.url, "an address in quotes")(raw, path, wrong)
		return
	}
	var problems Invalid
	base64Into(&v.data)(raw, path, &problems)
	if len(problems.Fields) > 0 {
		wrong.add(path, `must be an http or https address, a data: URL, or the base64 of a JPEG, PNG or WebP; an item's picture is {"id": …}`)
	}
}

// isAddress says whether a JSON string begins as an http or https address.
func isAddress(raw json.RawMessage) bool {
	return bytes.HasPrefix(raw, []byte(`"http:`)) || bytes.HasPrefix(raw, []byte(`"https:`))
}

func isDataURL(raw json.RawMessage) bool { return bytes.HasPrefix(raw, []byte(`"data:`)) }

// check says what is wrong with a picture whose fields could be read.
func (v *visual) check(path string, wrong *Invalid) {
	if wrong.mentionsBelow(path) {
		return
	}
	v.path = path
	n := count(v.id != "") + count(v.url != "") + count(len(v.data) > 0)
	switch {
	case n == 0:
		wrong.add(path, "names no picture: give one of id, url and base64")
	case n > 1:
		wrong.add(path, "has several pictures: give one of id, url and base64")
	case v.id != "" && !v.box.IsZero():
		wrong.add(path+".box", "is for pictures that come with the request: leave it out beside an id")
	case v.id != "" && textProblem(v.id, maxIDBytes) != "":
		wrong.add(path+".id", "%s", textProblem(v.id, maxIDBytes))
	case v.url != "" && addressProblem(v.url) != "":
		wrong.add(path, "%s", addressProblem(v.url))
	case len(v.data) > maxPictureBytes:
		wrong.add(path, "is %d bytes long; the limit is %d", len(v.data), maxPictureBytes)
	}
}

// maxAddress is as long as an address may be.
const maxAddress = 4096

// addressProblem says what no fetcher could do anything with.
func addressProblem(text string) string {
	if problem := textProblem(text, maxAddress); problem != "" {
		return problem
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "must be an http or https address: send pictures of your own computer as base64 or as a form"
	}
	return ""
}

// boxInto reads [left, top, right, bottom].
func boxInto(dst *picture.Box) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		var edges []float64
		before := len(wrong.Fields)
		numbers(&edges, "a list of four numbers")(raw, path, wrong)
		if string(raw) == "null" || len(wrong.Fields) > before {
			return
		}
		box, problem := newBox(edges)
		if problem != "" {
			wrong.add(path, "%s", problem)
		}
		*dst = box
	}
}

// newBox gives the zero box with a problem.
func newBox(edges []float64) (picture.Box, string) {
	if len(edges) != 4 {
		return picture.Box{}, "must have four numbers: left, top, right, bottom"
	}
	switch box := picture.Box(edges); {
	case max(edges[0], edges[1], edges[2], edges[3]) > 1:
		return picture.Box{}, "must be in fractions of the picture's width and height, 0 to 1: divide pixels by these"
	case !box.Valid():
		return picture.Box{}, "must have its left edge before its right one and its top above its bottom, all within 0 to 1"
	default:
		return box, ""
	}
}

// mentionsBelow says whether a problem with the field at path, or with one in it,
// is reported.
func (e *Invalid) mentionsBelow(path string) bool {
	for _, f := range e.Fields {
		if f.Field == path || strings.HasPrefix(f.Field, path+".") {
			return true
		}
	}
	return false
}
