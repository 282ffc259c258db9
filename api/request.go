package api

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"sightline/encoder/picture"
	"sightline/rerank/blend"
	"sightline/store"
	"sightline/store/filter"
)

// MaxDepth is the most candidates that a request may ask a second look at.
const MaxDepth = 200

// Limits of a search request.
const (
	defaultLimit, maxLimit = 20, 100
	// A re-rank costs 5 to 20 ms a picture or title on two CPU cores, so 50 fit
	// the default deadline on a small machine.
	defaultDepth    = 50
	maxOffset       = store.MaxWindow - maxLimit
	maxTextBytes    = 2000 // BLIP reads 35 tokens, some 200 bytes; the rest is room for other models
	maxIDBytes      = 128
	maxPictureBytes = 10 << 20
	defaultDeadline = time.Second
	minDeadline     = 50 * time.Millisecond
	maxDeadline     = 30 * time.Second
)

// SearchRequest is one search by Text, by a picture (of the item ImageID, the
// bytes of one, or its address), or by both together. Make one with NewSearchRequest.
type SearchRequest struct {
	Text    string
	ImageID string
	Image   []byte // JPEG, PNG or WebP
	// ImageURL is an http or https address of a picture: see Engine.Fetcher.
	ImageURL string
	// ImageBox is the part of Image, or of what ImageURL has, that is searched by;
	// zero for all of it.
	ImageBox picture.Box
	// ImageWeight is the picture's share, 0-1, of a search by text and picture;
	// the text has the rest. Half unless that is asked for, and of no meaning else.
	ImageWeight float64
	Negative    string // what hits should not be like; "" for nothing
	// NegativeWeight is the share, 0-1, of Negative's vector and match logit that
	// is taken off.
	NegativeWeight float64
	Limit          int  // hits in the answer, 1-100
	Offset         int  // hits to skip
	Rerank         bool // the second look
	// Titles lets the picture of a search by text and picture be read with
	// titles too. A picture alone is read with titles in any case.
	Titles   bool
	Depth    int // candidates for the second look, 1-200
	Deadline time.Duration
	Filter   filter.Expr // what hits have to be, besides like the query; nil for anything
	MinMatch *float64    // leaves out hits whose match probability is below, 0-1
	GroupBy  string      // field of which each value is in the answer once, such as "group_id"; "" for no groups
	// Diversity, 0-1, is how much being unlike the hits above counts against
	// matching: 0 not at all, 1 all there is after the first hit.
	Diversity float64
	// Explain says of each hit how its score and place came about: see Reasons.
	Explain bool
	Facets  []Facet     // what to count besides; at most 10, each field once
	Rules   blend.Rules // on top of the server's: see Engine.Rules
	// IncludeHidden finds what Engine.Hidden matches too.
	IncludeHidden bool

	hidden filter.Expr // what this search does not find; set by Engine.Search
}

// defaultWeight is that of pictures beside text, and of negative texts. For the
// latter: docs/rest.md says what it was measured to do.
const defaultWeight = 0.5

// NewSearchRequest returns a request with the defaults of the REST API.
func NewSearchRequest(text string) SearchRequest {
	return SearchRequest{
		Text: text, Limit: defaultLimit, Rerank: true, Depth: defaultDepth, Deadline: defaultDeadline,
		ImageWeight: defaultWeight, NegativeWeight: defaultWeight,
	}
}

func (r SearchRequest) hasText() bool { return strings.TrimSpace(r.Text) != "" }

func (r SearchRequest) hasPicture() bool { return r.ImageID != "" || r.brings() }

// brings says that a picture comes with the request, or its address does.
func (r SearchRequest) brings() bool { return len(r.Image) > 0 || r.ImageURL != "" }

func (r SearchRequest) hasNegative() bool { return strings.TrimSpace(r.Negative) != "" }

func (r SearchRequest) composed() bool { return r.hasText() && r.hasPicture() }

