package engine

import (
	"context"
	"errors"
	"fmt"

	"sightline/bench/stores/dataset"
	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/filter"
)

const fingerprint = "benchmark"

// index measures one of Sightline's own stores through the contract that its
// server uses.
type index struct{ store.Index }

func embeddedKind() Kind {
	open := func(ctx context.Context, dir string) (*embedded.Index, error) {
		return embedded.Open(ctx, embedded.Options{Dir: dir, Dim: dataset.Dim, Fingerprint: fingerprint})
	}
	return Kind{
		Name:    Ours,
		About:   "Sightline's store/embedded: exact, all in memory, SQLite (in Go) on disk, every batch synced",
		Version: func(context.Context) (string, error) { return "this tree", nil },
		Import: func(ctx context.Context, dir string, set dataset.Set) error {
			x, err := open(ctx, dir)
			if err != nil {
				return err
			}
			return errors.Join(upsert(ctx, x, set), x.Close())
		},
		Open: func(ctx context.Context, dir string, _ dataset.Set) (Engine, error) {
			x, err := open(ctx, dir)
			if err != nil {
				return nil, err
			}
			return indexEngine{index: index{x}}, nil
		},
	}
}

type indexEngine struct {
	inProcess
	index
}

// Search implements Engine. The filter is parsed each time, as the server does.
func (x index) Search(ctx context.Context, q Query) ([]Hit, error) {
	var where filter.Expr
	if q.Field != "" {
		var err error
		if where, err = filter.Parse(fmt.Sprintf("%s = %q", q.Field, q.Value)); err != nil {
			return nil, err
		}
	}
	found, err := x.Index.Search(ctx, store.Query{Embedding: q.Vector, K: q.K, Filter: where})
	if err != nil {
		return nil, err
	}
	hits := make([]Hit, len(found))
	for i, f := range found {
		hits[i] = Hit{ID: f.Item.ID, Title: f.Item.Title}
	}
	return hits, nil
}

func upsert(ctx context.Context, x store.Index, set dataset.Set) error {
	return set.Batches(ctx, batch, func(items []dataset.Item) error {
		entries := make([]store.Entry, len(items))
		for i, it := range items {
			entries[i] = store.Entry{Embedding: it.Vector, Item: store.Item{
				ID: it.ID, Title: it.Title, Brand: it.Brand, Category: it.Category, Price: &it.Price,
			}}
		}
		return x.Upsert(ctx, entries)
	})
}
