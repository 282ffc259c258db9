package client

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Event is one change of one job's state.
type Event struct {
	Seq     int64     `json:"seq"` // greater is later
	Time    time.Time `json:"time"`
	Job     string    `json:"job"`
	Item    string    `json:"item"`  // "" for jobs that are not of one item
	Group   string    `json:"group"` // the job of the request
	State   string    `json:"state"` // "waiting", "leased", "done", "superseded" or "dead"
	Attempt int       `json:"attempt"`
	Outcome string    `json:"outcome"`
	Stage   string    `json:"stage"`
	Reason  string    `json:"reason"`
}

// EventOptions say where Events begins; the zero value is the oldest change that
// the server keeps.
type EventOptions struct {
	After  int64 // only later ones than this Seq
	Latest bool  // only what comes from now on; After does not count
}

// liveSilence is how long a live stream may be silent; servers send a comment
// each 15 s. maxEventLine bounds a line of one.
const (
	liveSilence  = time.Minute
	maxEventLine = 1 << 20
)

var errSilent = errors.New("the server has been silent for a minute")

// Events yields changes of jobs as they happen, until ctx ends, whose cause is
// the last error. When the stream ends or breaks, it comes again and goes on
// after the last event that it had. Another error, which is the last thing then,
// is a *Problem of a server that refuses, or of one that could not be reached in
// Options.Tries tries one after the other. Streams are not bound by the Timeout
// of Options.HTTP.
func (c *Client) Events(ctx context.Context, o EventOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := watcher{client: c, options: o, http: *c.options.HTTP}
		w.http.Timeout = 0
		for try := 1; ; try++ {
			begun, err := w.watch(ctx, func(e Event) bool { return yield(e, nil) })
			if errors.Is(err, errLeft) {
				return
			}
			if begun {
				try = 0
			}
			wait, again := c.pause(err, try)
			if again && (begun || try < c.options.Tries) && rest(ctx, wait) {
				continue
			}
			if ctx.Err() != nil {
				err = fmt.Errorf("follow events: %w", context.Cause(ctx))
			}
			yield(Event{}, err)
			return
		}
	}
}

// rest waits; false when ctx ended before.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errLeft says that who asked for events wants no more.
var errLeft = errors.New("no more events are wanted")

// watcher knows which event was the last.
type watcher struct {
	client  *Client
	options EventOptions
	http    http.Client
	last    string // its id; "" before the first
}

// watch reads one stream to its end, which is an unreached as well; begun says
// that something came.
func (w *watcher) watch(ctx context.Context, take func(Event) bool) (begun bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	res, err := w.open(ctx)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	silence := time.AfterFunc(liveSilence, func() { cancel(errSilent) })
	defer silence.Stop()
	heard := func() {
		begun = true
		silence.Reset(liveSilence)
	}
	err = readEvents(res.Body, message{id: w.last}, heard, func(m message) error {
		w.last = m.id
		if m.data == "" {
			return nil
		}
		var e Event
		if err := json.Unmarshal([]byte(m.data), &e); err != nil {
			return fmt.Errorf("the server's event is not what this program expects; are both of one version? %w", err)
		}
		if !take(e) {
			return errLeft
		}
		return nil
	})
	return begun, err
}

func (w *watcher) open(ctx context.Context) (*http.Response, error) {
	path := "/v1/jobs/events?after=" + strconv.FormatInt(w.options.After, 10)
	if w.options.Latest {
		path = "/v1/jobs/events?from=latest"
	}
	req, err := w.client.newRequest(ctx, request{method: http.MethodGet, path: path, header: map[string]string{"Accept": "text/event-stream", "Last-Event-ID": w.last}})
	if err != nil {
		return nil, err
	}
	res, err := w.http.Do(req)
	if err != nil {
		return nil, unreached{fmt.Errorf("reach the server (is searchd running there?): %w", err)}
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxEventLine)) // the status says it too
		return nil, problemOf(res, body)
	}
	return res, nil
}

// message is one block of a stream: an event, or only an id where data is "".
type message struct{ id, data string }

// readEvents reads server-sent events, as far as this server's streams use them:
// the fields id and data. m has the id that is known before. heard is called for
// each line, comments too. The end of the stream is an unreached.
func readEvents(stream io.Reader, m message, heard func(), take func(message) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxEventLine)
	var data []string
	for lines.Scan() {
		heard()
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			m.data = strings.Join(data, "\n")
			if err := take(m); err != nil {
				return err
			}
			data = nil
		case name == "id" && !strings.Contains(value, "\x00"):
			m.id = value
		case name == "data":
			data = append(data, value)
		}
	}
	return unreached{fmt.Errorf("read the server's events: %w", cmp.Or(lines.Err(), io.ErrUnexpectedEOF))}
}
