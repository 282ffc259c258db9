package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// deliver sends a webhook as Shopify does.
func (w writing) deliver(t *testing.T, secret, topic, id, body string) (int, reply) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req := w.request(t, http.MethodPost, "/webhooks/shopify", strings.NewReader(body))
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": "tillow.myshopify.com",
		"X-Shopify-Webhook-Id": id, "X-Shopify-Hmac-Sha256": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(name, value)
	}
	res, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, reply{}
}

func product(shop, title, updated string, price float64) string {
	return fmt.Sprintf(`{"id":77,"handle":"gift-mug","title":%q,"status":"active","published_at":"2026-01-01T00:00:00Z","updated_at":%q,
		"variants":[{"id":1,"price":"%.2f","inventory_quantity":3,"inventory_policy":"deny"}],"options":[],"tags":"",
		"images":[{"id":1,"position":1,"src":"%s/p0000.png"}]}`, title, updated, price, shop)
}

// TestShopifyWebhooks: products come, change, come too late and go.
func TestShopifyWebhooks(t *testing.T) {
	environ := append(clitest.Environ(t), "SIGHTLINE_SHOPIFY_SECRET=s3cret")
	address, flags := shop(t)
	data := filepath.Join(t.TempDir(), "data")
	args := append([]string{"--data", data, "--model", model(t), "--shopify-shops", "tillow.myshopify.com", "--currency", "EUR"}, flags...)
	w := writing{server: serve(t, environ, args...), shop: address}
	newer := product(w.shop, "Gift mug", "2026-11-25T12:00:00Z", 9)
	if code, _ := w.deliver(t, "wrong", "products/create", "d0", newer); code != http.StatusUnauthorized {
		t.Errorf("wrong signature: %d", code)
	}
	for id, body := range map[string]string{"d1": newer, "d2": product(w.shop, "Old mug", "2026-11-25T11:00:00Z", 5)} {
		if code, _ := w.deliver(t, "s3cret", "products/update", id, body); code != http.StatusOK {
			t.Errorf("delivery %s: %d", id, code)
		}
	}
	clitest.Eventually(t, "the product", func() bool { _, ok := w.item(t, "gift-mug"); return ok && w.pending(t) == 0 })
	w.wantItem(t, "gift-mug", map[string]any{"title": "Gift mug", "price": 9, "currency": "EUR"})
	if code, _ := w.deliver(t, "s3cret", "products/delete", "d3", `{"id":77}`); code != http.StatusOK {
		t.Errorf("deletion: %d", code)
	}
	clitest.Eventually(t, "the deletion", func() bool { _, ok := w.item(t, "gift-mug"); return !ok })
}

// pending is how many jobs have no final state yet.
func (w writing) pending(t *testing.T) float64 {
	t.Helper()
	return w.metric(t, `sightline_queue_jobs{state="waiting"}`) + w.metric(t, `sightline_queue_jobs{state="leased"}`)
}

func TestShopifySettings(t *testing.T) {
	environ := clitest.Environ(t)
	for _, c := range []struct {
		variable string
		args     []string
		want     string
	}{
		{"SIGHTLINE_SHOPIFY_SECRET=x", nil, "--shopify-shops"},
		{"", []string{"--shopify-shops", "a.myshopify.com"}, "SIGHTLINE_SHOPIFY_SECRET"},
	} {
		args := append([]string{"--data", filepath.Join(t.TempDir(), "d"), "--model", model(t), "--listen", "127.0.0.1:0"}, c.args...)
		_, errs, code := searchd(t, append(environ, c.variable), args...)
		if code != cli.ExitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit code %d: %s", c, code, errs)
		}
	}
}
