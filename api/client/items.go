package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// WriteOptions are of a write of one item.
type WriteOptions struct {
	IfMatch        string // ETag of the item that is changed; "" for whichever
	IdempotencyKey string
	// Wait is how long the server waits for the outcome, in whole seconds, at most
	// 30; 0 leaves it to the server.
	Wait time.Duration
}

func (o WriteOptions) header() map[string]string {
	h := map[string]string{"If-Match": o.IfMatch, "Idempotency-Key": o.IdempotencyKey}
	if o.Wait > 0 {
		h["Prefer"] = "wait=" + strconv.Itoa(int(o.Wait/time.Second))
	}
	return h
}

// Written is what became of a write. Outcome is "created", "written",
// "unchanged", "deleted" or "missing" where its end is known; else it is "" and
// Job is to be waited for.
type Written struct {
	ID      string `json:"id"`
	Job     string `json:"job"`
	State   string `json:"state"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// Get returns an item and its ETag, for WriteOptions.IfMatch. One that is not
// there is a *Problem with the status 404.
func (c *Client) Get(ctx context.Context, id string) (item Item, etag string, err error) {
	header, err := c.do(ctx, request{method: http.MethodGet, path: itemPath(id)}, &item)
	return item, header.Get("ETag"), err
}

// Put makes or replaces an item.
func (c *Client) Put(ctx context.Context, item Item, o WriteOptions) (Written, error) {
	return c.write(ctx, http.MethodPut, item.ID, item, o)
}

// Patch changes fields of an item: a JSON merge patch, in which nil takes a
// field away.
func (c *Client) Patch(ctx context.Context, id string, fields map[string]any, o WriteOptions) (Written, error) {
	return c.write(ctx, http.MethodPatch, id, fields, o)
}

// Delete removes an item.
func (c *Client) Delete(ctx context.Context, id string, o WriteOptions) (Written, error) {
	var w Written
	_, err := c.do(ctx, request{method: http.MethodDelete, path: itemPath(id), header: o.header()}, &w)
	return w, err
}

func (c *Client) write(ctx context.Context, method, id string, body any, o WriteOptions) (Written, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return Written{}, fmt.Errorf("encode item %q: %w", id, err)
	}
	var w Written
	_, err = c.do(ctx, request{method: method, path: itemPath(id), body: data, media: "application/json", header: o.header()}, &w)
	return w, err
}

// Items lists the catalogue in the order of ids, from behind after on. filter is
// the text form; "" for all.
func (c *Client) Items(ctx context.Context, after, filter string) iter.Seq2[Item, error] {
	return pages(func(after string) (list []Item, next string, err error) {
		var page struct {
			Items []Item `json:"items"`
			Next  string `json:"next"`
		}
		values := url.Values{"limit": {"500"}, "after": {after}}
		if filter != "" {
			values.Set("filter", filter)
		}
		_, err = c.do(ctx, request{method: http.MethodGet, path: "/v1/items?" + values.Encode()}, &page)
		return page.Items, page.Next, err
	}, after)
}

// pages yields the elements of one page after the other.
func pages[T any](read func(after string) (list []T, next string, err error), after string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			list, next, err := read(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, each := range list {
				if !yield(each, nil) {
					return
				}
			}
			if after = next; after == "" {
				return
			}
		}
	}
}

// BatchOptions are of a write of many items.
type BatchOptions struct {
	// AsOf is the time of the feed that items without a version come from; zero
	// for none.
	AsOf time.Time
	Wait time.Duration // as WriteOptions'
}

// Batch is what became of one request of a batch.
type Batch struct {
	Job      string        `json:"job"` // "" where no line was taken
	State    string        `json:"state"`
	Accepted int           `json:"accepted"`
	Rejected int           `json:"rejected"`
	Problems []LineProblem `json:"problems"`
}

// LineProblem is why a line was not taken. Lines of a request count from 1.
type LineProblem struct {
	Line   int            `json:"line"`
	ID     string         `json:"id"`
	Errors []FieldProblem `json:"errors"`
}

// Requests of PutAll.
const (
	batchItems = 500
	batchBytes = 8 << 20
)

// PutAll makes or replaces items, some hundreds a request, and yields what
// became of each request. Only one request is in memory. An error ends it;
// sending everything again does no harm.
func (c *Client) PutAll(ctx context.Context, items iter.Seq[Item], o BatchOptions) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		var lines bytes.Buffer
		n := 0
		send := func() bool {
			if n == 0 {
				return true
			}
			b, err := c.PutLines(ctx, lines.Bytes(), o)
			lines.Reset()
			n = 0
			return yield(b, err) && err == nil
		}
		for item := range items {
			line, err := json.Marshal(item)
			if err != nil {
				yield(Batch{}, fmt.Errorf("encode item %q: %w", item.ID, err))
				return
			}
			if n == batchItems || n > 0 && lines.Len()+len(line) > batchBytes {
				if !send() {
					return
				}
			}
			lines.Write(line)
			lines.WriteByte('\n')
			n++
		}
		send()
	}
}

// PutLines sends items as lines of JSON in one request.
func (c *Client) PutLines(ctx context.Context, lines []byte, o BatchOptions) (Batch, error) {
	path := "/v1/items:batch"
	if !o.AsOf.IsZero() {
		path += "?as_of=" + url.QueryEscape(o.AsOf.UTC().Format(time.RFC3339Nano))
	}
	var b Batch
	_, err := c.do(ctx, request{method: http.MethodPost, path: path, body: lines, media: "application/x-ndjson", header: WriteOptions{Wait: o.Wait}.header()}, &b)
	return b, err
}

// DeleteAll removes up to 10,000 items.
func (c *Client) DeleteAll(ctx context.Context, ids []string, o WriteOptions) (Batch, error) {
	data, err := json.Marshal(map[string]any{"ids": ids})
	if err != nil {
		return Batch{}, fmt.Errorf("encode ids: %w", err)
	}
	var b Batch
	_, err = c.do(ctx, request{method: http.MethodPost, path: "/v1/items:delete", body: data, media: "application/json", header: o.header()}, &b)
	return b, err
}
