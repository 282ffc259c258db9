package shopify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"sightline/indexer/feed"
	"sightline/indexer/queue"
	"sightline/store"
)

// Enqueuer takes jobs; queue.Queue does.
type Enqueuer interface {
	Enqueue(ctx context.Context, jobs ...queue.Job) ([]queue.Enqueued, error)
}

// Options say whose webhooks are taken and what becomes of them.
type Options struct {
	Queue Enqueuer
	// Secret is what Shopify signs with. OldSecret, if any, is good too: for the
	// hour after a change in which Shopify may sign with either.
	Secret, OldSecret store.Secret
	// Shops are the myshopify.com domains whose webhooks are taken, at least
	// one. Handles are the ids of items, so that two shops that share an index
	// must not share handles.
	Shops    []string
	Currency string // of all prices, since webhooks name none, such as EUR
	Variants bool   // an item of each variant, as feed.Options.Variants
	// Deadline bounds the queue's work on one delivery; 0 stands for 800 ms, so
	// that the answer leaves within a second. Shopify waits 5.
	Deadline time.Duration
	// Observe, if any, is told what became of each delivery: the status of the
	// answer's body, or the code of its problem. For metrics.
	Observe func(outcome string)
	Log     *slog.Logger     // nil for nobody
	Now     func() time.Time // for tests; nil stands for the clock
}

const (
	maxBody     = 2 << 20 // of one delivery
	maxAtOnce   = 64      // deliveries that wait for the queue
	bodyTime    = 5 * time.Second
	defaultTime = 800 * time.Millisecond
)

// NewHandler makes the handler of POST /webhooks/shopify. It fails without a
// secret or a shop: with none, anybody could write to the index.
func NewHandler(o Options) (http.Handler, error) {
	h := &handler{o: o, shops: map[string]bool{}, slots: make(chan struct{}, maxAtOnce), patience: bodyTime}
	for _, s := range []store.Secret{o.Secret, o.OldSecret} {
		if s != "" {
			h.secrets = append(h.secrets, s)
		}
	}
	for _, shop := range o.Shops {
		if shop = strings.ToLower(strings.TrimSpace(shop)); strings.Trim(shop, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || shop == "" || len(shop) > 253 {
			return nil, fmt.Errorf("shopify webhooks: shop %q: give the domain, such as example.myshopify.com", queue.Clip(shop, 100))
		}
		h.shops[shop] = true
	}
	switch {
	case o.Queue == nil:
		return nil, errors.New("shopify webhooks: there is no queue")
	case o.Secret == "":
		return nil, errors.New("shopify webhooks: there is no secret to check signatures with")
	case len(h.shops) == 0:
		return nil, errors.New("shopify webhooks: no shop is named whose webhooks are taken, such as example.myshopify.com")
	case o.Deadline < 0:
		return nil, errors.New("shopify webhooks: the deadline is negative")
	}
	if err := (feed.Options{Currency: o.Currency}).Check(); err != nil {
		return nil, fmt.Errorf("shopify webhooks: %w", err)
	}
	h.setDefaults()
	return h, nil
}

func (h *handler) setDefaults() {
	if h.o.Deadline == 0 {
		h.o.Deadline = defaultTime
	}
	if h.o.Observe == nil {
		h.o.Observe = func(string) {}
	}
	if h.o.Log == nil {
		h.o.Log = slog.New(slog.DiscardHandler)
	}
	if h.o.Now == nil {
		h.o.Now = time.Now
	}
}
