package shopify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/indexer/queue"
	"sightline/indexer/queue/sqlite"
	"sightline/indexer/shopify"
)

// TestRefused: nothing of these reaches the queue, and the answers tell nothing
// that the sender did not bring.
func TestRefused(t *testing.T) {
	tee, deletion := golden(t, "tee.json"), golden(t, "delete.json")
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	resign := func(body string) delivery { return delivery{topic: update, id: "1", body: []byte(body)} }
	for name, c := range map[string]struct {
		d      delivery
		status int
		code   string
	}{
		"no signature":           {delivery{topic: update, body: tee, spoil: header("X-Shopify-Hmac-Sha256", "")}, 401, "signature"},
		"wrong signature":        {delivery{topic: update, body: tee, spoil: header("X-Shopify-Hmac-Sha256", sign(tee, "guess"))}, 401, "signature"},
		"no base64":              {delivery{topic: update, body: tee, spoil: header("X-Shopify-Hmac-Sha256", "%%%")}, 401, "signature"},
		"of another body":        {delivery{topic: update, body: tee, spoil: header("X-Shopify-Hmac-Sha256", sign(deletion, secret))}, 401, "signature"},
		"empty secret":           {delivery{topic: update, body: tee, spoil: header("X-Shopify-Hmac-Sha256", sign(tee, ""))}, 401, "signature"},
		"unsigned unknown topic": {delivery{topic: "app/uninstalled", body: tee, spoil: header("X-Shopify-Hmac-Sha256", "")}, 401, "signature"},
		"unsigned foreign shop": {delivery{topic: update, body: tee, spoil: func(r *http.Request) {
			r.Header.Set("X-Shopify-Shop-Domain", "x.example")
			r.Header.Del("X-Shopify-Hmac-Sha256")
		}}, 401, "signature"},
		"unsigned no JSON":     {delivery{topic: update, body: []byte("{"), spoil: header("X-Shopify-Hmac-Sha256", "")}, 401, "signature"},
		"cut, signed as whole": {delivery{topic: update, body: tee[:500], spoil: header("X-Shopify-Hmac-Sha256", sign(tee, secret))}, 401, "signature"},
		"foreign shop":         {delivery{topic: update, body: tee, spoil: header("X-Shopify-Shop-Domain", "thief.myshopify.com")}, 403, "shop"},
		"shop as suffix":       {delivery{topic: update, body: tee, spoil: header("X-Shopify-Shop-Domain", "x."+shop)}, 403, "shop"},
		"no shop":              {delivery{topic: update, body: tee, spoil: header("X-Shopify-Shop-Domain", "")}, 403, "shop"},
		"10 MB":                {delivery{topic: update, body: make([]byte, 10<<20)}, 413, "too_large"},
		"10 MB, length unsaid": {delivery{topic: update, body: make([]byte, 10<<20), spoil: func(r *http.Request) { r.ContentLength = -1 }}, 413, "too_large"},
		"a byte too much":      {delivery{topic: update, body: make([]byte, 2<<20+1), spoil: func(r *http.Request) { r.ContentLength = -1 }}, 413, "too_large"},
		"XML":                  {delivery{topic: update, body: tee, spoil: header("Content-Type", "application/xml")}, 415, "media_type"},
		"no type":              {delivery{topic: update, body: tee, spoil: header("Content-Type", "")}, 415, "media_type"},
		"broken type":          {delivery{topic: update, body: tee, spoil: header("Content-Type", "application/json; =")}, 415, "media_type"},
		"GET":                  {delivery{topic: update, body: tee, spoil: func(r *http.Request) { r.Method = http.MethodGet }}, 405, "method"},
		"body breaks off":      {delivery{topic: update, spoil: func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{})) }}, 422, "malformed"},
		"truncated":            {resign(string(tee[:len(tee)/2])), 422, "malformed"},
		"empty":                {resign(""), 422, "malformed"},
		"no object":            {resign(`[1]`), 422, "malformed"},
		"null":                 {resign(`null`), 422, "malformed"},
		"two values":           {resign(string(tee) + "{}"), 422, "malformed"},
		"no id":                {resign(`{"handle":"a","title":"A","variants":[],"images":[]}`), 422, "malformed"},
		"negative id":          {resign(`{"id":-5,"handle":"a"}`), 422, "malformed"},
		"id of 30 digits":      {resign(`{"id":123456789012345678901234567890,"handle":"a"}`), 422, "malformed"},
		"wrong types":          {resign(`{"id":5,"handle":{"a":1}}`), 422, "malformed"},
		"year 0":               {resign(`{"id":5,"handle":"a","updated_at":"0000-01-01T00:00:00Z"}`), 422, "malformed"},
		"no time":              {resign(`{"id":5,"handle":"a","updated_at":"yesterday"}`), 422, "malformed"},
		"deep":                 {resign(strings.Repeat(`{"id":`, 100_000)), 422, "malformed"},
		// Headers are not signed: a product's body must not delete it.
		"product as deletion": {delivery{topic: remove, body: tee}, 422, "malformed"},
		"deletion as product": {delivery{topic: update, body: deletion}, 422, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			q := &memory{}
			var outcomes []string
			w := send(handlerOf(t, shopify.Options{Queue: q, Observe: func(o string) { outcomes = append(outcomes, o) }}), c.d)
			if w.Code != c.status || statusOf(t, w) != c.code {
				t.Errorf("status %d %s, want %d %s", w.Code, w.Body, c.status, c.code)
			}
			if len(q.jobs) != 0 {
				t.Errorf("it is queued: %s", q.jobs[0].Payload)
			}
			if fmt.Sprint(outcomes) != "["+c.code+"]" {
				t.Errorf("observed %q", outcomes)
			}
			checkProblem(t, w)
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func checkProblem(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Type != "about:blank" || p.Title == "" || p.Status != w.Code {
		t.Errorf("%s is no problem: %v", w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if w.Code == http.StatusUnauthorized && p.Detail != "" {
		t.Errorf("401 says %q", p.Detail)
	}
	if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

// TestOldSecret: while the secret is changed both are good, and then one.
func TestOldSecret(t *testing.T) {
	d := delivery{topic: update, body: golden(t, "mug.json")}
	d.spoil = func(r *http.Request) { r.Header.Set("X-Shopify-Hmac-Sha256", sign(d.body, "hush-old")) }
	for _, c := range []struct {
		o    shopify.Options
		want int
	}{{shopify.Options{Queue: &memory{}, OldSecret: "hush-old"}, 200}, {shopify.Options{Queue: &memory{}}, 401}} {
		serve(t, handlerOf(t, c.o), d.request(), c.want)
	}
}

// TestRepeated sends deliveries in turn to one real queue.
func TestRepeated(t *testing.T) {
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	h := handlerOf(t, shopify.Options{Queue: q})
	tee := golden(t, "tee.json")
	older := bytes.Replace(tee, []byte(`"updated_at":"2026-11-24T17:30:11+01:00","vendor"`), []byte(`"updated_at":"2026-11-23T17:30:11+01:00","vendor"`), 1)
	for i, c := range []struct {
		d    delivery
		want string
	}{
		{delivery{topic: "products/create", id: "1", body: tee}, "queued"},
		{delivery{topic: "products/create", id: "1", body: tee}, "duplicate"},
		{delivery{topic: update, id: "1", body: tee}, "duplicate"}, // a replay under another topic
		{delivery{topic: update, id: "2", body: older}, "stale"},
		{delivery{topic: update, id: "3", body: older, triggered: "2030-01-01T00:00:00Z"}, "stale"}, // under a later time
		{delivery{topic: update, id: "4", body: tee}, "queued"},                                     // the same again does no harm
		{delivery{topic: "orders/create", id: "5", body: []byte(`{"id":1}`)}, "ignored"},
		{delivery{topic: remove, id: "6", body: golden(t, "delete.json"), triggered: "2026-11-25T00:00:00Z"}, "queued"},
		{delivery{topic: update, id: "7", body: tee}, "stale"}, // after the deletion
		{delivery{topic: update, id: "8", body: golden(t, "large.json")}, "rejected"},
		{delivery{topic: update, id: "8", body: golden(t, "large.json")}, "duplicate"},
	} {
		if w := send(h, c.d); w.Code != http.StatusOK || statusOf(t, w) != c.want {
			t.Errorf("delivery %d: %d %s, want %s", i, w.Code, w.Body, c.want)
		}
	}
}

// TestTooLargeForQueue: Shopify could send it again for ever, so it is taken
// and lies among the rejected, and an older good one is not written instead.
func TestTooLargeForQueue(t *testing.T) {
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Settings: queue.Settings{MaxPayload: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	h := handlerOf(t, shopify.Options{Queue: q})
	w := send(h, delivery{topic: update, id: "1", body: golden(t, "tee.json")})
	if w.Code != http.StatusOK || statusOf(t, w) != "rejected" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	leases, err := q.Lease(t.Context(), queue.LeaseOptions{Worker: "w", Max: 1, For: 1e9, NoWait: true})
	if err != nil || len(leases) != 1 {
		t.Fatalf("%d leases: %v", len(leases), err)
	}
	job, err := shopify.DecodeJob(leases[0].Job.Payload)
	if err != nil || job.Op != shopify.Reject || !strings.Contains(job.Problem, "payload has") || !job.Failure().Permanent {
		t.Errorf("%+v: %v", job, err)
	}
}

// TestUnreasonable: products beyond Shopify's limits are rejected before they
// are written as rows, of which 2 MB of them would make gigabytes.
func TestUnreasonable(t *testing.T) {
	head := `{"id":5,"title":"A","updated_at":"2026-11-24T17:30:11Z",`
	long := strings.Repeat("h", 1<<20)
	for name, body := range map[string]string{
		"handle":     head + `"images":[],"handle":"` + long + `","variants":[` + strings.Repeat("{},", 100_000) + `{}]}`,
		"variants":   head + `"images":[],"handle":"a","variants":[` + strings.Repeat("{},", 500_000) + `{}]}`,
		"images":     head + `"variants":[],"handle":"a","images":[` + strings.Repeat("{},", 500_000) + `{}]}`,
		"metafields": head + `"variants":[],"images":[],"handle":"a","metafields":[` + strings.Repeat("{},", 500_000) + `{}]}`,
		"draft":      head + `"status":"draft","handle":"` + long + `"}`,
	} {
		job, queued := jobOf(t, shopify.Options{}, delivery{topic: update, body: []byte(body)})
		if job.Op != shopify.Reject || job.Problem == "" || len(queued.Payload) > 2000 {
			t.Errorf("%s: %d bytes: %.300s", name, len(queued.Payload), queued.Payload)
		}
	}
}

func TestQueueFails(t *testing.T) {
	q := &memory{err: fmt.Errorf("dial tcp 10.0.0.7:6379: %w", queue.ErrUnavailable)}
	var log strings.Builder
	h := handlerOf(t, shopify.Options{Queue: q, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		w := send(h, delivery{topic: update, body: golden(t, "tee.json")})
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		checkProblem(t, w)
	}
	if strings.Count(log.String(), "10.0.0.7") != 1 || strings.Contains(log.String(), secret) {
		t.Errorf("log: %s", &log)
	}
}

func TestIgnoredTopicIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	h := handlerOf(t, shopify.Options{Queue: &memory{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		if w := send(h, delivery{topic: "collections/update", body: []byte(`{}`)}); w.Code != http.StatusOK || statusOf(t, w) != "ignored" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if strings.Count(log.String(), "collections/update") != 1 {
		t.Errorf("log: %s", &log)
	}
}

func TestNewHandlerRefuses(t *testing.T) {
	good := shopify.Options{Queue: &memory{}, Secret: secret, Shops: []string{shop}}
	if _, err := shopify.NewHandler(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*shopify.Options){
		"no queue":        func(o *shopify.Options) { o.Queue = nil },
		"no secret":       func(o *shopify.Options) { o.Secret = "" },
		"old secret only": func(o *shopify.Options) { o.Secret, o.OldSecret = "", secret },
		"no shop":         func(o *shopify.Options) { o.Shops = nil },
		"an address":      func(o *shopify.Options) { o.Shops = []string{"https://" + shop} },
		"a blank shop":    func(o *shopify.Options) { o.Shops = []string{shop, " "} },
		"currency":        func(o *shopify.Options) { o.Currency = "euro" },
		"deadline":        func(o *shopify.Options) { o.Deadline = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := shopify.NewHandler(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
