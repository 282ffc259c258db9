package shopify_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"sightline/indexer/feed"
	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/store"
)

func replace(t testing.TB, body []byte, from, to string) []byte {
	t.Helper()
	out := bytes.Replace(body, []byte(from), []byte(to), 1)
	if bytes.Equal(out, body) {
		t.Fatalf("%q is not in the body", from)
	}
	return out
}

// FuzzDelivery sends any body under a good signature. What is queued can be
// queued, read and done by a worker, writes only sound items, deletes none of
// them and nothing of another product, and is the same every time.
func FuzzDelivery(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, filepath.Base(file) == "delete.json", false, "2026-11-24T16:30:11.25Z")
		f.Add(data, false, true, "")
	}
	f.Fuzz(func(t *testing.T, body []byte, deletion, variants bool, triggered string) {
		d := delivery{topic: update, id: "1", triggered: triggered, body: body}
		if deletion {
			d.topic = remove
		}
		q := &memory{}
		h := handlerOf(t, shopify.Options{Queue: q, Variants: variants})
		w := send(h, d)
		switch {
		case len(body) <= 2<<20 && w.Code == http.StatusUnprocessableEntity && len(q.jobs) == 0:
			return
		case w.Code != http.StatusOK || len(q.jobs) != 1:
			t.Fatalf("%d %s, %d jobs", w.Code, w.Body, len(q.jobs))
		}
		d.id = "2"
		if send(h, d); len(q.jobs) != 2 || !bytes.Equal(q.jobs[0].Payload, q.jobs[1].Payload) {
			t.Fatal("not the same again")
		}
		sound(t, q.jobs[0])
	})
}

func sound(t *testing.T, queued queue.Job) {
	t.Helper()
	settings, err := queue.Settings{MaxPayload: 1 << 30}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Prepare(new(queue.IDs), []queue.Job{queued}); err != nil {
		t.Fatal(err)
	}
	job, err := shopify.DecodeJob(queued.Payload)
	if err != nil || job.Version <= 0 || job.Version != queued.Version {
		t.Fatalf("job %+v: %v", job, err)
	}
	switch job.Op {
	case shopify.Reject:
		if job.Problem == "" || len(job.Items) != 0 || job.Filter != "" {
			t.Fatalf("rejected: %+v", job)
		}
		return
	case shopify.Replace:
		if len(job.Items) == 0 {
			t.Fatal("replaced by nothing")
		}
	case shopify.Delete:
		if len(job.Items) != 0 {
			t.Fatal("a deletion with items")
		}
	}
	checkItems(t, job)
	where, err := job.Where()
	if err != nil {
		t.Fatal(err)
	}
	own := store.Item{ID: "own \u2028", Version: job.Version, Attributes: map[string]any{shopify.AttributeID: job.ProductID}}
	newer, other, none := own.Clone(), own.Clone(), store.Item{ID: "none", URL: "/products/other than any"}
	newer.Version++
	other.Attributes[shopify.AttributeID] = job.ProductID + "0"
	other.URL = "/products/" + job.Handle
	if !own.Matches(where) || newer.Matches(where) || other.Matches(where) || none.Matches(where) {
		t.Fatalf("filter %s: own %v, newer %v, other %v, none %v", job.Filter, own.Matches(where), newer.Matches(where), other.Matches(where), none.Matches(where))
	}
}

func checkItems(t *testing.T, job shopify.Job) {
	t.Helper()
	where, err := job.Where()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range job.Items {
		if err := item.Item.Validate(); err != nil {
			t.Fatal(err)
		}
		if item.Item.Matches(where) {
			t.Fatalf("%q is written and deleted by %s", item.Item.ID, job.Filter)
		}
		if item.Item.Version != job.Version || item.Item.Attributes[shopify.AttributeID] != job.ProductID || len(item.Images) > feed.MaxImages {
			t.Fatalf("item %+v", item)
		}
	}
}
