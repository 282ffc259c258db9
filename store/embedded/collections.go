package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sightline/store"
	"sightline/store/internal/folder"
)

// Names in a data folder: current says whose collection is served, and each
// model has a folder below models.
const (
	currentFile   = "current"
	modelsFolder  = "models"
	droppedPrefix = "dropped-"

	// CatalogueFile is the SQLite file in the folder of a collection.
	CatalogueFile = "catalogue.db"
	// RestoringFile is in a data folder while a backup is restored into it.
	RestoringFile = "restoring"
)

// Collections implements store.Collections on a data folder:
//
//	current               fingerprint of the current collection
//	models/FINGERPRINT/   catalogue.db, and whatever else is of that model
//
// Several programs may use it at once; only an open collection is locked.
type Collections struct {
	dir      string
	progress func(done, total int)
}

// NewCollections makes the data folder if it is not there. progress is that of
// Options; nil for none.
func NewCollections(dir string, progress func(done, total int)) (*Collections, error) {
	if err := os.MkdirAll(filepath.Join(dir, modelsFolder), folder.Mode); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	c := &Collections{dir: dir, progress: progress}
	if err := c.refuse(); err != nil {
		return nil, err
	}
	if err := c.sweep(); err != nil {
		return nil, fmt.Errorf("remove what was dropped: %w", err)
	}
	return c, nil
}

// refuse keeps off folders that are of an old version or half restored.
func (c *Collections) refuse() error {
	if _, err := os.Stat(filepath.Join(c.dir, CatalogueFile)); err == nil {
		return fmt.Errorf("data folder %s was made by an earlier version of Sightline; import into a new --data folder", c.dir)
	}
	if _, err := os.Stat(filepath.Join(c.dir, RestoringFile)); err == nil {
		return fmt.Errorf("data folder %s: restoring a backup into it was not finished; run the same 'indexd restore' again", c.dir)
	}
	return nil
}

// sweep ends Drops that were interrupted.
func (c *Collections) sweep() error {
	entries, err := os.ReadDir(filepath.Join(c.dir, modelsFolder))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), droppedPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, modelsFolder, e.Name())))
		}
	}
	return err
}

// Dir is the folder of a model's collection, whether it is there or not.
func (c *Collections) Dir(fingerprint string) (string, error) {
	return CollectionDir(c.dir, fingerprint)
}

// CollectionDir is the folder of a model's collection in a data folder. A
// fingerprint that cannot be a folder's name is refused with store.ErrInvalid.
func CollectionDir(dataDir, fingerprint string) (string, error) {
	if err := store.ValidateFingerprint(fingerprint); err != nil {
		return "", err
	}
	if strings.HasPrefix(fingerprint, droppedPrefix) {
		return "", fmt.Errorf("%w fingerprint %q: names that begin with %s are those of removed collections", store.ErrInvalid, fingerprint, droppedPrefix)
	}
	return filepath.Join(dataDir, modelsFolder, fingerprint), nil
}

// List implements store.Collections.
func (c *Collections) List(ctx context.Context) ([]store.Collection, error) {
	current, err := c.Current(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(c.dir, modelsFolder))
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	var out []store.Collection
	for _, e := range entries {
		s, err := c.stats(ctx, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list collections: %w", err)
		}
		out = append(out, store.Collection{Fingerprint: s.Fingerprint, Dim: s.Dim, Items: s.Items, Current: s.Fingerprint == current})
	}
	store.SortCollections(out)
	return out, nil
}

func (c *Collections) stats(ctx context.Context, name string) (store.Stats, error) {
	r, err := OpenReader(ctx, filepath.Join(c.dir, modelsFolder, name))
	if err != nil {
		return store.Stats{}, err
	}
	s, err := r.Stats(ctx)
	return s, errors.Join(err, r.Close())
}

// Current implements store.Collections.
func (c *Collections) Current(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(c.dir, currentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read which collection is current: %w", err)
	}
	fingerprint := strings.TrimSuffix(string(text), "\n")
	if _, err := c.Dir(fingerprint); err != nil {
		return "", fmt.Errorf("%s is damaged: %w", filepath.Join(c.dir, currentFile), err)
	}
	return fingerprint, nil
}

// Open implements store.Collections. The Index locks its collection: one
// program at a time.
func (c *Collections) Open(ctx context.Context, fingerprint string, dim int) (store.Index, error) {
	dir, err := c.Dir(fingerprint)
	if err != nil {
		return nil, err
	}
	x, err := Open(ctx, Options{Dir: dir, Dim: dim, Fingerprint: fingerprint, Progress: c.progress})
	if err != nil {
		return nil, err
	}
	current, err := c.Current(ctx)
	if err == nil && current == "" {
		err = c.mark(fingerprint)
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

// Reader opens the collection of a model for reading, beside a program that has
// it open. Where there is none, the error is fs.ErrNotExist.
func (c *Collections) Reader(ctx context.Context, fingerprint string) (*Reader, error) {
	dir, err := c.Dir(fingerprint)
	if err != nil {
		return nil, err
	}
	return OpenReader(ctx, dir)
}

// Switch implements store.Collections. Programs that have another collection
// open go on with it until they end.
func (c *Collections) Switch(ctx context.Context, fingerprint string) error {
	if err := c.exists(ctx, fingerprint); err != nil {
		return err
	}
	return c.mark(fingerprint)
}

func (c *Collections) exists(ctx context.Context, fingerprint string) error {
	r, err := c.Reader(ctx, fingerprint)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w collection: there is none of model %s", store.ErrInvalid, fingerprint)
	}
	if err != nil {
		return err
	}
	return r.Close()
}

func (c *Collections) mark(fingerprint string) error {
	if err := folder.WriteFile(c.dir, filepath.Join(c.dir, currentFile), []byte(fingerprint+"\n")); err != nil {
		return fmt.Errorf("make collection current: %w", err)
	}
	return nil
}

// Drop implements store.Collections. One that a program has open is refused
// too.
func (c *Collections) Drop(ctx context.Context, fingerprint string) error {
	current, err := c.Current(ctx)
	if err != nil {
		return err
	}
	if current == fingerprint {
		return fmt.Errorf("%w collection: %s is the current one; switch to another first", store.ErrInvalid, fingerprint)
	}
	if err := c.exists(ctx, fingerprint); err != nil {
		return err
	}
	dir, err := c.Dir(fingerprint)
	if err != nil {
		return err
	}
	lock, err := folder.Acquire(dir)
	if err != nil {
		return fmt.Errorf("drop collection: %w", err)
	}
	// Renamed first, so that it is there entirely or not at all.
	gone := filepath.Join(c.dir, modelsFolder, droppedPrefix+filepath.Base(dir))
	err = errors.Join(os.RemoveAll(gone), os.Rename(dir, gone), lock.Close())
	if err == nil {
		err = os.RemoveAll(gone)
	}
	if err != nil {
		return fmt.Errorf("drop collection: %w", err)
	}
	return nil
}
