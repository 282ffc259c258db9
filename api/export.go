package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"sightline/store/filter"
	"sightline/store/keys"
)

// listing is a request for a catalogue's items or for failed ones.
type listing struct {
	page   JobQuery
	filter filter.Expr
}

// list serves GET /v1/items: a page as JSON, or everything as NDJSON.
func (s *writes) list(w http.ResponseWriter, r *http.Request) {
	stream := acceptsLines(r)
	l, err := readListing(r, stream)
	if !seesHidden(r) {
		l.filter = showing(l.filter, s.engine.Hidden)
	}
	switch {
	case err != nil:
	case l.page.State != "":
		s.failedItems(w, r, l)
		return
	case s.catalogue.Items == nil:
		err = refuse(kindUnsupported, "This server cannot list its items: get them by id.")
	case stream:
		s.stream(w, r, s.eachItem(l))
		return
	default:
		err = s.itemPage(w, r, l)
	}
	if err != nil {
		fail(w, r, err)
	}
}

func readListing(r *http.Request, stream bool) (listing, error) {
	l := listing{page: JobQuery{Limit: jobsLimit}}
	var wrong Invalid
	set := pageSetters(&l.page)
	set["filter"] = filterText(&l.filter)
	set["state"] = func(v string) string {
		if l.page.State = JobDead; v != "failed" {
			return "must be failed, for items whose last change could not be done"
		}
		return ""
	}
	if stream {
		set["limit"] = func(string) string {
			return "is for pages: a stream of lines has all items; leave it out"
		}
	}
	if err := readValues(r.URL.RawQuery, set, &wrong); err != nil {
		return l, err
	}
	between(&wrong, "limit", l.page.Limit, 1, maxJobs)
	switch {
	case l.page.State != "" && l.filter != nil:
		wrong.add("filter", "does not go together with state: leave one out")
	case l.page.State != "" && stream:
		wrong.add("state", "is not streamed: ask for JSON")
	}
	return l, wrong.err()
}

// acceptsLines tells whether the caller asks for NDJSON.
func acceptsLines(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(media), ndjson) {
			return true
		}
	}
	return false
}

// itemList is a page of items; Next goes into after for the page that follows.
type itemList struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next,omitempty"`
}

// maxPageBytes bounds a page's JSON. An item has a few hundred bytes; where they
// have a megabyte, a page has fewer.
const maxPageBytes = 8 << 20

func (s *writes) itemPage(w http.ResponseWriter, r *http.Request, l listing) error {
	give, ok := s.pages.take()
	if !ok {
		return errManyExports
	}
	defer give()
	ctx, cancel := context.WithTimeout(r.Context(), deleteTimeout)
	defer cancel()
	entries, err := s.catalogue.Items.Scan(ctx, l.page.After, l.page.Limit, l.filter)
	if err != nil {
		return fmt.Errorf("list items: %w", err)
	}
	list := itemList{Items: make([]json.RawMessage, 0, len(entries))}
	size := 0
	for _, e := range entries {
		raw, err := encodeJSON(e.Item)
		if err != nil {
			return err
		}
		if size += len(raw); size > maxPageBytes && len(list.Items) > 0 {
			break
		}
		list.Items = append(list.Items, raw)
	}
	if n := len(list.Items); n > 0 && (n < len(entries) || n == l.page.Limit) {
		list.Next = entries[n-1].Item.ID
	}
	respond(w, r, list)
	return nil
}

var errManyExports = refuseFor(kindBusy, "lists", "Too many lists are being read: try again in a moment.")

// failedItems lists the items of dead jobs. One item may stand there several
// times, and a later change may have succeeded. It tells of jobs, and so asks for
// the scope that they ask for.
func (s *writes) failedItems(w http.ResponseWriter, r *http.Request, l listing) {
	err := inScope(w, r, keys.Write)
	if err == nil && s.catalogue.Writer == nil {
		err = refuse(kindReadOnly, "This server takes no writes, and so knows of none that failed.")
	}
	var page jobPage
	if err == nil {
		page, err = s.page(r.Context(), l.page)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	items := page.Items[:0]
	for _, j := range page.Items {
		if j.ID != "" {
			items = append(items, j)
		}
	}
	page.Items = items
	respond(w, r, page)
}

// feeder calls emit for each line; emit's error ends it.
type feeder func(ctx context.Context, emit func(v any) error) error

func (s *writes) eachItem(l listing) feeder {
	return func(ctx context.Context, emit func(v any) error) error {
		for after := l.page.After; ; {
			page, err := s.catalogue.Items.Scan(ctx, after, scanAtOnce, l.filter)
			if err != nil {
				return fmt.Errorf("list items: %w", err)
			}
			for _, e := range page {
				if err := emit(e.Item); err != nil {
					return err
				}
				after = e.Item.ID
			}
			if len(page) < scanAtOnce {
				return nil
			}
		}
	}
}

// events serves GET /v1/events.
func (s *writes) events(w http.ResponseWriter, r *http.Request) {
	var wrong Invalid
	after := int64(0)
	err := readValues(r.URL.RawQuery, map[string]setter{"after": eventNumber(&after)}, &wrong)
	if err := errors.Join(err, wrong.err()); err != nil {
		fail(w, r, err)
		return
	}
	s.stream(w, r, func(ctx context.Context, emit func(v any) error) error {
		for e, err := range s.catalogue.Writer.Events(ctx, after) {
			if err != nil {
				return err
			}
			e.Item = itemOf(e.Key)
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	linesAFlush  = 100
	flushTimeout = 30 * time.Second // for the caller to take the lines of one flush
	maxStream    = 30 * time.Minute
)

// lineWriter writes NDJSON.
type lineWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	n       int
}

func (l *lineWriter) emit(v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return err
	}
	if l.n%linesAFlush == 0 {
		_ = l.control.SetWriteDeadline(time.Now().Add(flushTimeout)) // a recorder of tests has none
	}
	if l.n == 0 {
		l.begin()
	}
	l.n++
	_, err = l.w.Write(body)
	return err
}

func (l *lineWriter) begin() {
	l.w.Header().Set("Content-Type", ndjson)
	l.w.Header().Set("Cache-Control", "no-store")
}

// stream answers with lines. An error before the first is answered as one; a
// later one breaks the connection off, since a body that merely ended would look
// complete.
func (s *writes) stream(w http.ResponseWriter, r *http.Request, feed feeder) {
	give, ok := s.exports.take()
	if !ok {
		fail(w, r, errManyExports)
		return
	}
	defer give()
	ctx, cancel := context.WithTimeout(r.Context(), maxStream)
	defer cancel()
	l := &lineWriter{w: w, control: http.NewResponseController(w)}
	if r.Method == http.MethodHead {
		l.begin()
		return
	}
	err := feed(ctx, l.emit)
	note(r, slog.Int("lines", l.n))
	switch {
	case err != nil && l.n == 0:
		fail(w, r, err)
	case err != nil:
		note(r, slog.String("error", err.Error()))
		panic(http.ErrAbortHandler)
	case l.n == 0:
		l.begin()
		w.WriteHeader(http.StatusOK)
	}
}
