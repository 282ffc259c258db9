package filter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxProblems bounds one error; the first ones explain the others.
const maxProblems = 32

// Problem is one thing wrong with a filter.
type Problem struct {
	Path   string // in JSON, such as "$.and[1].price.lt"; "" in text form
	Column int    // in text, counted in characters from 1; 0 for the whole filter and for JSON
	Detail string // in words for the user
}

// String gives the place and the detail.
func (p Problem) String() string {
	var place []string
	if p.Path != "" {
		place = append(place, p.Path)
	}
	if p.Column > 0 {
		place = append(place, fmt.Sprintf("column %d", p.Column))
	}
	if len(place) == 0 {
		return p.Detail
	}
	return strings.Join(place, ", ") + ": " + p.Detail
}

// Error is what Parse and ParseJSON return: all problems of names and types,
// and the first one of the text's syntax, behind which nothing is read.
type Error struct {
	Problems []Problem // at least 1, at most 32, in the order of the filter
	More     int       // problems left out
}

// Error gives all problems on one line.
func (e *Error) Error() string { return "invalid filter: " + e.Detail() }

// Detail is Error without the words "invalid filter", for answers that name the
// field themselves.
func (e *Error) Detail() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = p.String()
	}
	text := strings.Join(parts, "; ")
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more", e.More)
	}
	return text
}

// where is the part of a filter that problems are placed in: a text, or a
// value of the JSON form.
type where struct {
	path string
	text string // "" for a JSON value
}

// whole is the place of a JSON value itself.
const whole = -1

// problem places a detail: at is a byte offset in a text, and the index in a
// list or whole in JSON.
func (w where) problem(at int, detail string) Problem {
	p := Problem{Path: w.path, Detail: detail}
	if w.text != "" {
		p.Column = utf8.RuneCountInString(w.text[:at]) + 1
	} else if at != whole {
		p.Path += "[" + strconv.Itoa(at) + "]"
	}
	return p
}

// member is the path of an object's member.
func member(path, name string) string {
	if isPlain(name) {
		return path + "." + shorten(name)
	}
	return path + "[" + quoted(shorten(name)) + "]"
}

// shorten keeps an error from carrying 64 KiB of somebody's filter.
func shorten(text string) string { return Shorten(text, 40) }

// Shorten cuts text to at most so many bytes, between two characters, and an
// ellipsis.
func Shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
