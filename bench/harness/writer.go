package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// Writer changes items as a shop's program does: it repeats, under the same
// Idempotency-Key, what was not acknowledged, and waits for the end of what was
// queued. One goroutine uses it; others may read the counts.
type Writer struct {
	Client   *Client
	Book     *Book
	Name     string   // begins the ids, so that writers do not meet
	Brand    string   // of all its items, to be filtered by
	Items    int      // ids that it uses
	Pictures [][]byte // to upload

	Uploads, Patches, Deletes, Repeats atomic.Int64

	rng *rand.Rand
	n   int
}

// refusedError is an answer that repeating does not change.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// givenUpAfter bounds the repetitions of one write.
const givenUpAfter = 3 * time.Minute

// Step does one write chosen by chance, and returns when it is done.
func (w *Writer) Step(ctx context.Context) error {
	if w.rng == nil {
		w.rng = rand.New(rand.NewPCG(uint64(len(w.Name)), 7)) // #nosec G404 -- which item is changed
	}
	id := fmt.Sprintf("%s-%d", w.Name, w.rng.IntN(w.Items))
	_, there := w.Book.Get(id)
	switch p := w.rng.Float64(); {
	case !there || p < 0.3:
		return w.Upload(ctx, id)
	case p < 0.75:
		return w.Patch(ctx, id)
	}
	return w.Delete(ctx, id)
}

func (w *Writer) next(id string) Item {
	w.n++
	return Item{ID: id, Title: fmt.Sprintf("a red mug, state %d of %s", w.n, id), Price: float64(w.n), Brand: w.Brand}
}

// Upload puts an item with a picture.
func (w *Writer) Upload(ctx context.Context, id string) error {
	item := w.next(id)
	body, media, err := Form(item, w.Pictures[w.n%len(w.Pictures)])
	if err != nil {
		return err
	}
	w.Uploads.Add(1)
	return w.write(ctx, item, false, http.MethodPut, body, "Content-Type", media)
}

// Patch changes title and price of an item that is there.
func (w *Writer) Patch(ctx context.Context, id string) error {
	item := w.next(id)
	body, err := json.Marshal(map[string]any{"title": item.Title, "price": item.Price})
	if err != nil {
		return err
	}
	w.Patches.Add(1)
	return w.write(ctx, item, false, http.MethodPatch, body, "Content-Type", "application/merge-patch+json")
}

// Delete deletes an item.
func (w *Writer) Delete(ctx context.Context, id string) error {
	w.n++
	w.Deletes.Add(1)
	return w.write(ctx, Item{ID: id}, true, http.MethodDelete, nil)
}

// Batch patches several items, of those that are there, in one request.
func (w *Writer) Batch(ctx context.Context) error {
	var patches []map[string]any
	for i := range w.Items {
		id := fmt.Sprintf("%s-%d", w.Name, i)
		if _, there := w.Book.Get(id); !there {
			if err := w.Upload(ctx, id); err != nil {
				return err
			}
			continue
		}
		item := w.next(id)
		w.Book.Begin(item, false)
		w.Patches.Add(1)
		patches = append(patches, map[string]any{"id": id, "title": item.Title, "price": item.Price})
	}
	if len(patches) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{"patches": patches})
	if err != nil {
		return err
	}
	head := []string{"Content-Type", "application/json", "Prefer", "wait=30", "Idempotency-Key", fmt.Sprintf("%s-%d", w.Name, w.n)}
	if err := w.until(ctx, http.MethodPost, "/v1/items:batch", body, head); err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	for _, p := range patches {
		w.Book.Acknowledge(p["id"].(string))
	}
	return nil
}

// ByAddress puts an item whose picture is fetched.
func (w *Writer) ByAddress(ctx context.Context, id, picture string) error {
	item := w.next(id)
	body, err := json.Marshal(map[string]any{"title": item.Title, "price": item.Price, "brand": item.Brand, "image": picture})
	if err != nil {
		return err
	}
	w.Uploads.Add(1)
	return w.write(ctx, item, false, http.MethodPut, body, "Content-Type", "application/json")
}

func (w *Writer) write(ctx context.Context, item Item, gone bool, method string, body []byte, head ...string) error {
	w.Book.Begin(item, gone)
	head = append(head, "Prefer", "wait=30", "Idempotency-Key", fmt.Sprintf("%s-%s-%d", w.Name, item.ID, w.n))
	if err := w.until(ctx, method, PathOf(item.ID), body, head); err != nil {
		return fmt.Errorf("%s %s: %w", method, item.ID, err)
	}
	w.Book.Acknowledge(item.ID)
	return nil
}

// until repeats a write until it is done.
func (w *Writer) until(ctx context.Context, method, path string, body []byte, head []string) error {
	ctx, cancel := context.WithTimeout(ctx, givenUpAfter)
	defer cancel()
	for {
		status, text, err := w.Client.Do(ctx, method, path, body, head...)
		switch {
		case err == nil && (status == http.StatusOK || status == http.StatusCreated):
			return nil
		case err == nil && status == http.StatusAccepted:
			return w.wait(ctx, text)
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			return &refusedError{fmt.Sprintf("%d %s", status, short(text))}
		}
		w.Repeats.Add(1)
		if !Pause(ctx, 100*time.Millisecond) {
			return errors.Join(fmt.Errorf("not acknowledged within %v, last: %d %s", givenUpAfter, status, short(text)), err)
		}
	}
}

// wait waits for the end of a queued job.
func (w *Writer) wait(ctx context.Context, text []byte) error {
	var queued struct{ Job string }
	if err := json.Unmarshal(text, &queued); err != nil {
		return err
	}
	for {
		status, text, err := w.Client.Do(ctx, http.MethodGet, "/v1/jobs/"+queued.Job, nil)
		var job struct{ State string }
		if err == nil && status == http.StatusOK {
			err = json.Unmarshal(text, &job)
		}
		if err == nil && job.State == "done" {
			return nil
		}
		if job.State == "failed" {
			return &refusedError{fmt.Sprintf("job %s: %s", queued.Job, short(text))}
		}
		if !Pause(ctx, 100*time.Millisecond) {
			return errors.Join(fmt.Errorf("job %s has no end within %v: %d %s", queued.Job, givenUpAfter, status, short(text)), err)
		}
	}
}

// Run does steps, with pauses, until stop is closed; the one under way is ended.
func (w *Writer) Run(ctx context.Context, pause time.Duration, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if err := w.Step(ctx); err != nil {
			return err
		}
	}
}

// Pause waits; false says that ctx ended before.
func Pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// Refused puts an item whose picture is broken, and wants it to fail for good.
func (w *Writer) Refused(ctx context.Context, id, picture string) error {
	body, err := json.Marshal(map[string]any{"title": "never to be seen", "brand": w.Brand, "image": picture})
	if err != nil {
		return err
	}
	head := []string{"Content-Type", "application/json", "Prefer", "wait=30", "Idempotency-Key", w.Name + "-" + id}
	err = w.until(ctx, http.MethodPut, PathOf(id), body, head)
	if err == nil {
		return fmt.Errorf("%s: a broken picture was taken", id)
	}
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		return nil
	}
	return err
}
