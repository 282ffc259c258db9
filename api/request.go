package api

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"sightline/store"
	"sightline/store/filter"
)

// MaxDepth is the most candidates that a request may ask a second look at.
const MaxDepth = 200

// Limits of a search request.
const (
	defaultLimit, maxLimit = 20, 100
	// A re-rank costs 5 to 20 ms a picture on two CPU cores, so 50 fit the
	// default deadline on a small machine.
	defaultDepth    = 50
	maxOffset       = store.MaxWindow - maxLimit
	maxTextBytes    = 2000 // BLIP reads 35 tokens, some 200 bytes; the rest is room for other models
	maxIDBytes      = 128
	maxPictureBytes = 10 << 20
	defaultDeadline = time.Second
	minDeadline     = 50 * time.Millisecond
	maxDeadline     = 30 * time.Second
)

// SearchRequest is one search by Text, by the picture of the item ImageID, or
// by the bytes of a picture. Make one with NewSearchRequest.
type SearchRequest struct {
	Text     string
	ImageID  string
	Image    []byte // JPEG, PNG or WebP
	Limit    int    // hits in the answer, 1-100
	Offset   int    // hits to skip
	Rerank   bool   // the second look; searches by picture do without, so far
	Depth    int    // candidates for the second look, 1-200
	Deadline time.Duration
	Filter   filter.Expr // what hits have to be, besides like the query; nil for anything
	MinMatch *float64    // leaves out hits whose match probability is below, 0-1
}

// NewSearchRequest returns a request with the defaults of the REST API.
func NewSearchRequest(text string) SearchRequest {
	return SearchRequest{Text: text, Limit: defaultLimit, Rerank: true, Depth: defaultDepth, Deadline: defaultDeadline}
}

func (r SearchRequest) byPicture() bool { return r.ImageID != "" || len(r.Image) > 0 }

// candidates is how many hits the index is asked for: enough for the page, and
// for everything that the second look could lift onto it.
func (r SearchRequest) candidates() int {
	if !r.Rerank || r.byPicture() {
		return r.Offset + r.Limit
	}
	return max(r.Depth, r.Offset+r.Limit)
}

// Invalid lists everything wrong with a request, in words for its sender.
type Invalid struct{ Fields []FieldProblem }

// FieldProblem is one thing wrong with one field. Detail continues the field's
// name: "limit" "must be between 1 and 100".
type FieldProblem struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error gives all problems on one line.
func (e *Invalid) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + " " + f.Detail
	}
	return "invalid request: " + strings.Join(parts, "; ")
}

func (e *Invalid) add(field, format string, args ...any) {
	e.Fields = append(e.Fields, FieldProblem{Field: field, Detail: fmt.Sprintf(format, args...)})
}

func (e *Invalid) err() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

func invalid(field, detail string) *Invalid {
	return &Invalid{Fields: []FieldProblem{{Field: field, Detail: detail}}}
}

// Validate returns all problems at once as an *Invalid. Fields have the names
// of the JSON form.
func (r SearchRequest) Validate() error {
	var wrong Invalid
	r.checkQuery(&wrong)
	between(&wrong, "limit", r.Limit, 1, maxLimit)
	between(&wrong, "offset", r.Offset, 0, maxOffset)
	if r.Rerank {
		between(&wrong, "rerank.depth", r.Depth, 1, MaxDepth)
	}
	between(&wrong, "deadline_ms", r.Deadline.Milliseconds(), minDeadline.Milliseconds(), maxDeadline.Milliseconds())
	r.checkMinMatch(&wrong)
	return wrong.err()
}

func (r SearchRequest) checkQuery(wrong *Invalid) {
	blank := strings.TrimSpace(r.Text) == ""
	switch {
	case blank && !r.byPicture():
		wrong.add("text", "is empty: give the words to search for, or a picture as image")
	case !blank && r.byPicture():
		wrong.add("image", "together with text is not supported yet: give one of them")
	case r.ImageID != "" && len(r.Image) > 0:
		wrong.add("image", "has both an id and a picture: give one of them")
	}
	if problem := textProblem(r.Text, maxTextBytes); problem != "" {
		wrong.add("text", "%s", problem)
	}
	if problem := textProblem(r.ImageID, maxIDBytes); problem != "" {
		wrong.add("image.id", "%s", problem)
	}
	if len(r.Image) > maxPictureBytes {
		wrong.add("image", "is %d bytes long; the limit is %d", len(r.Image), maxPictureBytes)
	}
}

// textProblem refuses what no tokenizer or index key should see.
func textProblem(text string, limit int) string {
	switch {
	case len(text) > limit:
		return fmt.Sprintf("is %d bytes long; the limit is %d", len(text), limit)
	case !utf8.ValidString(text):
		return "is not valid UTF-8 text"
	case strings.ContainsRune(text, 0):
		return "contains a NUL character; leave it out"
	}
	return ""
}

func (r SearchRequest) checkMinMatch(wrong *Invalid) {
	switch m := r.MinMatch; {
	case m == nil:
	case math.IsNaN(*m) || *m < 0 || *m > 1:
		wrong.add("min_match", "must be between 0 and 1")
	case r.byPicture():
		wrong.add("min_match", "is not supported yet for a search by picture: leave it out")
	case !r.Rerank:
		wrong.add("min_match", "needs the second look: leave it out, or switch rerank on")
	}
}

func between[T int | int64](wrong *Invalid, field string, v, low, high T) {
	if v < low || v > high {
		wrong.add(field, "must be between %d and %d", low, high)
	}
}
