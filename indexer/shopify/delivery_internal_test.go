package shopify

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestVersion(t *testing.T) {
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		parsed, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	const clock = "2026-11-26T12:00:00.5Z"
	for _, c := range []struct{ name, updated, triggered, want string }{
		{"a second's part", "2026-11-26T11:00:00Z", "2026-11-26T11:00:00.123456789Z", "2026-11-26T11:00:00.123456Z"},
		{"delivered later", "2026-11-26T11:00:00Z", "2026-11-26T11:03:00Z", "2026-11-26T11:00:00.999999Z"},
		{"triggered before", "2026-11-26T11:00:01Z", "2026-11-26T11:00:00.9Z", "2026-11-26T11:00:01Z"},
		{"no header", "2026-11-26T11:00:00+01:00", "", "2026-11-26T10:00:00Z"},
		{"a forged header", "2026-11-26T11:00:00Z", "2999-01-01T00:00:00Z", "2026-11-26T11:00:00.999999Z"},
		{"deletion", "", "2026-11-26T11:59:59.25Z", "2026-11-26T11:59:59.25Z"},
		{"deletion of the future", "", "2999-01-01T00:00:00Z", clock},
		{"deletion without header", "", "", clock},
		{"a shop's clock ahead", "2026-11-26T12:00:09Z", "", "2026-11-26T12:00:09Z"},
	} {
		d := delivery{triggered: at(c.triggered)}
		if got := d.version(at(c.updated), at(clock)); got != at(c.want).UnixMicro() {
			t.Errorf("%s: %v, want %s", c.name, time.UnixMicro(got).UTC(), c.want)
		}
	}
}

func TestReadDelivery(t *testing.T) {
	h := http.Header{}
	h.Set("x-shopify-topic", "Products/Update")
	h.Set("x-shopify-shop-domain", "Tillow.MyShopify.com")
	h.Set("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043")
	h.Set("x-shopify-triggered-at", "2026-11-26T11:59:59.123456789Z")
	d := readDelivery(h)
	if d.topic != topicUpdate || d.shop != "tillow.myshopify.com" || d.triggered.Nanosecond() != 123456789 {
		t.Errorf("got %+v", d)
	}
	if want := "shopify/tillow.myshopify.com/b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"; d.dedupe() != want {
		t.Errorf("dedupe %q, want %q", d.dedupe(), want)
	}
	for _, bad := range []string{"", "a b", "ä", "x\x00", strings.Repeat("x", 129)} {
		if d.id = bad; d.dedupe() != "" {
			t.Errorf("dedupe of %q: %q", bad, d.dedupe())
		}
	}
	for _, bad := range []string{"", "yesterday", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"} {
		h.Set("X-Shopify-Triggered-At", bad)
		if d := readDelivery(h); !d.triggered.IsZero() {
			t.Errorf("triggered %q is %v", bad, d.triggered)
		}
	}
}

func TestQuiet(t *testing.T) {
	var q quiet
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	if !q.first("a", start, time.Minute) || q.first("a", start.Add(59*time.Second), time.Minute) || !q.first("a", start.Add(time.Minute), time.Minute) {
		t.Error("a line a minute is wanted")
	}
	lines := 0
	for i := range 1000 {
		if q.first(strconv.Itoa(i), start, time.Minute) {
			lines++
		}
	}
	if lines != maxQuiet-1 || len(q.seen) != maxQuiet {
		t.Errorf("%d lines, %d keys, want at most %d", lines, len(q.seen), maxQuiet)
	}
}
