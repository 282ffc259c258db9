package milvus

import (
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

// batch is the columns of one call.
type batch struct {
	ids     []string
	vectors [][]float32
	items   [][][]byte
	numbers map[string][]int64
	prices  []float64
	texts   map[string][]string
	bytes   int
}

func batchesOf(entries []store.Entry) ([]*batch, error) {
	var all []*batch
	var b *batch
	for _, e := range entries {
		item, err := encodePayload(e)
		if err != nil {
			return nil, err
		}
		size := 4*len(e.Embedding) + 2*(len(item)-1)*maxVarChar + 2*len(item[len(item)-1]) // columns repeat parts of the item
		if b == nil || len(b.ids) == batchRows || b.bytes+size > batchBytes {
			b = &batch{numbers: make(map[string][]int64), texts: make(map[string][]string)}
			all = append(all, b)
		}
		b.bytes += size
		b.add(e, item)
	}
	return all, nil
}

func (b *batch) add(e store.Entry, item [][]byte) {
	it := &e.Item
	b.ids = append(b.ids, it.ID)
	b.vectors = append(b.vectors, e.Embedding)
	b.items = append(b.items, item)
	price := -1.0
	if it.Price != nil {
		price = *it.Price + 0 // -0 + 0 is 0
	}
	b.prices = append(b.prices, price)
	second, nano := encodeTime(it.UpdatedAt)
	b.number(colVersion, it.Version)
	b.number(colSecond, second)
	b.number(colNano, nano)
	b.text(colTokens, tokens(it))
	for _, name := range textColumns {
		v, _ := it.Field(name)
		b.text(name, v.Text)
	}
}

func (b *batch) number(column string, v int64) { b.numbers[column] = append(b.numbers[column], v) }

func (b *batch) text(column, v string) { b.texts[column] = append(b.texts[column], v) }

func (b *batch) columns(dim int) []entity.Column {
	all := []entity.Column{
		entity.NewColumnVarChar(colID, b.ids),
		entity.NewColumnFloatVector(colVector, dim, b.vectors),
		entity.NewColumnVarCharArray(colItem, b.items),
		entity.NewColumnDouble(colPrice, b.prices),
	}
	for name, values := range b.numbers {
		all = append(all, entity.NewColumnInt64(name, values))
	}
	for name, values := range b.texts {
		all = append(all, entity.NewColumnVarChar(name, values))
	}
	return all
}
