package milvus

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

// row is one row of an answer. What was not asked for is zero.
type row struct {
	id      string
	key     string // of a view; of an item's last view where it is asked for
	version int64
	vector  []float32
	payload payload
	views   []store.View // see complete
}

func (r row) entry() store.Entry {
	return store.Entry{Item: r.payload.Item, Picture: r.payload.Picture, Embedding: r.vector, Views: r.views, ContentHash: r.payload.Hash}
}

// decodeRows reads columns by their names and types.
func decodeRows(columns []entity.Column, n int) ([]row, error) {
	rows := make([]row, n)
	for _, column := range columns {
		if column.Len() != n {
			return nil, fmt.Errorf("answer of Milvus: column %s has %d rows, not %d", column.Name(), column.Len(), n)
		}
		var err error
		for i := range rows {
			err = errors.Join(err, rows[i].set(column, i))
		}
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (r *row) set(column entity.Column, i int) (err error) {
	switch column := column.(type) {
	case *entity.ColumnVarChar:
		if column.Name() == colID {
			r.id = column.Data()[i]
		} else {
			r.key = column.Data()[i]
		}
	case *entity.ColumnInt64:
		r.version = column.Data()[i]
	case *entity.ColumnFloatVector:
		r.vector = column.Data()[i]
	case *entity.ColumnVarCharArray:
		r.payload, err = decodePayload(column.Data()[i])
	}
	return err
}

// What a read asks for. The id is always there.
var (
	wantVersion = []string{colID, colVersion}
	wantStored  = []string{colID, colVersion, colViews}
	wantItem    = []string{colID, colItem}
	wantEntry   = []string{colID, colItem, colVector}
	wantView    = []string{colView, colID, colVector}
	wantOwner   = []string{colView, colID}
)

// query returns the rows that satisfy a condition, up to limit; 0 stands for
// what servers allow. Their order is not fixed unless ctx is ordered.
func (s *server) query(ctx context.Context, collection string, c cond, fields []string, limit int, opts ...client.SearchQueryOptionFunc) ([]row, error) {
	if limit > 0 {
		opts = append(opts, client.WithLimit(int64(limit)))
	}
	var rows []row
	err := s.read(ctx, collection, func(ctx context.Context) error {
		found, err := s.Query(ctx, collection, nil, string(c), fields, opts...)
		if err != nil {
			return err
		}
		rows, err = decodeRows(found, found.Len())
		return err
	})
	return rows, err
}

// byIDs returns the rows of ids, in chunks that keep expressions and answers
// small.
func (s *server) byIDs(ctx context.Context, collection string, ids, fields []string, opts ...client.SearchQueryOptionFunc) (map[string]row, error) {
	found := make(map[string]row, len(ids))
	for _, chunk := range chunks(ids, batchRows) {
		rows, err := s.byKeys(ctx, collection, in(colID, chunk), fields, opts...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			found[r.id] = r
		}
	}
	return found, nil
}

// byKeys returns the rows of at most batchRows primary keys. The condition must
// be the plain form of in, which Lite answers from its index of keys instead of
// looking at each row.
func (s *server) byKeys(ctx context.Context, collection string, c cond, fields []string, opts ...client.SearchQueryOptionFunc) ([]row, error) {
	if c == never {
		return nil, nil
	}
	return s.query(ctx, collection, c, fields, 0, opts...)
}

// chunks is slices.Chunk as a list: an empty one has none.
func chunks[T any](all []T, size int) [][]T {
	var parts [][]T
	for len(all) > 0 {
		n := min(size, len(all))
		parts = append(parts, all[:n])
		all = all[n:]
	}
	return parts
}

// countRows counts the rows of items or views that satisfy a condition. On Lite
// counting all is cheap and any condition reads whole rows.
func (st *state) countRows(ctx context.Context, collection string, c cond) (int, error) {
	switch c {
	case never:
		return 0, nil
	case always:
		c = ""
	}
	count := -1
	err := st.server.read(ctx, collection, func(ctx context.Context) error {
		found, err := st.server.Query(ctx, collection, nil, string(c), []string{"count(*)"}, st.server.consistency())
		if err != nil {
			return err
		}
		for _, column := range found {
			if numbers, ok := column.(*entity.ColumnInt64); ok && numbers.Len() == 1 {
				count = int(numbers.Data()[0])
				return nil
			}
		}
		return errors.New("count in Milvus: the answer holds no number")
	})
	return count, err
}

// pageBytes is what a page of visit should have: large enough that the rows
// and not the calls cost the time.
const pageBytes = 8 << 20

// visit calls do for each item's row that satisfies a condition and whose id comes
// after a given one, in the order of ids, until do returns false. Rows of one
// page are of one moment; on servers the next page may be of a later one.
func (st *state) visit(ctx context.Context, c cond, fields []string, p place, do func(row) (more bool)) error {
	if c == never {
		return nil
	}
	for size := min(max(p.hint, 16), 1024); ; {
		page := c
		if p.after != "" {
			page = and(compare(colID, ">", quote(p.after)), c)
		}
		rows, err := st.server.query(ordered(ctx), st.items, page, fields, size, st.server.consistency())
		if err != nil {
			return err
		}
		for _, r := range rows {
			if !do(r) {
				return nil
			}
		}
		if len(rows) < size {
			return nil
		}
		p.after = rows[len(rows)-1].id
		size = nextPage(rows)
	}
}

// place is where a visit begins and how many rows it is likely to want.
type place struct {
	after string
	hint  int
}

// nextPage sizes the page behind rows by what they weighed.
func nextPage(rows []row) int {
	bytes := 0
	for _, r := range rows {
		bytes += 64 + 4*len(r.vector) + 2*len(r.payload.Item.Title) + len(r.payload.Item.Description) + 64*len(r.payload.Item.Attributes)
	}
	return min(max(len(rows)*pageBytes/bytes, 16), 4096, 4*len(rows))
}

// validPrefix is a text up to its first byte that is no UTF-8.
func validPrefix(text string) string {
	for at, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[at:]); size == 1 {
				return text[:at]
			}
		}
	}
	return text
}
