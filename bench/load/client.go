package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// client speaks to a searchd as a shop would. It is safe for concurrent use.
type client struct {
	url  string
	http *http.Client
}

func newClient(url string) *client {
	return &client{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: mostInFlight}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// query is what a request asks for.
type query struct {
	text     string
	image    string // id of an item; alone for a search by picture
	depth    int
	deadline time.Duration
}

func (q query) body() ([]byte, error) {
	m := map[string]any{"limit": 10, "deadline_ms": q.deadline.Milliseconds(), "rerank": map[string]any{"depth": q.depth}}
	if q.text != "" {
		m["text"] = q.text
	}
	if q.image != "" {
		m["image"] = map[string]any{"id": q.image}
	}
	return json.Marshal(m)
}

// overtime is how long after its deadline an answer is waited for.
const overtime = 20 * time.Second

// ask sends one request. Whatever goes wrong is in the shot.
func (c *client) ask(ctx context.Context, q query) (s shot) {
	begin := time.Now()
	defer func() { s.took = time.Since(begin) }()
	ctx, cancel := context.WithTimeout(ctx, q.deadline+overtime)
	defer cancel()
	body, err := q.body()
	if err != nil {
		return s
	}
	var answer struct {
		Hits []struct {
			Rank    int `json:"rank"`
			ITCRank int `json:"itc_rank"`
		} `json:"hits"`
		Rerank struct {
			Scored  int    `json:"scored"`
			Of      int    `json:"of"`
			Stopped string `json:"stopped"`
		} `json:"rerank"`
	}
	status := c.post(ctx, "/v1/search", body, &answer)
	s = shot{status: status, scored: answer.Rerank.Scored, of: answer.Rerank.Of, stopped: answer.Rerank.Stopped, inOrder: true}
	for _, h := range answer.Hits {
		s.inOrder = s.inOrder && h.Rank == h.ITCRank
	}
	return s
}

// post returns the status, 0 where there was no whole answer.
func (c *client) post(ctx context.Context, path string, body []byte, into any) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode == http.StatusOK && json.Unmarshal(text, into) != nil {
		return 0
	}
	return res.StatusCode
}
