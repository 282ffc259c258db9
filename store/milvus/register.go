package milvus

import (
	"context"
	"errors"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"
)

func (s *server) register() string { return s.options.Prefix + "_models" }

// itemsOf is the name of a model's collection: fingerprints have characters that
// Milvus does not take in names.
func (s *server) itemsOf(fingerprint string) string {
	return s.options.Prefix + "_" + hash(valueHash, fingerprint)
}

// model is one entry of the register.
type model struct {
	fingerprint string
	dim         int
}

// models returns the register by collection names. Its query has no limit: a
// catalogue has a handful.
func (c *Collections) models(ctx context.Context) (map[string]model, error) {
	models := make(map[string]model)
	s := c.server
	err := s.read(ctx, s.register(), func(ctx context.Context) error {
		found, err := s.Query(ctx, s.register(), nil, string(always), []string{colID, colFingerprint, colDim},
			client.WithSearchQueryConsistencyLevel(entity.ClStrong), client.WithLimit(1000))
		if err != nil {
			return err
		}
		names, ok1 := found.GetColumn(colID).(*entity.ColumnVarChar)
		fingerprints, ok2 := found.GetColumn(colFingerprint).(*entity.ColumnVarChar)
		dims, ok3 := found.GetColumn(colDim).(*entity.ColumnInt64)
		if !ok1 || !ok2 || !ok3 {
			return errors.New("the register of models has other columns than this program's")
		}
		for i, name := range names.Data() {
			models[name] = model{fingerprints.Data()[i], int(dims.Data()[i])}
		}
		return nil
	})
	return models, err
}

func (c *Collections) enter(ctx context.Context, name string, m model) error {
	return c.server.upsertRows(ctx, c.server.register(), 1,
		entity.NewColumnVarChar(colID, []string{name}), sideVectors(1),
		entity.NewColumnVarChar(colFingerprint, []string{m.fingerprint}), entity.NewColumnInt64(colDim, []int64{int64(m.dim)}))
}

// current is the name of the collection that the alias stands for, "" for none.
func (c *Collections) current(ctx context.Context) (string, error) {
	var name string
	err := c.server.call(ctx, c.server.options.SearchTimeout, func(ctx context.Context) error {
		found, err := c.server.DescribeCollection(ctx, c.server.options.Prefix)
		if err != nil {
			return err
		}
		name = found.Name
		return nil
	})
	if isNotFound(err) {
		return "", nil
	}
	return name, err
}

// becomeFirst makes a collection the current one where there is none.
func (c *Collections) becomeFirst(ctx context.Context, name string) error {
	current, err := c.current(ctx)
	if err != nil || current != "" {
		return err
	}
	return c.point(ctx, name, "")
}

// point sets the alias, at one moment.
func (c *Collections) point(ctx context.Context, name, current string) error {
	alias := c.server.options.Prefix
	return c.server.write(ctx, func(ctx context.Context) error {
		if current == "" {
			return c.server.CreateAlias(ctx, name, alias)
		}
		return c.server.AlterAlias(ctx, name, alias)
	})
}
