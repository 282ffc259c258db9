package milvus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

// Columns of the items' collection. Milvus 2.4 knows no missing values: an
// empty text, price -1, version 0 and second 0 stand for them, which no item
// can have.
const (
	colID      = "id"
	colVector  = "vec"
	colItem    = "item"        // JSON, cut into parts of a column's largest size
	colPrice   = "price"       // -1: none
	colVersion = "version"     // 0: none
	colSecond  = "updated_s"   // since year -1; 0: none
	colNano    = "updated_ns"  // within the second
	colTokens  = "attr_tokens" // see tokens.go
	colViews   = "views"       // the key of the item's last view; "" for none

	colView = "view" // primary key of views; see views.go

	colFingerprint = "fingerprint" // of the register
	colDim         = "dim"
	colAt          = "at" // of tombstones: when, in Unix milliseconds
)

// textColumns hold fields of the same name. title, description, url and image
// are filtered seldom and would double what a server keeps in memory: they are
// tokens.
var textColumns = []string{"brand", "category", "color", "availability", "currency", "group_id"}

// metric is the dot product, which of unit vectors is the cosine and what
// store.Query asks for. With COSINE, Lite divides all vectors by their lengths
// in every search: 3.4 times as slow. Index and search must name the same one, or
// Lite gives rubbish.
const metric = entity.IP

const (
	maxID      = 128
	maxField   = 4096 // bytes of a short text; store.Item has the same limit
	maxVarChar = 65535
	maxParts   = 128   // of an item's JSON: 8 MB; 1 MB of text that is all escapes has 6
	maxWindow  = 16384 // rows of one answer: the limit of servers
)

func varChar(name string, limit int64) *entity.Field {
	return entity.NewField().WithName(name).WithDataType(entity.FieldTypeVarChar).WithMaxLength(limit)
}

func number(name string, kind entity.FieldType) *entity.Field {
	return entity.NewField().WithName(name).WithDataType(kind)
}

func vector(dim int) *entity.Field {
	return number(colVector, entity.FieldTypeFloatVector).WithDim(int64(dim))
}

func itemSchema(name string, dim int) *entity.Schema {
	schema := entity.NewSchema().WithName(name).
		WithField(varChar(colID, maxID).WithIsPrimaryKey(true)).
		WithField(vector(dim)).
		WithField(number(colItem, entity.FieldTypeArray).WithElementType(entity.FieldTypeVarChar).WithMaxLength(maxVarChar).WithMaxCapacity(maxParts)).
		WithField(varChar(colViews, keySize))
	return withFilterColumns(schema)
}

// viewSchema has the columns of filters under the same names, the item's id
// included, so that a condition means the same in both collections.
func viewSchema(name string, dim int) *entity.Schema {
	schema := entity.NewSchema().WithName(name).
		WithField(varChar(colView, keySize).WithIsPrimaryKey(true)).
		WithField(varChar(colID, maxID)).
		WithField(vector(dim))
	return withFilterColumns(schema)
}

func withFilterColumns(schema *entity.Schema) *entity.Schema {
	schema.
		WithField(number(colPrice, entity.FieldTypeDouble)).
		WithField(number(colVersion, entity.FieldTypeInt64)).
		WithField(number(colSecond, entity.FieldTypeInt64)).
		WithField(number(colNano, entity.FieldTypeInt64)).
		WithField(varChar(colTokens, maxVarChar))
	for _, name := range textColumns {
		schema.WithField(varChar(name, maxField))
	}
	return schema
}

// sideDim is of the vector that a collection must have and that tombstones and
// the register have no use for.
const sideDim = 2

func tombSchema(name string) *entity.Schema {
	return entity.NewSchema().WithName(name).
		WithField(varChar(colID, maxID).WithIsPrimaryKey(true)).
		WithField(vector(sideDim)).
		WithField(number(colVersion, entity.FieldTypeInt64)).
		WithField(number(colAt, entity.FieldTypeInt64))
}

func registerSchema(name string) *entity.Schema {
	return entity.NewSchema().WithName(name).
		WithField(varChar(colID, 255).WithIsPrimaryKey(true)).
		WithField(vector(sideDim)).
		WithField(varChar(colFingerprint, store.MaxFingerprint)).
		WithField(number(colDim, entity.FieldTypeInt64))
}

