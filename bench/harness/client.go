package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client speaks to a searchd or a proxy. It is safe for concurrent use.
type Client struct {
	URL  string
	HTTP *http.Client
}

// NewClient is a client of its own connections.
func NewClient(address string) *Client {
	return &Client{address, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// Query is a search. Deadline is its own and searchd's.
type Query struct {
	Text, Image, Filter string
	Limit               int
	NoSecondLook        bool
	Deadline            time.Duration
}

// Item is what the harness writes and reads of an item.
type Item struct {
	ID    string  `json:"id,omitempty"`
	Title string  `json:"title,omitempty"`
	Price float64 `json:"price,omitempty"`
	Brand string  `json:"brand,omitempty"`
}

// Answer is that of a search.
type Answer struct {
	Hits []struct {
		ID   string `json:"id"`
		Item Item   `json:"item"`
	} `json:"hits"`
	Rerank struct {
		Scored  int    `json:"scored"`
		Of      int    `json:"of"`
		Stopped string `json:"stopped"`
	} `json:"rerank"`
	Cached bool   `json:"cached"`
	Model  string `json:"model"`
}

// IDs are the hits' in their order.
func (a *Answer) IDs() string {
	var all []string
	for _, h := range a.Hits {
		all = append(all, h.ID)
	}
	return strings.Join(all, " ")
}

// Do sends a request and reads the answer; a status other than those of success
// is no error. The status is 0 with an error.
func (c *Client) Do(ctx context.Context, method, path string, body []byte, head ...string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	return res.StatusCode, text, nil
}

// overtime is how long after its deadline an answer is waited for.
const overtime = 30 * time.Second

// Search asks. The status is 0 where there was no whole answer.
func (c *Client) Search(ctx context.Context, q Query) (int, *Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, q.Deadline+overtime)
	defer cancel()
	m := map[string]any{"limit": q.Limit, "deadline_ms": q.Deadline.Milliseconds(), "rerank": map[string]any{"enabled": !q.NoSecondLook, "depth": 20}}
	if q.Text != "" {
		m["text"] = q.Text
	}
	if q.Image != "" {
		m["image"] = map[string]any{"id": q.Image}
	}
	if q.Filter != "" {
		m["filter"] = q.Filter
	}
	body, err := json.Marshal(m)
	if err != nil {
		return 0, nil, err
	}
	status, text, err := c.Do(ctx, http.MethodPost, "/v1/search", body, "Content-Type", "application/json")
	if err != nil {
		return 0, nil, err
	}
	if status != http.StatusOK {
		return status, nil, fmt.Errorf("search: %d %s", status, short(text))
	}
	a := &Answer{}
	if err := json.Unmarshal(text, a); err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	return status, a, nil
}

func short(text []byte) string {
	return strings.TrimSpace(string(text[:min(len(text), 300)]))
}

// Form is a PUT with a picture.
func Form(item Item, picture []byte) (body []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	text, err := json.Marshal(Item{Title: item.Title, Price: item.Price, Brand: item.Brand})
	if err == nil {
		err = w.WriteField("item", string(text))
	}
	if err != nil {
		return nil, "", err
	}
	part, err := w.CreateFormFile("image", "picture.png")
	if err == nil {
		_, err = part.Write(picture)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), w.FormDataContentType(), err
}

// Export is the whole catalogue, by id.
func (c *Client) Export(ctx context.Context) (map[string]Item, error) {
	status, text, err := c.Do(ctx, http.MethodGet, "/v1/items", nil, "Accept", "application/x-ndjson")
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("list the catalogue: %d %s: %w", status, short(text), err)
	}
	all := map[string]Item{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var i Item
		if err := json.Unmarshal(lines.Bytes(), &i); err != nil {
			return nil, fmt.Errorf("list the catalogue: %w", err)
		}
		all[i.ID] = i
	}
	return all, lines.Err()
}

// Metric is a sample of /metrics by its full name, labels too; 0 where it is not
// there.
func (c *Client) Metric(ctx context.Context, name string) (float64, error) {
	status, text, err := c.Do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil || status != http.StatusOK {
		return 0, fmt.Errorf("metrics: %d: %w", status, err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, nil
}

// Jobs are the queue's, by state.
func (c *Client) Jobs(ctx context.Context) (map[string]int, error) {
	all := map[string]int{}
	for _, state := range []string{"waiting", "leased", "done", "superseded", "dead"} {
		n, err := c.Metric(ctx, fmt.Sprintf("sightline_queue_jobs{state=%q}", state))
		if err != nil {
			return nil, err
		}
		all[state] = int(n)
	}
	return all, nil
}

// PathOf is an item's.
func PathOf(id string) string { return "/v1/items/" + url.PathEscape(id) }
