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

	"sightline/store/change"
	"sightline/store/filter"
)

// Limits of POST /v1/items:delete.
const (
	maxDeleteIDs     = 10_000  // by id
	maxDeleteMatches = 100_000 // by filter
	deleteExample    = `{"ids": ["a", "b"]} or {"filter": {"brand": "acme"}, "expect": 12}`
	deleteTimeout    = time.Minute
	scanAtOnce       = 500 // items a page; each comes with its vectors
)

// deletion is a request to delete many items.
type deletion struct {
	drafts  []draft // by id
	filter  filter.Expr
	expect  *int // how many items the filter must name
	confirm bool // however many they are
}

// deletions serves POST /v1/items:delete.
func (s *writes) deletions(w http.ResponseWriter, r *http.Request) {
	c := call{w: w, r: r}
	del, err := s.readDeletion(&c)
	if err != nil {
		fail(w, r, err)
		return
	}
	var out *sender
	if del.filter != nil {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(deleteTimeout + maxWait + answerReserve))
		out, err = s.deleteMatches(r.Context(), c.order, del)
	} else {
		out, err = s.sendAll(r.Context(), c.order, del.drafts)
	}
	switch {
	case err != nil:
		fail(w, r, err)
	case out == nil:
		respond(w, r, batchAnswer{accepted: accepted{State: "done"}})
	default:
		s.answerMany(c, out, &report{}, s.outcome(r.Context(), c, out, 0))
	}
}

func (s *writes) readDeletion(c *call) (del deletion, err error) {
	var wrong Invalid
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return del, refuse(kindMediaType, "Send JSON with Content-Type: application/json.")
	}
	if c.order, err = readOrder(c.r, "", false, &wrong); err == nil {
		err = readValues(c.r.URL.RawQuery, nil, &wrong)
	}
	if err != nil {
		return del, err
	}
	give, err := s.uploads.room(c.r)
	if err != nil {
		return del, err
	}
	defer give()
	body, err := readBody(c.w, c.r, maxBatchBody)
	if err != nil {
		return del, bodyError(err)
	}
	if del, err = decodeDeletion(body, &wrong); err == nil {
		err = wrong.err()
	}
	return del, err
}

func decodeDeletion(body []byte, wrong *Invalid) (deletion, error) {
	var del deletion
	if !utf8.Valid(body) {
		return del, refuse(kindMalformed, "The body is not valid UTF-8 text.")
	}
	body = bytes.TrimSpace(body)
	if err := checkObject(body, deleteExample); err != nil {
		return del, err
	}
	named := false
	fields := map[string]reader{
		"ids": func(raw json.RawMessage, path string, wrong *Invalid) {
			named = true
			del.drafts = readIDs(raw, path, wrong)
		},
		"filter":  filterInto(&del.filter),
		"expect":  into(&del.expect, "a whole number"),
		"confirm": into(&del.confirm, "true or false"),
	}
	if err := readObject(body, "", fields, wrong); err != nil {
		return del, err
	}
	switch {
	case len(wrong.Fields) > 0:
	case named == (del.filter != nil):
		wrong.add("ids", "or filter must be given, one of them")
	case named && (del.expect != nil || del.confirm):
		wrong.add("expect", "and confirm are for deleting by filter: leave them out")
	case del.expect != nil && del.confirm:
		wrong.add("expect", "and confirm are given: keep one")
	case del.expect != nil && *del.expect < 0:
		wrong.add("expect", "must be 0 or more")
	}
	return del, nil
}

// readIDs reads a list of ids, each taken once.
func readIDs(raw json.RawMessage, path string, wrong *Invalid) []draft {
	if raw[0] != '[' {
		wrong.add(path, "must be a list of ids in quotes")
		return nil
	}
	var drafts []draft
	seen := map[string]bool{}
	i := 0
	for raw := range elements(raw) {
		var bad Invalid
		d, err := decodeDelete(raw, "", files{}, &bad)
		if err != nil {
			bad.add(path, "%s", lower(err))
		}
		for _, f := range bad.Fields {
			if len(wrong.Fields) < maxFields {
				wrong.add(indexed(path, i), "%s", f.Detail)
			}
		}
		if i++; i > maxDeleteIDs {
			wrong.add(path, "are more than %d: send several requests, or delete by filter", maxDeleteIDs)
			return nil
		}
		if !seen[d.change.ID] {
			seen[d.change.ID] = true
			drafts = append(drafts, d)
		}
	}
	if i == 0 {
		wrong.add(path, "is empty: name the items to delete")
	}
	return drafts
}

