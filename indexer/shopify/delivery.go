package shopify

import (
	"net/http"
	"strings"
	"time"
)

// The topics that change the catalogue.
const (
	topicCreate = "products/create"
	topicUpdate = "products/update"
	topicDelete = "products/delete"
)

// delivery is what the headers say. Shopify signs the body and not the headers:
// who gets hold of one delivery can send it again under others. So a body must
// fit its topic, and its own time bounds the version.
type delivery struct {
	topic     string
	shop      string
	id        string    // of the webhook, the same when Shopify repeats it
	triggered time.Time // zero when not given
}

func readDelivery(h http.Header) delivery {
	d := delivery{
		topic: strings.ToLower(h.Get("X-Shopify-Topic")),
		shop:  strings.ToLower(h.Get("X-Shopify-Shop-Domain")),
		id:    h.Get("X-Shopify-Webhook-Id"),
	}
	if t, err := time.Parse(time.RFC3339Nano, h.Get("X-Shopify-Triggered-At")); err == nil && inRange(t) {
		d.triggered = t
	}
	return d
}

// dedupe names the delivery for the queue. One without a usable id is not
// recognised when it comes again, which costs work and changes nothing.
func (d delivery) dedupe() string {
	plain := func(r rune) bool { return r <= ' ' || r > '~' }
	if d.id == "" || len(d.id) > 128 || strings.ContainsFunc(d.id, plain) {
		return ""
	}
	return "shopify/" + d.shop + "/" + d.id
}

// version orders the changes of one product, in microseconds. The product's own
// time has seconds only, and within one the delivery's orders further. A
// deletion has no time of its own; it cannot lie in the future.
func (d delivery) version(updated, now time.Time) int64 {
	at := d.triggered
	switch {
	case updated.IsZero() && (at.IsZero() || at.After(now)):
		at = now
	case updated.IsZero():
	case at.Before(updated): // or not given
		at = updated
	case at.Sub(updated) >= time.Second:
		at = updated.Add(time.Second - time.Microsecond)
	}
	return at.UnixMicro()
}

// inRange keeps to times whose microseconds are a version.
func inRange(t time.Time) bool { return t.Year() > 1970 && t.Year() < 10_000 }
