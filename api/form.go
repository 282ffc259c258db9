package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sightline/encoder/picture"
	"sightline/store/filter"
)

// setter reads one value of a query string or a form into a request and
// returns what the value must be when it is not that.
type setter func(value string) (wanted string)

func settings(req *SearchRequest, textName string) map[string]setter {
	return map[string]setter{
		textName:    func(v string) string { req.Text = v; return "" },
		"limit":     wholeNumber(&req.Limit),
		"offset":    wholeNumber(&req.Offset),
		"depth":     wholeNumber(&req.Depth),
		"rerank":    yesOrNo(&req.Rerank),
		"min_match": fraction(&req.MinMatch),
		"filter":    filterText(&req.Filter),
		"deadline_ms": func(v string) string {
			ms, err := strconv.ParseInt(v, 10, 64)
			req.Deadline = deadline(ms)
			return unless(err, "must be a whole number of milliseconds")
		},
		"image_id":        func(v string) string { req.ImageID = v; return "" },
		"image_url":       func(v string) string { req.ImageURL = v; return "" },
		"image_box":       boxText(&req.ImageBox),
		"image_weight":    number(&req.ImageWeight),
		"titles":          yesOrNo(&req.Titles),
		"negative":        func(v string) string { req.Negative = v; return "" },
		"negative_weight": number(&req.NegativeWeight),
		"group_by":        func(v string) string { req.GroupBy = v; return "" },
		"diversity":       number(&req.Diversity),
		"facets":          facetsText(&req.Facets),
		"explain":         yesOrNo(&req.Explain),
		"include_hidden":  yesOrNo(&req.IncludeHidden),
	}
}

func wholeNumber(dst *int) setter {
	return func(v string) string {
		n, err := strconv.Atoi(v)
		if err == nil {
			*dst = n
		}
		return unless(err, "must be a whole number")
	}
}

func yesOrNo(dst *bool) setter {
	return func(v string) string {
		on, err := strconv.ParseBool(v)
		if err == nil {
			*dst = on
		}
		return unless(err, "must be true or false")
	}
}

// moment reads a time of RFC 3339.
func moment(dst *time.Time) setter {
	return func(v string) string {
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return "must be a time such as 2026-01-31T12:00:00Z"
		}
		*dst = t
		return ""
	}
}

func number(dst *float64) setter {
	return func(v string) string {
		f, err := strconv.ParseFloat(v, 64)
		if err == nil {
			*dst = f
		}
		return unless(err, "must be a number")
	}
}

// boxText reads "0.1,0.2,0.5,0.9".
func boxText(dst *picture.Box) setter {
	return func(v string) string {
		var edges []float64
		for part := range strings.SplitSeq(v, ",") {
			edge, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
			if err != nil || len(edges) == len(dst) {
				return "must be four numbers with commas between: left, top, right, bottom"
			}
			edges = append(edges, edge)
		}
		box, problem := newBox(edges)
		*dst = box
		return problem
	}
}

// fraction leaves dst nil unless there is a value.
func fraction(dst **float64) setter {
	return func(v string) string {
		f := new(float64)
		wanted := number(f)(v)
		if wanted == "" {
			*dst = f
		}
		return wanted
	}
}

// filterText reads a filter's text form; the problem says what to write instead.
func filterText(dst *filter.Expr) setter {
	return func(v string) string {
		parsed, err := filter.Parse(v)
		if err != nil {
			return filterProblem(err)
		}
		*dst = parsed
		return ""
	}
}

func unless(err error, wanted string) string {
	if err == nil {
		return ""
	}
	return wanted
}

// decodeQuery reads the form for links and curl: ?q=red+shoes&limit=5.
func decodeQuery(raw string) (SearchRequest, error) {
	req := NewSearchRequest("")
	return decodeValues(raw, &req, settings(&req, "q"))
}

func decodeValues(raw string, req *SearchRequest, set map[string]setter) (SearchRequest, error) {
	var wrong Invalid
	if err := readValues(raw, set, &wrong); err != nil {
		return *req, err
	}
	return *req, wrong.join(formNames(req.Validate(), "q"))
}

// readValues hands each parameter of a query string to its setter.
func readValues(raw string, set map[string]setter, wrong *Invalid) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return refuse(kindMalformed, "The address has a query string that cannot be read: percent-encode its values.")
	}
	if len(values) > maxFields {
		return refuse(kindMalformed, fmt.Sprintf("The address has more than %d parameters.", maxFields))
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all := values[name]
		if len(all) > 1 {
			wrong.add(shorten(name), "is given more than once")
			continue
		}
		setField(set, name, all[0], wrong)
	}
	return nil
}