// candidates is how many hits the index is asked for: enough for the page, and
// for everything that the second look could lift onto it.
func (r SearchRequest) candidates() int {
	if !r.Rerank {
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
	r.checkShares(&wrong)
	between(&wrong, "limit", r.Limit, 1, maxLimit)
	between(&wrong, "offset", r.Offset, 0, maxOffset)
	if r.Rerank {
		between(&wrong, "rerank.depth", r.Depth, 1, MaxDepth)
	}
	between(&wrong, "deadline_ms", r.Deadline.Milliseconds(), minDeadline.Milliseconds(), maxDeadline.Milliseconds())
	r.checkMinMatch(&wrong)
	r.checkOrder(&wrong)
	r.checkFacets(&wrong)
	return wrong.err()
}

func (r SearchRequest) checkQuery(wrong *Invalid) {
	switch {
	case !r.hasText() && !r.hasPicture():
		wrong.add("text", "is empty: give the words to search for, or a picture as image")
	case r.ImageID != "" && len(r.Image) > 0:
		wrong.add("image", "has both an id and a picture: give one of them")
	case r.ImageURL != "" && (r.ImageID != "" || len(r.Image) > 0):
		wrong.add("image", "has an address and something else: give one of id, url and base64")
	}
	r.checkPicture(wrong)
	for _, t := range []struct {
		field, text string
		limit       int
	}{{"text", r.Text, maxTextBytes}, {"image.id", r.ImageID, maxIDBytes}, {"negative", r.Negative, maxTextBytes}} {
		if problem := textProblem(t.text, t.limit); problem != "" {
			wrong.add(t.field, "%s", problem)
		}
	}
}

func (r SearchRequest) checkPicture(wrong *Invalid) {
	if len(r.Image) > maxPictureBytes {
		wrong.add("image", "is %d bytes long; the limit is %d", len(r.Image), maxPictureBytes)
	}
	if r.ImageURL != "" {
		if problem := addressProblem(r.ImageURL); problem != "" {
			wrong.add("image.url", "%s", problem)
		}
	}
	switch box := r.ImageBox; {
	case box.IsZero():
	case !box.Valid():
		wrong.add(boxField, "must have its left edge before its right one and its top above its bottom, all within 0 to 1")
	case !r.brings():
		wrong.add(boxField, "is for a picture that comes with the request: leave it out")
	}
}

// checkShares refuses weights beyond their bounds, and settings of what the
// request does not have: they would have no effect, silently. A weight of 0 is
// what a request that was not made by NewSearchRequest has.
func (r SearchRequest) checkShares(wrong *Invalid) {
	switch {
	case !isShare(r.ImageWeight):
		wrong.add(weightField, "must be between 0 and 1")
	case r.ImageWeight != defaultWeight && r.ImageWeight != 0 && !r.composed():
		wrong.add(weightField, "is for a search by text and picture together: leave it out")
	}
	switch {
	case !isShare(r.NegativeWeight):
		wrong.add("negative_weight", "must be between 0 and 1")
	case r.NegativeWeight != defaultWeight && r.NegativeWeight != 0 && !r.hasNegative():
		wrong.add("negative_weight", "is for a search with a negative text: leave it out, or give one as negative")
	}
	switch {
	case r.Titles && !r.hasPicture():
		wrong.add("rerank.titles", "is for a search with a picture, which is read with titles: leave it out")
	case r.Titles && !r.Rerank:
		wrong.add("rerank.titles", "needs the second look: leave it out, or switch rerank on")
	}
}

// isShare is false for NaN too.
func isShare(v float64) bool { return v >= 0 && v <= 1 }

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
	case !isShare(*m):
		wrong.add("min_match", "must be between 0 and 1")
	case !r.Rerank:
		wrong.add("min_match", "needs the second look: leave it out, or switch rerank on")
	}
}

func between[T int | int64](wrong *Invalid, field string, v, low, high T) {
	if v < low || v > high {
		wrong.add(field, "must be between %d and %d", low, high)
	}
}