// sideVectors are of n rows.
func sideVectors(n int) entity.Column {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = []float32{1, 0}
	}
	return entity.NewColumnFloatVector(colVector, sideDim, vectors)
}

// ensure makes a collection where there is none, its index too, and loads it.
// What an interrupted call has left half done is completed. ListCollections
// would not do: it is always empty on Lite.
func (s *server) ensure(ctx context.Context, schema *entity.Schema, index entity.Index) error {
	name := schema.CollectionName
	err := s.call(ctx, s.options.OpenTimeout, func(ctx context.Context) error {
		has, err := s.HasCollection(ctx, name)
		if err != nil {
			return err
		}
		if has {
			return s.checkSchema(ctx, schema)
		}
		return s.CreateCollection(ctx, schema, 1, client.WithConsistencyLevel(entity.ClSession))
	})
	if err != nil {
		return err
	}
	if err := s.ensureIndex(ctx, name, index); err != nil {
		return err
	}
	return s.load(ctx, name)
}

// checkSchema refuses a collection that lacks columns.
func (s *server) checkSchema(ctx context.Context, want *entity.Schema) error {
	found, err := s.DescribeCollection(ctx, want.CollectionName)
	if err != nil {
		return err
	}
	types := make(map[string]entity.FieldType, len(found.Schema.Fields))
	for _, f := range found.Schema.Fields {
		types[f.Name] = f.DataType
	}
	for _, f := range want.Fields {
		if types[f.Name] != f.DataType {
			return fmt.Errorf("%w collection %s in Milvus: it was made by another version of this program and has no column %q as this one needs it; drop the collection, or choose another prefix, and index the catalogue anew",
				store.ErrInvalid, want.CollectionName, f.Name)
		}
	}
	return nil
}

// ensureIndex gives the index no name: with one, Lite makes it and the SDK
// waits for it for ever. DescribeIndex reads the schema anew, which the SDK
// otherwise keeps for ever, also of a collection that another process has
// dropped and made again.
func (s *server) ensureIndex(ctx context.Context, name string, index entity.Index) error {
	return s.call(ctx, s.options.OpenTimeout, func(ctx context.Context) error {
		// A refusal is how both kinds of server say that there is none.
		found, err := s.DescribeIndex(ctx, name, colVector)
		var refused *statusError
		if err != nil && !errors.As(err, &refused) || len(found) > 0 {
			return err
		}
		return s.CreateIndex(ctx, name, colVector, index, false)
	})
}

// load asks first and then waits; the SDK waits 0.2 s in any case.
func (s *server) load(ctx context.Context, name string) error {
	return s.call(ctx, s.options.OpenTimeout, func(ctx context.Context) error {
		if err := s.LoadCollection(ctx, name, true); err != nil {
			return err
		}
		for {
			done, err := s.GetLoadingProgress(ctx, name, nil)
			if err != nil || done >= 100 {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

// itemIndex is FLAT on Lite, exact and fast enough for what Lite can hold: its
// HNSW loses hits of selective filters without a word (two ids of 20,000: none
// found in most searches).
func (s *server) itemIndex() (entity.Index, error) {
	if s.flat() {
		return entity.NewIndexFlat(metric)
	}
	return entity.NewIndexHNSW(metric, 16, 200)
}

func (s *server) flat() bool { return s.lite && !s.options.hnsw }

// searchParam: an HNSW search must keep at least as many candidates as it
// returns.
func (s *server) searchParam(rows int) (entity.SearchParam, error) {
	if s.flat() {
		return entity.NewIndexFlatSearchParam()
	}
	return entity.NewIndexHNSWSearchParam(min(max(2*rows, 256), 2*maxWindow))
}

// strongly is for reads that a write builds on.
func strongly() client.SearchQueryOptionFunc {
	return client.WithSearchQueryConsistencyLevel(entity.ClStrong)
}

// consistency of the calls that may see other processes' writes late.
func (s *server) consistency() client.SearchQueryOptionFunc {
	if s.options.Strong {
		return client.WithSearchQueryConsistencyLevel(entity.ClStrong)
	}
	return client.WithSearchQueryConsistencyLevel(entity.ClSession)
}
