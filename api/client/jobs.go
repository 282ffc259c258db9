package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Job is how a request's changes stand. State is "waiting", "running", "done" or
// "failed": all ended, some for good without success.
type Job struct {
	ID     string    `json:"id"`
	State  string    `json:"state"`
	Counts JobCounts `json:"counts"`
}

// Ended says that nothing of it is to come.
func (j Job) Ended() bool { return j.State == "done" || j.State == "failed" }

// JobCounts are items by the state of their change.
type JobCounts struct {
	Waiting    int64 `json:"waiting"`
	Leased     int64 `json:"leased"`
	Done       int64 `json:"done"`
	Superseded int64 `json:"superseded"`
	Dead       int64 `json:"dead"`
}

// JobItem is the change of one item.
type JobItem struct {
	Job       string    `json:"job"`
	ID        string    `json:"id"`
	Op        string    `json:"op"`
	State     string    `json:"state"`
	Outcome   string    `json:"outcome"`
	Stage     string    `json:"stage"`
	Reason    string    `json:"reason"`
	Attempt   int       `json:"attempt"`
	ChangedAt time.Time `json:"changed_at"`
}

func jobPath(id string) string { return "/v1/jobs/" + url.PathEscape(id) }

// Job asks how a job stands.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var j Job
	_, err := c.do(ctx, request{method: http.MethodGet, path: jobPath(id) + "?limit=1"}, &j)
	return j, err
}

// WaitJob waits until all items of a job have come to an end. When ctx ends
// before, the job goes on at the server.
func (c *Client) WaitJob(ctx context.Context, id string) (Job, error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		j, err := c.Job(ctx, id)
		if err != nil {
			return j, fmt.Errorf("ask for job %s: %w", id, err)
		}
		if j.Ended() {
			return j, nil
		}
		if !rest(ctx, wait) {
			return j, fmt.Errorf("wait for job %s, which goes on at the server: %w", id, context.Cause(ctx))
		}
	}
}

// JobItems are the items of a job.
func (c *Client) JobItems(ctx context.Context, id string) iter.Seq2[JobItem, error] {
	return pages(func(after string) (list []JobItem, next string, err error) {
		var page struct {
			Items []JobItem `json:"items"`
			Next  string    `json:"next"`
		}
		_, err = c.do(ctx, request{method: http.MethodGet, path: jobPath(id) + "?limit=500&after=" + url.QueryEscape(after)}, &page)
		return page.Items, page.Next, err
	}, "")
}
