package harness

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Shop sends webhooks of its products as Shopify does. One goroutine uses it.
type Shop struct {
	Writer

	Domain, Secret string
	Picture        string // an address
	// Within is how long after its answer a change may take to be in the index.
	Within time.Duration
	Sent   int
	last   time.Time
}

// Step changes or deletes one of its products, and waits for the index.
func (s *Shop) Step(ctx context.Context, number int) error {
	// Changes of one product within a second are not ordered (docs/shopify.md).
	if !Pause(ctx, time.Until(s.last.Add(1100*time.Millisecond))) {
		return ctx.Err()
	}
	s.last = time.Now().UTC()
	id := fmt.Sprintf("%s-%d", s.Name, number)
	item, gone := s.next(id), false
	topic, body := "products/update", fmt.Sprintf(`{"id":%d,"handle":%q,"title":%q,"vendor":%q,"status":"active","published_at":"2026-01-01T00:00:00Z","updated_at":%q,
		"variants":[{"id":1,"price":"%.2f","inventory_quantity":3,"inventory_policy":"deny"}],"options":[],"tags":"","images":[{"id":1,"position":1,"src":%q}]}`,
		number+1, id, item.Title, item.Brand, s.last.Format(time.RFC3339), item.Price, s.Picture)
	if _, there := s.Book.Get(id); there && s.n%4 == 0 {
		gone, topic, body = true, "products/delete", fmt.Sprintf(`{"id":%d}`, number+1)
	}
	s.Book.Begin(item, gone)
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write([]byte(body))
	s.Sent++
	if err := s.until(ctx, http.MethodPost, "/webhooks/shopify", []byte(body), []string{
		"Content-Type", "application/json", "X-Shopify-Topic", topic, "X-Shopify-Shop-Domain", s.Domain,
		"X-Shopify-Webhook-Id", fmt.Sprintf("%s-%d", id, s.n), "X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		"X-Shopify-Triggered-At", s.last.Format(time.RFC3339),
	}); err != nil {
		return fmt.Errorf("webhook of %s: %w", id, err)
	}
	return s.arrive(ctx, item, gone)
}

// arrive waits until the index holds what a webhook said.
func (s *Shop) arrive(ctx context.Context, item Item, gone bool) error {
	for begin := time.Now(); ; {
		status, text, err := s.Client.Do(ctx, http.MethodGet, PathOf(item.ID), nil)
		var got Item
		if err == nil && status == http.StatusOK {
			err = json.Unmarshal(text, &got)
		}
		if err == nil && (gone && status == http.StatusNotFound || !gone && got.Title == item.Title) {
			s.Book.Acknowledge(item.ID)
			return nil
		}
		if time.Since(begin) > s.Within {
			return fmt.Errorf("webhook of %s: not in the index after %v: %d %s", item.ID, s.Within, status, short(text))
		}
		if !Pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
}
