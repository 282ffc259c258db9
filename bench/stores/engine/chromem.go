package engine

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/philippgille/chromem-go"

	"sightline/bench/stores/dataset"
)

const chromemModule = "github.com/philippgille/chromem-go"

// chromemStore keeps its data by Export and Import, one file for all. Its other
// way, one file for each document as it is added, took twice as long to import
// and three times as long to open at 100,000 items.
type chromemStore struct {
	inProcess
	items *chromem.Collection
}

func chromemKind() Kind {
	return Kind{
		Name:    "chromem-go",
		About:   "exact, all in memory; filter by its `where`; saved by ExportToFile at the end, unsynced",
		Version: func(context.Context) (string, error) { return moduleVersion(chromemModule), nil },
		Import:  importChromem,
		Open:    openChromem,
	}
}

// noEmbedding stands where chromem-go would ask a model; all vectors are given.
func noEmbedding(context.Context, string) ([]float32, error) {
	return nil, errors.New("the benchmark gives all vectors")
}

func chromemFile(dir string) string { return filepath.Join(dir, "chromem.gob") }

func importChromem(ctx context.Context, dir string, set dataset.Set) error {
	db := chromem.NewDB()
	items, err := db.CreateCollection("items", nil, noEmbedding)
	if err != nil {
		return err
	}
	err = set.Batches(ctx, batch, func(part []dataset.Item) error {
		docs := make([]chromem.Document, len(part))
		for i, it := range part {
			docs[i] = chromem.Document{ID: it.ID, Content: it.Title, Embedding: it.Vector, Metadata: map[string]string{
				"brand": it.Brand, "category": it.Category, "price": strconv.FormatFloat(it.Price, 'f', 2, 64),
			}}
		}
		return items.AddDocuments(ctx, docs, runtime.GOMAXPROCS(0))
	})
	if err != nil {
		return err
	}
	return db.ExportToFile(chromemFile(dir), false, "")
}

func openChromem(_ context.Context, dir string, _ dataset.Set) (Engine, error) {
	db := chromem.NewDB()
	if err := db.ImportFromFile(chromemFile(dir), ""); err != nil {
		return nil, err
	}
	items := db.GetCollection("items", noEmbedding)
	if items == nil {
		return nil, errors.New("chromem-go read no collection")
	}
	return &chromemStore{items: items}, nil
}

// Close implements Engine.
func (c *chromemStore) Close() error { return nil }

// Search implements Engine.
func (c *chromemStore) Search(ctx context.Context, q Query) ([]Hit, error) {
	var where map[string]string
	if q.Field != "" {
		where = map[string]string{q.Field: q.Value}
	}
	found, err := c.items.QueryEmbedding(ctx, q.Vector, q.K, where, nil)
	if err != nil {
		return nil, err
	}
	hits := make([]Hit, len(found))
	for i, f := range found {
		hits[i] = Hit{ID: f.ID, Title: f.Content}
	}
	return hits, nil
}

// moduleVersion is that of a module in this program, as the linker noted it.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
