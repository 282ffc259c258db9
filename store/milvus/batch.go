package milvus

import (
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

// load is one call of items, and the calls of their views, which go before it.
type load struct {
	items *batch
	views []*batch
}

func (l *load) rows() int {
	n := len(l.items.ids)
	for _, b := range l.views {
		n += len(b.ids)
	}
	return n
}

// batch is the columns of one call.
type batch struct {
	ids     []string
	vectors [][]float32
	items   [][][]byte // of items only
	numbers map[string][]int64
	prices  []float64
	texts   map[string][]string
	bytes   int
}

func newBatch() *batch {
	return &batch{numbers: make(map[string][]int64), texts: make(map[string][]string)}
}

// full says whether a row of size bytes needs another call.
func (b *batch) full(size int) bool {
	return len(b.ids) == batchRows || b.bytes+size > batchBytes
}

func loadsOf(entries []store.Entry) ([]*load, error) {
	var all []*load
	var l *load
	for _, e := range entries {
		p, parts, err := encodePayload(e)
		if err != nil {
			return nil, err
		}
		size := 4*len(e.Embedding) + 2*(len(parts)-1)*maxVarChar + 2*len(parts[len(parts)-1]) // columns repeat parts of the item
		if l == nil || l.items.full(size) {
			l = &load{items: newBatch()}
			all = append(all, l)
		}
		values := filterValues(&e.Item)
		l.items.add(&e.Item, e.Embedding, values)
		l.items.items = append(l.items.items, parts)
		l.items.text(colViews, p.lastView())
		l.items.bytes += size
		l.addViews(&e, p.Stamp, values)
	}
	return all, nil
}

// addViews adds the rows of an entry's views. Each repeats the columns of
// filters and not the item.
func (l *load) addViews(e *store.Entry, stamp string, values map[string]string) {
	size := 4*len(e.Embedding) + 256
	for _, text := range values {
		size += len(text)
	}
	for i, v := range e.Views {
		if n := len(l.views); n == 0 || l.views[n-1].full(size) {
			l.views = append(l.views, newBatch())
		}
		b := l.views[len(l.views)-1]
		b.add(&e.Item, v.Embedding, values)
		b.text(colView, viewKey(stamp, i+1))
		b.bytes += size
	}
}

// filterValues are the columns of texts that filters look at, without the id.
func filterValues(it *store.Item) map[string]string {
	values := map[string]string{colTokens: tokens(it)}
	for _, name := range textColumns {
		v, _ := it.Field(name)
		values[name] = v.Text
	}
	return values
}

// add appends what rows of items and of views have in common.
func (b *batch) add(it *store.Item, vector []float32, values map[string]string) {
	b.ids = append(b.ids, it.ID)
	b.vectors = append(b.vectors, vector)
	price := -1.0
	if it.Price != nil {
		price = *it.Price + 0 // -0 + 0 is 0
	}
	b.prices = append(b.prices, price)
	second, nano := encodeTime(it.UpdatedAt)
	b.number(colVersion, it.Version)
	b.number(colSecond, second)
	b.number(colNano, nano)
	for name, text := range values {
		b.text(name, text)
	}
}

func (b *batch) number(column string, v int64) { b.numbers[column] = append(b.numbers[column], v) }

func (b *batch) text(column, v string) { b.texts[column] = append(b.texts[column], v) }

func (b *batch) columns(dim int) []entity.Column {
	all := []entity.Column{
		entity.NewColumnVarChar(colID, b.ids),
		entity.NewColumnFloatVector(colVector, dim, b.vectors),
		entity.NewColumnDouble(colPrice, b.prices),
	}
	if len(b.items) > 0 {
		all = append(all, entity.NewColumnVarCharArray(colItem, b.items))
	}
	for name, values := range b.numbers {
		all = append(all, entity.NewColumnInt64(name, values))
	}
	for name, values := range b.texts {
		all = append(all, entity.NewColumnVarChar(name, values))
	}
	return all
}
