package shopify_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/indexer/queue"
	"sightline/indexer/queue/queuetest"
	"sightline/indexer/shopify"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if queuetest.Race {
		if err := flag.Set("rapid.checks", "20"); err != nil { // of 100, which take half a minute
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const (
	secret = "hush"
	shop   = "tillow.myshopify.com"
	update = "products/update"
	remove = "products/delete"
)

// now is when the deliveries of tests arrive.
func now() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }

// memory is a queue that keeps what it is given, and knows what it has seen.
type memory struct {
	mu   sync.Mutex
	jobs []queue.Job
	seen map[string]bool
	err  error
}

func (m *memory) Enqueue(_ context.Context, jobs ...queue.Job) ([]queue.Enqueued, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	out := make([]queue.Enqueued, len(jobs))
	for i, j := range jobs {
		out[i] = queue.Enqueued{ID: "job", Status: queue.StatusQueued}
		if j.DedupeID != "" && m.seen[j.DedupeID] {
			out[i].Status = queue.StatusDuplicate
			continue
		}
		if m.seen == nil {
			m.seen = map[string]bool{}
		}
		m.seen[j.DedupeID] = true
		m.jobs = append(m.jobs, j)
	}
	return out, nil
}

func handlerOf(t testing.TB, o shopify.Options) http.Handler {
	t.Helper()
	o.Secret, o.Shops, o.Currency = secret, []string{shop}, "EUR"
	if o.Now == nil {
		o.Now = now
	}
	if o.Deadline == 0 {
		o.Deadline = time.Minute // disks of test machines may be slower than a second
	}
	h, err := shopify.NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// delivery is a request as Shopify sends it, to be spoilt.
type delivery struct {
	topic, id, triggered string
	body                 []byte
	spoil                func(*http.Request)
}

func sign(body []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (d delivery) request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/shopify", bytes.NewReader(d.body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Shopify-Topic", d.topic)
	r.Header.Set("X-Shopify-Shop-Domain", shop)
	r.Header.Set("X-Shopify-Hmac-Sha256", sign(d.body, secret))
	r.Header.Set("X-Shopify-Webhook-Id", d.id)
	r.Header.Set("X-Shopify-Triggered-At", d.triggered)
	if d.spoil != nil {
		d.spoil(r)
	}
	return r
}

func send(h http.Handler, d delivery) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, d.request())
	return w
}

// statusOf is the body's status, or its code where it is a problem.
func statusOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct {
		Status json.RawMessage `json:"status"`
		Code   string          `json:"code"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	var status string
	if json.Unmarshal(body.Status, &status) == nil {
		return status
	}
	return body.Code
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// jobOf sends one delivery and returns the job that it made.
func jobOf(t testing.TB, o shopify.Options, d delivery) (shopify.Job, queue.Job) {
	t.Helper()
	q := &memory{}
	o.Queue = q
	if w := send(handlerOf(t, o), d); w.Code != http.StatusOK || len(q.jobs) != 1 {
		t.Fatalf("status %d %s, %d jobs", w.Code, w.Body, len(q.jobs))
	}
	j, err := shopify.DecodeJob(q.jobs[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	return j, q.jobs[0]
}

func serve(t testing.TB, h http.Handler, r *http.Request, want int) {
	t.Helper()
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != want {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}
