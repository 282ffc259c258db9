package shopify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"time"

	"sightline/indexer/queue"
	"sightline/store"
)

// handler takes deliveries. slots bounds those that the queue works on, also
// beyond their deadline: a queue that hangs must not collect goroutines.
type handler struct {
	o        Options
	secrets  []store.Secret
	shops    map[string]bool
	slots    chan struct{}
	patience time.Duration // with a body that arrives slowly
	topics   quiet         // that are logged as ignored
	faults   quiet         // that are logged as refused
}

// ServeHTTP answers one delivery.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, refused := h.receive(w, r)
	if refused != nil {
		h.fail(w, r, refused)
		return
	}
	h.o.Observe(a.Status)
	respond(w, a)
}

// receive takes a delivery step by step; nothing of it is believed, and nothing
// told about it, before its signature is found good.
func (h *handler) receive(w http.ResponseWriter, r *http.Request) (answer, *refusal) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(h.patience)) // a server of tests has none; of the rest of a refused body, too
	if r.Method != http.MethodPost {
		return answer{}, refuse(codeMethod, "Webhooks are sent by POST.", nil)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return answer{}, refuse(codeMediaType, "Webhooks are taken as application/json: set the webhook's format to JSON.", nil)
	}
	body, refused := read(w, r)
	if refused != nil {
		return answer{}, refused
	}
	_ = control.SetReadDeadline(time.Time{}) // it would cancel the request's context
	if !signed(r.Header.Get("X-Shopify-Hmac-Sha256"), body, h.secrets) {
		return answer{}, refuse(codeSignature, "", nil)
	}
	d := readDelivery(r.Header)
	if !h.shops[d.shop] {
		return answer{}, refuse(codeShop, "Webhooks of this shop are not taken.", fmt.Errorf("shop %q", queue.Clip(d.shop, 100)))
	}
	if d.topic != topicCreate && d.topic != topicUpdate && d.topic != topicDelete {
		h.ignore(r.Context(), d)
		return answer{Status: "ignored"}, nil
	}
	p, cause := decodeProduct(body)
	if cause == nil && p.isDeletion() != (d.topic == topicDelete) {
		cause = errors.New("the body is not one of its topic")
	}
	if cause != nil {
		return answer{}, refuse(codeMalformed, "The body is not the JSON of a product that this topic has.", cause)
	}
	return h.enqueue(r.Context(), d, h.plan(d, &p, h.o.Now()))
}

// read reads the body, no more than the limit.
func read(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if r.ContentLength > maxBody {
		return nil, tooLarge()
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), 64<<10)) + bytes.MinRead)
	_, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, maxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(codeSlowBody, "The body did not arrive in time.", err)
	case err != nil:
		return nil, refuse(codeMalformed, "The body did not arrive whole.", err)
	}
	return body.Bytes(), nil
}

func tooLarge() *refusal {
	return refuse(codeTooLarge, fmt.Sprintf("The body is larger than the limit of %d bytes.", maxBody), nil)
}

func (h *handler) ignore(ctx context.Context, d delivery) {
	if h.topics.first(d.topic, h.o.Now(), 24*time.Hour) {
		h.o.Log.InfoContext(ctx, "webhooks of this topic are ignored; the shop need not send them",
			slog.String("topic", queue.Clip(d.topic, 100)), slog.String("shop", d.shop))
	}
}

// enqueue hands the job to the queue. A job that the queue can never take
// becomes one that says so: Shopify would send the same again for hours, and
// then drop the subscription for all products.
func (h *handler) enqueue(ctx context.Context, d delivery, j Job) (answer, *refusal) {
	done, err := h.put(ctx, d, j)
	if errors.Is(err, queue.ErrInvalid) && j.Op != Reject {
		j = j.rejected(err.Error())
		done, err = h.put(ctx, d, j)
	}
	if err != nil {
		return answer{}, refuse(codeUnavailable, "The change could not be queued: send it again.", err)
	}
	a := answer{Status: statusOf(done.Status, j.Op), Job: done.ID}
	if j.Op == Reject {
		h.o.Log.WarnContext(ctx, "a product cannot be taken over", slog.String("shop", j.Shop),
			slog.String("product", j.ProductID), slog.String("problem", j.Problem), slog.String("job", a.Job))
	}
	return a, nil
}

func statusOf(s queue.Status, op Op) string {
	switch {
	case s == queue.StatusDuplicate:
		return "duplicate"
	case s == queue.StatusSuperseded:
		return "stale"
	case op == Reject:
		return "rejected"
	}
	return "queued"
}

type enqueued struct {
	queue.Enqueued
	err error
}

// put waits for the queue until the deadline and not longer, whatever the queue
// makes of its context. What it still does later is harmless: the delivery
// comes again and is then a duplicate.
func (h *handler) put(ctx context.Context, d delivery, j Job) (queue.Enqueued, error) {
	job, err := j.queued(d.dedupe())
	if err != nil {
		return queue.Enqueued{}, err
	}
	select {
	case h.slots <- struct{}{}:
	default:
		return queue.Enqueued{}, fmt.Errorf("%d deliveries wait for the queue already", cap(h.slots))
	}
	ctx, cancel := context.WithTimeout(ctx, h.o.Deadline)
	defer cancel() // here: a context that the goroutine ended could look like a deadline
	done := make(chan enqueued, 1)
	go func() {
		defer func() { <-h.slots }()
		done <- h.call(ctx, job)
	}()
	select {
	case e := <-done:
		return e.Enqueued, e.err
	case <-ctx.Done():
		return queue.Enqueued{}, fmt.Errorf("the queue has not answered within %v: %w", h.o.Deadline, context.Cause(ctx))
	}
}

// call turns a panic into an error: outside the server's goroutine it would end
// the program.
func (h *handler) call(ctx context.Context, job queue.Job) (e enqueued) {
	defer func() {
		if v := recover(); v != nil {
			e.err = fmt.Errorf("the queue panicked: %v", v)
		}
	}()
	done, err := h.o.Queue.Enqueue(ctx, job)
	switch {
	case err != nil:
		return enqueued{err: err}
	case len(done) != 1:
		return enqueued{err: fmt.Errorf("the queue answered for %d jobs, not 1; this is a bug", len(done))}
	}
	return enqueued{Enqueued: done[0]}
}
