package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"time"
	"unicode/utf8"

	"sightline/store"
	"sightline/store/change"
)

// Limits of POST /v1/items:batch in its JSON form.
const (
	maxBatch     = 1000
	maxBatchBody = 8_000_000
	batchExample = `{"items": [{"id": "a", "image": "https://shop.example/a.jpg"}], "patches": [{"id": "b", "price": 9}], "deletes": ["c"]}`
)

// rejected is a change that was not taken.
type rejected struct {
	place

	Errors []FieldProblem `json:"errors"`
}

// report collects the rejected changes. What it lists is bounded; what it
// counts is not.
type report struct {
	rejected []rejected
	count    int
	problems int
}

// maxProblems bounds the problems of single fields in one answer, some 200 bytes
// each.
const maxProblems = 1000

func (rep *report) add(at place, wrong *Invalid) {
	rep.count++
	if rep.problems += len(wrong.Fields); rep.problems <= maxProblems {
		at.ID = clipField(at.ID)
		rep.rejected = append(rep.rejected, rejected{at, wrong.Fields})
	}
}

// err is the answer where nothing of a request is taken.
func (rep *report) err() error {
	var fields []FieldProblem
	for _, one := range rep.rejected {
		name := one.At
		if one.Line > 0 {
			name = fmt.Sprintf("line %d", one.Line)
		}
		for _, f := range one.Errors {
			fields = append(fields, FieldProblem{name + "." + f.Field, f.Detail})
		}
	}
	return &refusal{
		kind: kindInvalid, fields: fields,
		detail: fmt.Sprintf("Nothing was queued: %d of the changes have problems; see errors.", rep.count),
	}
}

// batchAnswer says what became of many changes.
type batchAnswer struct {
	accepted

	Accepted int        `json:"accepted"`
	Counts   *JobCounts `json:"counts,omitempty"`
	Rejected int        `json:"rejected"`
	Problems []rejected `json:"problems,omitempty"`          // of the rejected ones
	LeftOut  int        `json:"problems_left_out,omitempty"` // rejected ones that are not listed
}

func (rep *report) answer(a accepted, n int) batchAnswer {
	return batchAnswer{
		accepted: a, Accepted: n,
		Rejected: rep.count, Problems: rep.rejected, LeftOut: rep.count - len(rep.rejected),
	}
}

// batch serves POST /v1/items:batch.
func (s *writes) batch(w http.ResponseWriter, r *http.Request) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == "application/json":
		s.jsonBatch(w, r)
	case err == nil && media == ndjson:
		s.ndjsonBatch(w, r)
	default:
		fail(w, r, refuse(kindMediaType, "Send a batch as JSON with Content-Type: application/json, or one item a line with Content-Type: application/x-ndjson."))
	}
}

