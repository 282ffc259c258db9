package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sightline/store"
)

// load claims a new catalogue for the model, or checks that an existing one
// was made with it, and fills memory.
func (x *Index) load(ctx context.Context, o Options) error {
	generation, err := x.claim(ctx, o)
	if err != nil {
		return err
	}
	if x.matrix, err = newMatrix(o.Dim, o.chunkSlots, generation); err != nil {
		return err
	}
	if err := x.loadItems(ctx, o.Progress); err != nil {
		return fmt.Errorf("load catalogue: %w", err)
	}
	if x.tombstones, err = readTombstones(ctx, x.db); err != nil {
		return fmt.Errorf("load catalogue: %w", err)
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
		generation = firstGeneration()
		_, err = x.db.ExecContext(ctx, "INSERT INTO catalogue (id, fingerprint, dim, generation) VALUES (1, ?, ?, ?)", o.Fingerprint, o.Dim, generation)
		if err != nil {
			return 0, fmt.Errorf("claim new catalogue: %w", err)
		}
		return uint64(generation), nil
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
