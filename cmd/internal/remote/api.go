package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/store"
)

// api is the part of the REST API that an import needs.
type api struct {
	base   string
	key    store.Secret
	client *http.Client
}

// taken answers a batch.
type taken struct {
	Job      string    `json:"job"`
	Accepted int       `json:"accepted"`
	Problems []problem `json:"problems"`
}

// problem is a line that was not taken.
type problem struct {
	Line   int `json:"line"`
	Errors []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"errors"`
}

func refusedBy(p problem) *indexer.Fault {
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Field+" "+e.Detail)
	}
	return &indexer.Fault{Stage: indexer.StageFeed, Err: errors.New(strings.Join(all, "; "))}
}

// jobState tells how a request stands.
type jobState struct {
	State string    `json:"state"`
	Items []jobItem `json:"items"`
	Next  string    `json:"next"`
}

func (s jobState) ended() bool { return s.State == "done" || s.State == "failed" }

type jobItem struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Outcome string `json:"outcome"`
	Stage   string `json:"stage"`
	Reason  string `json:"reason"`
}

// submit sends lines of a feed as of a time and waits for them for a while.
func (a api) submit(ctx context.Context, lines []byte, asOf time.Time) (t taken, err error) {
	err = a.do(ctx, request{
		method: http.MethodPost, path: "/v1/items:batch?as_of=" + url.QueryEscape(asOf.UTC().Format(time.RFC3339Nano)), body: lines, media: "application/x-ndjson",
		prefer: "wait=" + strconv.Itoa(waitSeconds),
	}, &t)
	return t, err
}

func (a api) job(ctx context.Context, id string) (s jobState, err error) {
	err = a.do(ctx, request{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id) + "?limit=1"}, &s)
	return s, err
}

// await waits until all items of a job have come to an end.
func (a api) await(ctx context.Context, job string) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		state, err := a.job(ctx, job)
		if err != nil {
			return fmt.Errorf("ask for job %s: %w", job, err)
		}
		if state.ended() {
			return nil
		}
		if err := queue.Pause(ctx, wait); err != nil {
			return fmt.Errorf("wait for job %s, which goes on at the server: %w", job, err)
		}
	}
}

// items are those of a job.
func (a api) items(ctx context.Context, id string) iter.Seq2[jobItem, error] {
	return func(yield func(jobItem, error) bool) {
		for after := ""; ; {
			var page jobState
			err := a.do(ctx, request{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id) + "?limit=500&after=" + url.QueryEscape(after)}, &page)
			if err != nil {
				yield(jobItem{}, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if after = page.Next; after == "" {
				return
			}
		}
	}
}

type request struct {
	method, path  string
	body          []byte
	media, prefer string
}

// tries is how often a request is sent that the server was too busy for, or
// that did not reach it. Sending whole items again does no harm.
const tries = 6

// do sends a request and reads its answer into v.
func (a api) do(ctx context.Context, r request, v any) error {
	for try := 1; ; try++ {
		again, wait, err := a.once(ctx, r, v)
		if err == nil || !again || try == tries || ctx.Err() != nil {
			return err
		}
		if err := queue.Pause(ctx, max(wait, time.Duration(1<<try)*100*time.Millisecond)); err != nil {
			return err
		}
	}
}

// once says of a failure whether, and after what wait, to try again.
func (a api) once(ctx context.Context, r request, v any) (again bool, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, r.method, a.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return false, 0, err
	}
	for name, value := range map[string]string{"Content-Type": r.media, "Prefer": r.prefer, "Accept": "application/json"} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if a.key != "" {
		req.Header.Set("Authorization", "Bearer "+string(a.key)) // net/http sends it to no other host that redirects lead to
	}
	res, err := a.client.Do(req)
	if err != nil {
		return true, 0, fmt.Errorf("reach the server (is searchd running there?): %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return true, 0, fmt.Errorf("read the server's answer: %w", err)
	case res.StatusCode >= 300:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // none is 0
		busy := res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable
		return busy, time.Duration(min(seconds, 30)) * time.Second, refusal(res.Status, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return false, 0, fmt.Errorf("the server's answer is not what this program expects; are both of one version? %w", err)
	}
	return false, 0, nil
}

// maxAnswer bounds what is read of an answer: 1000 items with their reasons.
const maxAnswer = 8 << 20

// refusal is a problem of RFC 9457 as an error.
func refusal(status string, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Field  string `json:"field"`
			Detail string `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return fmt.Errorf("the server answers %s", status)
	}
	var text strings.Builder
	text.WriteString(p.Detail)
	for i, e := range p.Errors {
		if i == 5 {
			text.WriteString(" …")
			break
		}
		text.WriteString(" " + e.Field + " " + e.Detail + ".")
	}
	return errors.New(text.String())
}
