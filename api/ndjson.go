package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"sightline/store/change"
)

const (
	ndjson = "application/x-ndjson"

	// Limits of a batch of lines. A line may hold a picture of 7.5 MB in a
	// data: URL, as in a feed.
	maxLines      = 100_000
	maxLinesBody  = 100_000_000
	maxLine       = 10 << 20
	maxLinesTime  = 10 * time.Minute
	linesAtOnce   = 500
	lineBytes     = 4 << 20 // of payloads that are queued at once
	steadyBytes   = 256 << 10
	answerReserve = 15 * time.Second
)

// errManyLines ends a body that has too many.
var errManyLines = errors.New("too many lines")

// lines is a batch of items, one a line, on its way to the queue. It holds no
// more than one line and one step.
type lines struct {
	writes   *writes
	out      *sender
	report   report
	asOf     time.Time // for Change.AsOf
	n        int       // lines so far
	drafts   []draft
	payloads [][]byte
	size     int // bytes of payloads
}

// ndjsonBatch serves items one a line, in the form of a JSONL feed. They are
// queued while they come, so a body that breaks off has been done in part: its
// items are whole, and sending them again does no harm.
func (s *writes) ndjsonBatch(w http.ResponseWriter, r *http.Request) {
	var wrong Invalid
	l := &lines{writes: s}
	o, err := readOrder(r, "", false, &wrong)
	if err == nil {
		err = readValues(r.URL.RawQuery, map[string]setter{
			"atomic": func(string) string { return "is for the JSON form only: lines are queued while they come" },
			"as_of":  moment(&l.asOf),
		}, &wrong)
	}
	if o.key != "" {
		wrong.add("Idempotency-Key", "is for the JSON form only: lines are queued before the end of the body is known. Sending whole items again does no harm")
	}
	if err == nil {
		err = wrong.err()
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	l.out = &sender{writer: s.catalogue.Writer, ticket: newTicket(order{}, change.Put, nil)}
	if err := s.takeLines(w, r, l); err != nil {
		fail(w, r, err)
		return
	}
	if l.out.sent == 0 { // all were rejected: the answer says by line why, as for some
		respond(w, r, l.report.answer(accepted{State: "done"}, 0))
		return
	}
	c := call{w, r, o}
	s.answerMany(c, l.out, &l.report, s.outcome(r.Context(), c, l.out, 0))
}

// takeLines reads the body.
func (s *writes) takeLines(w http.ResponseWriter, r *http.Request, l *lines) error {
	give, err := s.uploads.room(r)
	if err != nil {
		return err
	}
	defer give()
	ctx, cancel := context.WithTimeout(r.Context(), maxLinesTime)
	defer cancel()
	control := http.NewResponseController(w)
	// A recorder of tests has no deadlines; a server's connection has.
	_ = control.SetWriteDeadline(time.Now().Add(maxLinesTime + maxWait + answerReserve))
	body := &steady{r: http.MaxBytesReader(w, r.Body, maxLinesBody), extend: func() {
		_ = control.SetReadDeadline(time.Now().Add(bodyTimeout(ctx)))
	}}
	err = l.read(ctx, bufio.NewReaderSize(body, 64<<10), body.extend)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	case errors.Is(err, errManyLines):
		err = refuse(kindTooLarge, fmt.Sprintf("The body has more than %d lines: send several.", maxLines))
	}
	if err != nil {
		return l.out.broken(err)
	}
	if l.out.sent == 0 && l.report.count == 0 {
		return refuse(kindMalformed, "The body is empty: send one item a line, such as "+`{"id": "a", "image": "https://shop.example/a.jpg"}`+".")
	}
	return nil
}

// steady lets a body take its time as long as it keeps coming: each quarter of a
// megabyte has the time that others have for all.
type steady struct {
	r      io.Reader
	since  int
	extend func()
}

func (s *steady) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.since += n; s.since >= steadyBytes {
		s.since = 0
		s.extend()
	}
	return n, err
}

// read takes all lines. extend gives the sender of the body new time after a
// step, which took some of it.
func (l *lines) read(ctx context.Context, in *bufio.Reader, extend func()) error {
	for {
		line, err := nextLine(in)
		if errors.Is(err, io.EOF) {
			return l.flush(ctx)
		}
		l.n++
		switch {
		case errors.Is(err, errLongLine):
			wrong := invalid("item", fmt.Sprintf("is longer than %d bytes: give its pictures' addresses", maxLine))
			l.report.add(place{Line: l.n}, wrong)
			continue
		case err != nil:
			return bodyError(err)
		case len(bytes.TrimSpace(line)) == 0:
			continue
		case l.n > maxLines:
			return errManyLines
		}
		if err := l.take(ctx, line); err != nil {
			return err
		}
		if len(l.drafts) >= linesAtOnce || l.size >= lineBytes {
			if err := l.flush(ctx); err != nil {
				return err
			}
			extend()
		}
	}
}

// take reads one item; an error is one of the server, not of the line.
func (l *lines) take(ctx context.Context, line []byte) error {
	var wrong Invalid
	d, err := decodePut(line, "", files{}, &wrong)
	if err != nil {
		wrong.add("item", "%s", lower(err))
	}
	d.at, d.change.AsOf = place{Line: l.n, ID: d.change.ID}, l.asOf
	if len(wrong.Fields) == 0 {
		if err := l.writes.inspect(ctx, d, &wrong); err != nil {
			return err
		}
	}
	if len(wrong.Fields) > 0 {
		l.report.add(d.at, &wrong)
		return nil
	}
	if err := l.writes.keep(ctx, &d); err != nil {
		return err
	}
	payload, err := d.change.Encode()
	if err != nil {
		return err
	}
	d.images = nil // stored now
	l.drafts, l.payloads, l.size = append(l.drafts, d), append(l.payloads, payload), l.size+len(payload)
	return nil
}

func (l *lines) flush(ctx context.Context) error {
	err := l.out.send(ctx, l.drafts, l.payloads)
	clear(l.drafts)
	l.drafts, l.payloads, l.size = l.drafts[:0], l.payloads[:0], 0
	return err
}

var errLongLine = errors.New("the line is too long")

// nextLine returns a line, with or without its end, in memory of its own. One
// that is too long is passed over and returned as errLongLine. A last line
// without an end is one if the body is whole.
func nextLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) == 0 && !long:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case long:
			return nil, errLongLine
		}
		return line, nil
	}
}
