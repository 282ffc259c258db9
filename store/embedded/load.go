package embedded

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"sightline/store"
)

// loadBatch is how many rows are decoded before they go into the matrix.
const loadBatch = 1024

// load claims a new catalogue for the model, or checks that an existing one
// was made with it, and fills memory.
func (x *Index) load(ctx context.Context, o Options) error {
	generation, err := x.claim(ctx, o)
	if err != nil {
		return err
	}
	x.matrix = newMatrix(o.Dim, o.chunkSlots, generation)
	if err := x.loadItems(ctx); err != nil {
		return fmt.Errorf("load catalogue: %w", err)
	}
	if err := x.loadTombstones(ctx); err != nil {
		return fmt.Errorf("load tombstones: %w", err)
	}
	return nil
}

// claim returns the generation of the last write.
func (x *Index) claim(ctx context.Context, o Options) (uint64, error) {
	var fingerprint string
	var dim int
	var generation int64
	err := x.db.QueryRowContext(ctx, "SELECT fingerprint, dim, generation FROM catalogue").Scan(&fingerprint, &dim, &generation)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = x.db.ExecContext(ctx, "INSERT INTO catalogue (id, fingerprint, dim) VALUES (1, ?, ?)", o.Fingerprint, o.Dim)
		if err != nil {
			return 0, fmt.Errorf("claim new catalogue: %w", err)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read catalogue: %w", err)
	}
	if fingerprint != o.Fingerprint || dim != o.Dim {
		return 0, fmt.Errorf("data folder %s: %w: it holds %d-d vectors of %s and the model in use is %s (%d-d); import again into a new --data folder with this model, or use the old --model",
			o.Dir, store.ErrFingerprint, dim, fingerprint, o.Fingerprint, o.Dim)
	}
	return uint64(generation), nil
}

func (x *Index) loadItems(ctx context.Context) (err error) {
	rows, err := x.db.QueryContext(ctx, "SELECT id, item, picture, content_hash, embedding FROM items ORDER BY rowid")
	if err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	generation := x.matrix.current.Load().generation
	batch := make([]row, 0, loadBatch)
	for rows.Next() {
		r, err := scanRow(rows, x.matrix.dim)
		if err != nil {
			return err
		}
		if batch = append(batch, r); len(batch) == cap(batch) {
			x.matrix.apply(nil, batch, generation)
			batch = batch[:0]
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	x.matrix.apply(nil, batch, generation)
	return nil
}

func scanRow(rows *sql.Rows, dim int) (row, error) {
	var id string
	var item, blob sql.RawBytes // valid until the next row, and decoded before
	r := row{record: &record{}}
	if err := rows.Scan(&id, &item, &r.record.picture, &r.record.hash, &blob); err != nil {
		return row{}, fmt.Errorf("read item: %w", err)
	}
	var err error
	if r.record.item, err = decodeItem(item); err != nil {
		return row{}, fmt.Errorf("item %q is damaged; restore a backup of the data folder: %w", id, err)
	}
	if r.record.item.ID != id || len(blob) != 4*dim {
		return row{}, fmt.Errorf("item %q is damaged (named %q, %d bytes of vector); restore a backup of the data folder", id, r.record.item.ID, len(blob))
	}
	r.vector = decodeVector(blob)
	return r, nil
}

// storedItem is store.Item without its UnmarshalJSON: what this package wrote
// has no unknown fields to sort out, and reading it plainly takes 31 allocations
// an item instead of 75.
type storedItem store.Item

func decodeItem(text []byte) (store.Item, error) {
	var it storedItem
	if err := json.Unmarshal(text, &it); err != nil {
		return store.Item{}, err
	}
	for name, value := range it.Attributes {
		list, ok := value.([]any)
		if !ok {
			continue
		}
		texts := make([]string, len(list))
		for i, v := range list {
			if texts[i], ok = v.(string); !ok {
				return store.Item{}, fmt.Errorf("attribute %q holds %v, which is not text", name, v)
			}
		}
		it.Attributes[name] = texts
	}
	return store.Item(it), nil
}

func (x *Index) loadTombstones(ctx context.Context) (err error) {
	x.tombstones = make(map[string]tombstone)
	rows, err := x.db.QueryContext(ctx, "SELECT id, version, deleted_at FROM tombstones")
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		var version, at int64
		if err := rows.Scan(&id, &version, &at); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		x.tombstones[id] = tombstone{version: version, at: time.UnixMilli(at)}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

func encodeVector(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, f := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(f))
	}
	return out
}

func decodeVector(blob []byte) []float32 {
	v := make([]float32, len(blob)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(blob[4*i:]))
	}
	return v
}