func (s *writes) jsonBatch(w http.ResponseWriter, r *http.Request) {
	c := call{w: w, r: r}
	drafts, rep, err := s.prepareBatch(r.Context(), &c)
	var out *sender
	if err == nil {
		out, err = s.sendAll(r.Context(), c.order, drafts)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	s.answerMany(c, out, rep, s.outcome(r.Context(), c, out, 0))
}

// answerMany says what became of a request's changes.
func (s *writes) answerMany(c call, out *sender, rep *report, counts JobCounts) {
	group := out.ticket.group
	answer := rep.answer(accepted{Job: group, State: counts.stateOr("waiting")}, out.sent)
	if counts.total() > 0 {
		answer.Counts = &counts
	}
	if counts.ended() {
		respond(c.w, c.r, answer)
		return
	}
	s.accept(c.w, c.r, answer, group)
}

// prepareBatch reads a batch and stores its pictures; drafts are the good
// changes, at least one.
func (s *writes) prepareBatch(ctx context.Context, c *call) (drafts []draft, rep *report, err error) {
	var wrong Invalid
	atomic, asOf := false, time.Time{}
	if c.order, err = readOrder(c.r, "", false, &wrong); err == nil {
		err = readValues(c.r.URL.RawQuery, map[string]setter{"atomic": yesOrNo(&atomic), "as_of": moment(&asOf)}, &wrong)
	}
	if err != nil {
		return nil, nil, err
	}
	give, err := s.uploads.room(c.r)
	if err != nil {
		return nil, nil, err
	}
	defer give()
	body, err := readBody(c.w, c.r, maxBatchBody)
	if err != nil {
		return nil, nil, bodyError(err)
	}
	rep = &report{}
	if drafts, err = decodeBatch(body, &wrong, rep); err == nil {
		err = wrong.err()
	}
	if err != nil {
		return nil, nil, err
	}
	drafts, err = s.inspectAll(ctx, drafts, rep)
	if err == nil && (len(drafts) == 0 || atomic && rep.count > 0) {
		err = rep.err()
	}
	for i := 0; i < len(drafts) && err == nil; i++ {
		drafts[i].change.AsOf = asOf // which patches and deletions do not look at
		err = s.keep(ctx, &drafts[i])
	}
	return drafts, rep, err
}

// inspectAll leaves the drafts whose pictures can be used.
func (s *writes) inspectAll(ctx context.Context, drafts []draft, rep *report) ([]draft, error) {
	good := drafts[:0]
	for _, d := range drafts {
		var wrong Invalid
		if err := s.inspect(ctx, d, &wrong); err != nil {
			return nil, err
		}
		if len(wrong.Fields) > 0 {
			rep.add(d.at, &wrong)
			continue
		}
		good = append(good, d)
	}
	return good, nil
}

// decodeBatch reads the JSON form. Problems of the request as a whole go to
// wrong, those of single changes to rep.
func decodeBatch(body []byte, wrong *Invalid, rep *report) ([]draft, error) {
	if !utf8.Valid(body) {
		return nil, refuse(kindMalformed, "The body is not valid UTF-8 text.")
	}
	body = bytes.TrimSpace(body)
	if err := checkObject(body, batchExample); err != nil {
		return nil, err
	}
	b := batchReader{report: rep, seen: map[string]bool{}}
	fields := map[string]reader{
		"items":   b.list("items", decodePut),
		"patches": b.list("patches", decodePatch),
		"deletes": b.list("deletes", decodeDelete),
	}
	if err := readObject(body, "", fields, wrong); err != nil {
		return nil, err
	}
	switch {
	case b.n > maxBatch:
		wrong.add("items", "patches and deletes are %d changes together; the limit is %d: send more as application/x-ndjson, or in several requests", b.n, maxBatch)
	case b.n == 0 && len(wrong.Fields) == 0:
		wrong.add("items", "patches and deletes are all empty: name at least one change")
	}
	return b.drafts, nil
}

// batchReader collects the changes of a batch, in the order in which it lists them.
type batchReader struct {
	drafts []draft
	report *report
	seen   map[string]bool // ids
	n      int
}

type decoder func(raw []byte, id string, files files, wrong *Invalid) (draft, error)

func (b *batchReader) list(name string, decode decoder) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		switch {
		case string(raw) == "null":
			return
		case raw[0] != '[':
			wrong.add(path, "must be a list")
			return
		}
		i := 0
		for raw := range elements(raw) {
			if b.n++; b.n <= maxBatch {
				b.take(indexed(name, i), raw, decode)
			}
			i++
		}
	}
}

func (b *batchReader) take(at string, raw []byte, decode decoder) {
	var wrong Invalid
	d, err := decode(raw, "", files{}, &wrong)
	if err != nil {
		wrong.add("item", "%s", lower(err))
	}
	d.at = place{At: at, ID: d.change.ID}
	if id := d.change.ID; id != "" && b.seen[id] {
		wrong.add("id", "is in the batch more than once: the changes of one item go into one, or into several requests")
	} else if id != "" {
		b.seen[id] = true
	}
	if len(wrong.Fields) > 0 {
		b.report.add(d.at, &wrong)
		return
	}
	b.drafts = append(b.drafts, d)
}

// lower makes an error's text continue a field's name.
func lower(err error) string {
	_, detail, _ := explain(err)
	return "cannot be read: " + detail
}

// decodeDelete reads an id in quotes.
func decodeDelete(raw []byte, _ string, _ files, wrong *Invalid) (draft, error) {
	if raw[0] != '"' {
		wrong.add("id", "must be text in quotes")
		return draft{}, nil
	}
	id := unquote(raw)
	takeProblems(store.Item{ID: id}.Validate(), wrong)
	return draft{change: change.Change{Op: change.Delete, ID: id}}, nil
}