// deleteMatches queues the deletion of what a filter names now; nil where that
// is nothing. A repetition, as told by the Idempotency-Key, does not look again:
// items that came since are not meant.
func (s *writes) deleteMatches(ctx context.Context, o order, del deletion) (*sender, error) {
	if s.catalogue.Items == nil {
		return nil, refuse(kindUnsupported, "This server cannot list its items: delete by id.")
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	t := newTicket(o, change.Delete, del.digest())
	out := &sender{writer: s.catalogue.Writer, ticket: t}
	if o.key != "" {
		counts, err := s.catalogue.Writer.Counts(ctx, t.group)
		if err != nil {
			return nil, err
		}
		if counts.total() > 0 {
			out.sent, out.replayed = int(counts.total()), true
			return out, nil
		}
	}
	if err := s.guard(ctx, del); err != nil {
		return nil, err
	}
	ids, err := s.matches(ctx, del)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return out, out.deleteAll(ctx, ids)
}

// digest is that of what was asked, as what will be deleted differs from time to
// time.
func (d deletion) digest() []byte {
	guard := "confirm"
	if d.expect != nil {
		guard = fmt.Sprintf("expect %d", *d.expect)
	}
	return []byte(digestOf([]byte("delete by filter"), []byte(filter.Key(d.filter)), []byte(guard)))
}

// guard keeps a filter that names more than its author thinks from deleting it.
func (s *writes) guard(ctx context.Context, del deletion) error {
	n, err := s.catalogue.Items.Count(ctx, del.filter)
	switch {
	case err != nil:
		return fmt.Errorf("count items: %w", err)
	case !del.confirm && (del.expect == nil || *del.expect != n):
		return mismatch(del, n)
	case n > maxDeleteMatches:
		return &refusal{
			kind: kindInvalid, about: about{Matches: &n},
			detail: fmt.Sprintf("The filter names %d items; at most %d are deleted at once: narrow it, or import the feed anew with indexd import --full-sync.", n, maxDeleteMatches),
		}
	}
	return nil
}

func mismatch(del deletion, n int) error {
	detail := fmt.Sprintf(`The filter names %d items. To delete them, send "expect": %d, or "confirm": true for however many there are.`, n, n)
	if del.expect != nil {
		detail = fmt.Sprintf("The filter names %d items and not %d: nothing was deleted.", n, *del.expect)
	}
	return &refusal{kind: kindConflict, detail: detail, about: about{Matches: &n}}
}

// matches lists the ids of what a filter names. Items may come and go since the
// count, so the number is looked at again.
func (s *writes) matches(ctx context.Context, del deletion) ([]string, error) {
	var ids []string
	for after := ""; ; after = ids[len(ids)-1] {
		page, err := s.catalogue.Items.Scan(ctx, after, scanAtOnce, del.filter)
		if err != nil {
			return nil, fmt.Errorf("list items: %w", err)
		}
		for _, e := range page {
			ids = append(ids, e.Item.ID)
		}
		if len(page) < scanAtOnce || len(ids) > maxDeleteMatches {
			break
		}
	}
	if del.expect != nil && len(ids) != *del.expect {
		return nil, mismatch(del, len(ids))
	}
	return ids[:min(len(ids), maxDeleteMatches)], nil
}

// deleteAll queues deletions step by step.
func (s *sender) deleteAll(ctx context.Context, ids []string) error {
	for len(ids) > 0 {
		n := min(maxChunk, len(ids))
		drafts, payloads := make([]draft, n), make([][]byte, n)
		for i, id := range ids[:n] {
			drafts[i].change = change.Change{Op: change.Delete, ID: id}
			var err error
			if payloads[i], err = drafts[i].change.Encode(); err != nil {
				return err
			}
		}
		if err := s.send(ctx, drafts, payloads); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}