func setField(set map[string]setter, name, value string, wrong *Invalid) {
	put, known := set[name]
	if !known {
		wrong.add(shorten(name), "%s", unknown(name, set))
		return
	}
	if wanted := put(value); wanted != "" {
		wrong.add(name, "%s", wanted)
	}
}

// formNames gives Validate's problems the names that the flat forms use.
func formNames(err error, textName string) error {
	var wrong *Invalid
	if !errors.As(err, &wrong) {
		return err
	}
	for i, f := range wrong.Fields {
		switch f.Field {
		case "text":
			wrong.Fields[i].Field = textName
		case "rerank.depth", "rerank.titles":
			wrong.Fields[i].Field = strings.TrimPrefix(f.Field, "rerank.")
		case "image.id", "image.url", weightField, boxField:
			wrong.Fields[i].Field = strings.Replace(f.Field, ".", "_", 1)
		}
	}
	return wrong
}

const (
	maxParts      = 16
	maxFieldBytes = 4096
)

// decodeForm reads multipart/form-data with a file part "image", part by part
// and into memory only. Everything else is as in the query string, with the
// words in "text".
func decodeForm(parts formReader) (SearchRequest, error) {
	req := NewSearchRequest("")
	var wrong Invalid
	set := settings(&req, "text")
	set["image"] = nil // known, but not read by a setter
	seen := make(map[string]bool)
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return req, wrong.join(formNames(req.Validate(), "text"))
		}
		if err != nil {
			return req, parts.problem(err)
		}
		name := part.FormName()
		if seen[name] {
			wrong.add(shorten(name), "is given more than once")
			continue
		}
		seen[name] = true
		if err := readPart(part, &req, set, &wrong); err != nil {
			return req, parts.problem(err)
		}
	}
	return req, refuse(kindMalformed, fmt.Sprintf("The form has more than %d parts.", maxParts-1))
}

func readPart(part *multipart.Part, req *SearchRequest, set map[string]setter, wrong *Invalid) error {
	name := part.FormName()
	if name == "image" {
		data, err := io.ReadAll(io.LimitReader(part, maxPictureBytes+1))
		if len(data) == 0 && err == nil {
			wrong.add(name, "is empty: give the bytes of a JPEG, PNG or WebP")
		}
		req.Image = data
		return err
	}
	value, err := io.ReadAll(io.LimitReader(part, maxFieldBytes+1))
	switch {
	case err != nil:
		return err
	case len(value) > maxFieldBytes:
		wrong.add(shorten(name), "is longer than %d bytes", maxFieldBytes)
	case !utf8.Valid(value):
		wrong.add(shorten(name), "is not valid UTF-8 text")
	default:
		setField(set, name, string(value), wrong)
	}
	return nil
}

// newForm reads a form that has to be whole.
func newForm(body io.Reader, boundary string) formReader {
	whole := &wholeForm{r: body, end: []byte("--" + boundary + "--")}
	return formReader{multipart.NewReader(whole, boundary), whole}
}

// formReader reads a form's parts.
type formReader struct {
	*multipart.Reader

	body *wholeForm
}

// wholeForm makes the end of a form that lacks its last boundary an error:
// mime/multipart takes one that was cut within the head of a part for complete.
type wholeForm struct {
	r    io.Reader
	end  []byte
	last []byte // as many bytes as end has
	err  error  // of reading, io.EOF too
}

func (f *wholeForm) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.last = append(f.last, p[max(0, n-len(f.end)):n]...)
	f.last = f.last[max(0, len(f.last)-len(f.end)):]
	// After a boundary with a line end, or with more behind it, nobody asks.
	if err == io.EOF && !bytes.Equal(f.last, f.end) {
		err = io.ErrUnexpectedEOF
	}
	f.err = err
	return n, err
}

// problem keeps the causes that error.go knows (too large, too slow) and
// calls the rest, whose texts are net/http's own, a broken form. A body that
// breaks off within the head of a part is one whose head is malformed, to
// mime/multipart; the body knows better.
func (f formReader) problem(err error) error {
	for _, cause := range []error{err, f.body.err} {
		if kind, _ := bodyKind(cause); kind != "" {
			return cause
		}
	}
	return &refusal{kind: kindMalformed, detail: "The form cannot be read: was the body cut, or the boundary changed?", err: err}
}

// decodeSimilar reads what a search by an item's picture can have besides it.
func decodeSimilar(raw, id string) (SearchRequest, error) {
	req := NewSearchRequest("")
	req.ImageID, req.Rerank = id, false
	set := settings(&req, "q")
	for _, name := range notForSimilar() {
		delete(set, name)
	}
	return decodeValues(raw, &req, set)
}

// notForSimilar are the fields of a search that such a search has not.
func notForSimilar() []string {
	return []string{"q", "depth", "rerank", "min_match", "image_id", "image_url", "image_box", "image_weight", "titles", "negative", "negative_weight"}
}
