package indexer_test

import (
	"fmt"
	"testing"

	"sightline/indexer"
	"sightline/store"
)

// BenchmarkPass follows a catalogue of 100,000 items, all up to date but one.
func BenchmarkPass(b *testing.B) {
	const items = 100_000
	c := newBeside(b)
	var olds, news []store.Entry
	for i := range items {
		it := itemOf(fmt.Sprintf("item-%07d", i*7919%items), "A red ceramic mug with a handle, large", 0)
		it.Description = "A mug for coffee and tea that is made of ceramic and can be washed in a machine."
		e := c.entry(it, fmt.Sprint("picture ", i%10))
		olds = append(olds, e)
		data, err := c.pictures.Get(b.Context(), e.Picture)
		if err != nil {
			b.Fatal(err)
		}
		e.Embedding = newModel.vector(string(data))
		if e.ContentHash, err = it.ContentHash(string(newModel), e.Picture); err != nil {
			b.Fatal(err)
		}
		news = append(news, e)
	}
	c.upsert(olds...)
	if err := c.new.Upsert(b.Context(), news); err != nil {
		b.Fatal(err)
	}
	b.Run("look", func(b *testing.B) {
		c.t = b
		for b.Loop() {
			if w := c.look(); w.UpToDate != items {
				b.Fatalf("%+v", w)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			c.follower = indexer.NewFollower(c.parts, indexer.Options{}, c.live)
			if sum, err := c.follower.Pass(b.Context()); err != nil || sum.Unchanged != items {
				b.Fatal(sum, err)
			}
		}
	})
	b.Run("next", func(b *testing.B) {
		c.t = b
		for n := 1; b.Loop(); n++ {
			c.write(itemOf("item-0000007", fmt.Sprint("title ", n), 0), "picture 3")
			if sum, err := c.follower.Pass(b.Context()); err != nil || sum.Written != 1 {
				b.Fatal(sum, err)
			}
		}
	})
}
