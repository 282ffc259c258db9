package shopify_test

import (
	"context"
	"fmt"
	"testing"

	"sightline/indexer/queue"
	"sightline/indexer/queue/sqlite"
	"sightline/indexer/shopify"
)

type taken struct{}

func (taken) Enqueue(_ context.Context, jobs ...queue.Job) ([]queue.Enqueued, error) {
	return make([]queue.Enqueued, len(jobs)), nil
}

// BenchmarkDelivery is one webhook of a product with three variants and four
// pictures: without a queue, and with the embedded one, which writes to disk.
func BenchmarkDelivery(b *testing.B) {
	tee := golden(b, "tee.json")
	run := func(b *testing.B, q shopify.Enqueuer) {
		h := handlerOf(b, shopify.Options{Queue: q})
		b.SetBytes(int64(len(tee)))
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			if w := send(h, delivery{topic: update, id: fmt.Sprint(n), body: tee}); w.Code != 200 {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "webhooks/s")
	}
	b.Run("alone", func(b *testing.B) { run(b, taken{}) })
	b.Run("sqlite", func(b *testing.B) {
		q, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		defer q.Close()
		run(b, q)
	})
}

// BenchmarkForged is what a sender without the secret costs.
func BenchmarkForged(b *testing.B) {
	h := handlerOf(b, shopify.Options{Queue: taken{}})
	d := delivery{topic: update, body: golden(b, "tee.json")}
	b.ReportAllocs()
	for b.Loop() {
		r := d.request()
		r.Header.Set("X-Shopify-Hmac-Sha256", "Knm8rWjeSXNIt2H0AOMT7DQ8/YSy8sQi/pEjbuUmGMs=")
		serve(b, h, r, 401)
	}
}
