package pictures

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sightline/store"
)

// Stale are pictures that nothing names any more.
type Stale struct {
	Keys  []string
	Bytes int64
}

// Stale finds the pictures that were stored before a time and that named does
// not know.
func (s *Store) Stale(ctx context.Context, before time.Time, named func(key string) bool) (Stale, error) {
	var found Stale
	if s.closed.Load() {
		return found, store.ErrClosed
	}
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir() && path == s.scratch():
			return fs.SkipDir
		case e.IsDir() || !isKey(e.Name()) || named(e.Name()):
			return nil
		}
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(before) {
			return err
		}
		found.Keys, found.Bytes = append(found.Keys, e.Name()), found.Bytes+info.Size()
		return nil
	})
	if err != nil {
		return Stale{}, fmt.Errorf("look for unused pictures: %w", err)
	}
	return found, nil
}

// Delete removes pictures; those that are not there are passed over. The caller
// knows that nobody is about to name them.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !isKey(key) {
			return fmt.Errorf("%w picture key %q: want 64 lower-case hex digits", store.ErrInvalid, key)
		}
		if err := os.Remove(s.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete picture: %w", err)
		}
	}
	return nil
}
