package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Live streams are text/event-stream. The queue tells nobody of changes, so each
// is a poll on the server: some microseconds of an embedded queue, a round trip
// to Redis. That is less than the polls of as many pages.
const (
	maxLive      = 32               // at once
	livePoll     = time.Second / 2  // between two looks at the queue
	liveBeat     = 15 * time.Second // without news, a comment keeps proxies from hanging up
	liveTimeout  = 10 * time.Second // for the caller to take what is written
	liveRetryMS  = 2000             // when a browser comes again after the stream has ended
	eventsSuffix = "/events"
	eventStream  = "text/event-stream"
)

var errManyLive = refuseFor(kindBusy, "streams", "Too many live streams are open: try again later, or ask for the job now and then.")

// liveStream is one caller who watches.
type liveStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	beat    time.Time // when the last word was sent
	sent    int
}

// write sends one event. data has no line ends: it is JSON.
func (l *liveStream) write(name, id string, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return err
	}
	var b strings.Builder
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("data: ")
	b.Write(body) // with a line end
	b.WriteByte('\n')
	l.sent++
	return l.send(b.String())
}

func (l *liveStream) send(text string) error {
	_ = l.control.SetWriteDeadline(time.Now().Add(liveTimeout)) // a recorder of tests has none
	l.beat = time.Now()
	if _, err := l.w.Write([]byte(text)); err != nil {
		return err
	}
	return l.control.Flush()
}

// look reports what is new; done ends the stream.
type liveLook func(ctx context.Context, l *liveStream) (done bool, err error)

// live polls until look is done, the caller has gone, the server stops, or
// maxStream has passed; browsers then come again by themselves. An error of the
// first look is answered as one, and later ones end the stream without a word:
// the next one tells.
func (s *writes) live(w http.ResponseWriter, r *http.Request, look liveLook) {
	give, ok := s.watching.take()
	if !ok {
		fail(w, r, errManyLive)
		return
	}
	defer give()
	held := &heldBack{ResponseWriter: w}
	if r.Method == http.MethodHead {
		held.head()
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxStream)
	defer cancel()
	l := &liveStream{w: held, control: http.NewResponseController(w)}
	tick := time.NewTicker(livePoll)
	defer tick.Stop()
	for {
		done, err := look(ctx, l)
		if err != nil && !held.begun {
			fail(w, r, err)
			return
		}
		if err == nil && (!held.begun || !done && time.Since(l.beat) > liveBeat) {
			err = l.send(": still here\n\n")
		}
		if done || err != nil {
			l.ended(r, err)
			return
		}
		select {
		case <-tick.C:
		case <-draining(r.Context()):
			l.ended(r, nil)
			return
		case <-ctx.Done():
			l.ended(r, nil)
			return
		}
	}
}

func (l *liveStream) ended(r *http.Request, err error) {
	note(r, slog.Int("events", l.sent))
	if err != nil && r.Context().Err() == nil {
		note(r, slog.String("error", err.Error()))
	}
}

// heldBack sends the head of a stream with its first words.
type heldBack struct {
	http.ResponseWriter
	begun bool
}

// Write writes the head first.
func (h *heldBack) Write(p []byte) (int, error) {
	if !h.begun {
		h.head()
		if _, err := fmt.Fprintf(h.ResponseWriter, "retry: %d\n\n", liveRetryMS); err != nil {
			return 0, err
		}
	}
	return h.ResponseWriter.Write(p)
}

func (h *heldBack) head() {
	h.begun = true
	head := h.Header()
	head.Set("Content-Type", eventStream)
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // nginx would keep events back
	h.WriteHeader(http.StatusOK)
}

// liveEvents serves GET /v1/jobs/events: every change of a job's state, from
// where the caller says on.
func (s *writes) liveEvents(w http.ResponseWriter, r *http.Request) {
	begin, err := firstEvent(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	after, latest := begin.after, begin.latest
	s.live(w, r, func(ctx context.Context, l *liveStream) (bool, error) {
		if latest {
			if after, err = s.catalogue.Writer.LastEvent(ctx); err != nil {
				return false, err
			}
			latest = false
			// An id without data is no event, and the last one that a browser knows:
			// one that loses the stream before the first event goes on from here.
			if err := l.send("id: " + strconv.FormatInt(after, 10) + "\n\n"); err != nil {
				return false, err
			}
		}
		for e, err := range s.catalogue.Writer.Events(ctx, after) {
			if err != nil {
				return false, err
			}
			e.Item = itemOf(e.Key)
			if err := l.write("", strconv.FormatInt(e.Seq, 10), e); err != nil {
				return false, err
			}
			after = e.Seq
		}
		return false, nil
	})
}

// Where a live stream begins, as the parameter from says it.
const (
	fromStart  = "start"  // with the oldest change that is kept
	fromLatest = "latest" // with what is still to come
)

// beginning is where a live stream begins.
type beginning struct {
	after  int64
	latest bool // with what comes now; after does not count
}

func firstEvent(r *http.Request) (b beginning, err error) {
	var wrong Invalid
	given := map[string]bool{}
	noted := func(name string, set setter) setter {
		return func(v string) string {
			given[name] = true
			return set(v)
		}
	}
	err = readValues(r.URL.RawQuery, map[string]setter{
		"after": noted("after", eventNumber(&b.after)),
		"from": noted("from", func(v string) string {
			b.latest = v == fromLatest
			if v != fromStart && v != fromLatest {
				return "must be " + fromStart + " or " + fromLatest
			}
			return ""
		}),
	}, &wrong)
	if given["after"] && given["from"] {
		wrong.add("from", "and after say the same: give one of them")
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" { // of a browser that comes again: it knows better than the address
		b.latest = false
		if wanted := eventNumber(&b.after)(last); wanted != "" {
			wrong.add("Last-Event-ID", "%s", wanted)
		}
	}
	return b, errors.Join(err, wrong.err())
}

func eventNumber(dst *int64) setter {
	return func(v string) string {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return "must be the seq of the last event that is known, or 0"
		}
		*dst = n
		return ""
	}
}

// progress is how a job stands, without its items.
type progress struct {
	ID     string    `json:"id"`
	State  string    `json:"state"`
	Counts JobCounts `json:"counts"`
}

// liveJob serves GET /v1/jobs/{id}/events: an event "progress" whenever the
// numbers have changed, at once at first, and "end" when all has ended.
func (s *writes) liveJob(w http.ResponseWriter, r *http.Request, id string) {
	var wrong Invalid
	if err := errors.Join(readValues(r.URL.RawQuery, nil, &wrong), wrong.err()); err != nil {
		fail(w, r, err)
		return
	}
	var last progress
	s.live(w, r, func(ctx context.Context, l *liveStream) (bool, error) {
		now, err := s.progress(ctx, id)
		if err != nil || now == last {
			return false, err
		}
		last = now
		if err := l.write("progress", "", now); err != nil || now.Counts.pending() > 0 {
			return false, err
		}
		return true, l.write("end", "", now)
	})
}

func (s *writes) progress(ctx context.Context, id string) (progress, error) {
	ctx, cancel := context.WithTimeout(ctx, itemTimeout)
	defer cancel()
	counts, err := s.catalogue.Writer.Counts(ctx, id)
	if err != nil {
		return progress{}, err
	}
	if counts.total() > 0 {
		return progress{ID: id, State: counts.state(), Counts: counts}, nil
	}
	one, err := s.single(ctx, id)
	return progress{ID: id, State: one.State, Counts: one.Counts}, err
}
