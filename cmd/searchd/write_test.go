package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
)

// shop is a server of pictures and the flags with which they are fetched.
func shop(t *testing.T) (address string, flags []string) {
	t.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(samples, "pictures"))))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, []string{"--fetch-allow", "127.0.0.1", "--fetch-ports", u.Port()}
}

// writing is a searchd on an empty data folder, and a shop.
type writing struct {
	*server

	shop string
	data string
}

func newWriting(t *testing.T, args ...string) writing {
	t.Helper()
	environ := clitest.Environ(t)
	address, flags := shop(t)
	data := filepath.Join(t.TempDir(), "data")
	args = append(append([]string{"--data", data, "--model", model(t)}, flags...), args...)
	return writing{server: serve(t, environ, args...), shop: address, data: data}
}

// reply is what a write is answered with, or a problem.
type reply struct {
	ID, Job, State, Outcome string
	Accepted, Rejected      int
	Status                  int
	Stage, Reason, Detail   string
}

// send sends JSON; headers are NAME, VALUE, …. What is answered when it is done
// may take as long as there is, on a machine that may be busy.
func (w writing) send(t *testing.T, method, path, body string, headers ...string) (int, reply) {
	t.Helper()
	req := w.request(t, method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch || method == http.MethodDelete {
		req.Header.Set("Prefer", "wait=30")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	var r reply
	return w.do(t, req, &r), r
}

// jobState is GET /v1/jobs/{id}.
type jobState struct {
	State  string
	Counts map[string]int
	Items  []struct{ ID, State, Outcome, Stage, Reason string }
}

// settled waits for the end of a job.
func (w writing) settled(t *testing.T, job string) (s jobState) {
	t.Helper()
	clitest.Eventually(t, "job "+job, func() bool {
		if code := w.get(t, "/v1/jobs/"+job, &s); code != http.StatusOK {
			t.Fatalf("job %s: %d", job, code)
		}
		return s.State == "done" || s.State == "failed"
	})
	return s
}

func (w writing) item(t *testing.T, id string) (item map[string]any, found bool) {
	t.Helper()
	return item, w.get(t, "/v1/items/"+url.PathEscape(id), &item) == http.StatusOK
}

// wantItem holds fields of an item to values.
func (w writing) wantItem(t *testing.T, id string, fields map[string]any) {
	t.Helper()
	item, found := w.item(t, id)
	if !found {
		t.Errorf("item %q is not there", id)
	}
	for name, want := range fields {
		if got := item[name]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s of item %q is %v, want %v", name, id, got, want)
		}
	}
}

// TestWrites goes through the life of an item: put, found, changed, shown with
// another picture, deleted.
func TestWrites(t *testing.T) {
	w := newWriting(t)
	code, r := w.send(t, http.MethodPut, "/v1/items/mug%2F1", fmt.Sprintf(`{"title":"a red mug","price":9.5,"currency":"EUR","image":"%s/p0000.png","images":["%[1]s/p0001.png"]}`, w.shop))
	if code != http.StatusAccepted || r.Job == "" {
		t.Fatalf("put: %d %+v", code, r)
	}
	if s := w.settled(t, r.Job); s.State != "done" || len(s.Items) != 1 || s.Items[0].Outcome != "created" {
		t.Fatalf("job: %+v", s)
	}
	w.wantItem(t, "mug/1", map[string]any{"title": "a red mug", "price": 9.5, "images": []string{w.shop + "/p0001.png"}})
	if a := w.search(t, map[string]any{"text": "a red mug"}); len(a.Hits) != 1 || a.Hits[0].ID != "mug/1" || a.Rerank.Scored != 1 {
		t.Errorf("search: %+v", a)
	}
	if code, r = w.send(t, http.MethodPatch, "/v1/items/mug%2F1", `{"price":8,"currency":"EUR","stock":3}`); code != http.StatusOK || r.Outcome != "written" {
		t.Errorf("patch: %d %+v", code, r)
	}
	w.wantItem(t, "mug/1", map[string]any{"title": "a red mug", "price": 8, "attributes": map[string]any{"stock": 3}})
	if code, r = w.send(t, http.MethodPatch, "/v1/items/none", `{"price":8}`); code != http.StatusNotFound {
		t.Errorf("patch of no item: %d %+v", code, r)
	}
	if code, r = w.send(t, http.MethodPatch, "/v1/items/mug%2F1", `{"price":7}`, "If-Match", `"0123"`); code != http.StatusPreconditionFailed {
		t.Errorf("patch of another version: %d %+v", code, r)
	}
	if code, r = w.send(t, http.MethodDelete, "/v1/items/mug%2F1", ""); code != http.StatusOK || r.Outcome != "deleted" {
		t.Errorf("delete: %d %+v", code, r)
	}
	if _, found := w.item(t, "mug/1"); found {
		t.Error("the item is there after its deletion")
	}
	if a := w.search(t, map[string]any{"text": "a red mug"}); len(a.Hits) != 0 {
		t.Errorf("search after deletion: %+v", a.Hits)
	}
}

// multipartOf is an item with uploaded pictures.
func multipartOf(t *testing.T, item string, pictures ...string) (body io.Reader, media string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	if err := m.WriteField("item", item); err != nil {
		t.Fatal(err)
	}
	for i, name := range pictures {
		field := "images"
		if i == 0 {
			field = "image"
		}
		part, err := m.CreateFormFile(field, name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(samples, "pictures", name))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(data)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, m.FormDataContentType()
}

// TestUploadAndRestart: what was answered is there after a restart, uploads
// included.
func TestUploadAndRestart(t *testing.T) {
	w := newWriting(t)
	body, media := multipartOf(t, `{"title":"a bag"}`, "p0002.png", "p0003.png")
	req := w.request(t, http.MethodPut, "/v1/items/bag", body)
	req.Header.Set("Content-Type", media)
	req.Header.Set("Prefer", "wait=30")
	var r reply
	if code := w.do(t, req, &r); code != http.StatusCreated || r.Outcome != "created" {
		t.Fatalf("upload: %d %+v", code, r)
	}
	res, err := w.client.Get(w.url + "/v1/items/bag/image")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	want, err2 := os.ReadFile(filepath.Join(samples, "pictures", "p0002.png"))
	if err != nil || err2 != nil || !bytes.Equal(got, want) {
		t.Errorf("the stored picture is another one: %v, %v", err, err2)
	}
}

// TestBatchAndFailures: good items of a batch go in, bad ones are listed with
// stage and reason, and retried when the shop has put them right.
func TestBatchAndFailures(t *testing.T) {
	w := newWriting(t)
	var lines strings.Builder
	for i := range 10 {
		name := fmt.Sprintf("p%04d.png", i)
		if i == 7 {
			name = "none.png"
		}
		fmt.Fprintf(&lines, "{\"id\":\"i%d\",\"image\":\"%s/%s\"}\n", i, w.shop, name)
	}
	lines.WriteString("{\"id\":\"bad\",\"price\":-1,\"image\":\"" + w.shop + "/p0000.png\"}\n")
	code, r := w.send(t, http.MethodPost, "/v1/items:batch", lines.String(), "Content-Type", "application/x-ndjson")
	if code != http.StatusAccepted || r.Accepted != 10 || r.Rejected != 1 {
		t.Fatalf("batch: %d %+v", code, r)
	}
	s := w.settled(t, r.Job)
	if s.State != "failed" || s.Counts["done"] != 9 || s.Counts["dead"] != 1 {
		t.Errorf("job: %+v", s)
	}
	var failed jobState
	if code := w.get(t, "/v1/items?state=failed", &failed); code != http.StatusOK || len(failed.Items) != 1 ||
		failed.Items[0].ID != "i7" || failed.Items[0].Stage != "fetch" || !strings.Contains(failed.Items[0].Reason, "404") {
		t.Errorf("failed items: %d %+v", code, failed)
	}
	if code, _ := w.send(t, http.MethodPost, "/v1/jobs/"+r.Job+":retry", ""); code != http.StatusOK {
		t.Errorf("retry: %d", code)
	}
	if s := w.settled(t, r.Job); s.Counts["dead"] != 1 {
		t.Errorf("after the retry: %+v", s)
	}
	if code, r = w.send(t, http.MethodPost, "/v1/items:delete", `{"ids":["i0","i1","none"]}`, "Prefer", "wait=30"); code != http.StatusOK || r.Accepted != 3 {
		t.Errorf("delete: %d %+v", code, r)
	}
	var list struct{ Items []map[string]any }
	if code := w.get(t, "/v1/items?limit=100", &list); code != http.StatusOK || len(list.Items) != 7 {
		t.Errorf("list: %d, %d items", code, len(list.Items))
	}
	if n := w.metric(t, `sightline_queue_jobs{state="dead"}`); n != 1 {
		t.Errorf("metrics show %v dead jobs", n)
	}
	w.checkEvents(t)
}

// checkEvents holds the export of events to one final state for each job.
func (w writing) checkEvents(t *testing.T) {
	t.Helper()
	res, err := w.client.Get(w.url + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	states := map[string]int{}
	for d := json.NewDecoder(res.Body); d.More(); {
		var e struct{ State string }
		if err := d.Decode(&e); err != nil {
			t.Fatal(err)
		}
		states[e.State]++
	}
	if states["done"] != 12 || states["dead"] != 2 {
		t.Errorf("events: %v", states)
	}
}

// TestIdempotencyKey: a request that is sent again, because its answer was lost,
// makes no second job.
func TestIdempotencyKey(t *testing.T) {
	w := newWriting(t)
	body := fmt.Sprintf(`{"image":"%s/p0000.png"}`, w.shop)
	code, first := w.send(t, http.MethodPut, "/v1/items/a", body, "Idempotency-Key", "k1")
	_, again := w.send(t, http.MethodPut, "/v1/items/a", body, "Idempotency-Key", "k1")
	if code != http.StatusAccepted || first.Job == "" || again.Job != first.Job {
		t.Errorf("%d %+v, again %+v", code, first, again)
	}
	if code, r := w.send(t, http.MethodPut, "/v1/items/a", `{"image":"https://shop.example/b.png"}`, "Idempotency-Key", "k1"); code != http.StatusUnprocessableEntity {
		t.Errorf("another body with that key: %d %+v", code, r)
	}
	if s := w.settled(t, first.Job); s.Counts["done"] != 1 {
		t.Errorf("%+v", s)
	}
}

// TestReadOnly: --read-only takes no writes and has no queue.
func TestReadOnly(t *testing.T) {
	w := newWriting(t, "--read-only")
	if code, r := w.send(t, http.MethodDelete, "/v1/items/a", ""); code < 400 || !strings.Contains(r.Detail, "takes no writes") {
		t.Errorf("%d %+v", code, r)
	}
	if _, err := os.Stat(filepath.Join(w.data, "queue.db")); err == nil {
		t.Error("there is a queue")
	}
}

// TestHosts: a page that gives its own name this address gets nothing (DNS
// rebinding); names of a proxy are told to the server.
func TestHosts(t *testing.T) {
	w := newWriting(t, "--hosts", "search.example, other.example")
	for host, want := range map[string]int{"search.example": http.StatusOK, "evil.example": http.StatusForbidden} {
		req := w.request(t, http.MethodGet, "/v1/items?limit=1", nil)
		req.Host = host
		if code := w.do(t, req, nil); code != want {
			t.Errorf("%s: %d, want %d", host, code, want)
		}
	}
}
