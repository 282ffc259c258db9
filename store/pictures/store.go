// Package pictures keeps the original bytes of a catalogue's pictures, each
// once, under the sha256 of its bytes: in a folder (Store), or in a bucket that
// several machines share, with a folder in front (Bucket).
package pictures

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"sightline/store"
	"sightline/store/internal/folder"
)

// ErrNotFound says that no picture of that key is stored.
var ErrNotFound = errors.New("picture not found")

// MaxBytes bounds one picture, above every limit that the door sets, so that a
// file changed on disk cannot make a reader allocate without end.
const MaxBytes = 64 << 20

// scrapAge is when an unfinished file is taken for one whose writer was killed.
const scrapAge = time.Hour

// Store is a folder of pictures: dir/ab/abcdef…, by key. All methods may be
// called at the same time, by several programs too: files are written aside
// and renamed into place.
type Store struct {
	dir    string
	closed atomic.Bool
}

// Open opens or creates the folder.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir}
	if err := os.MkdirAll(s.scratch(), folder.Mode); err != nil {
		return nil, fmt.Errorf("open pictures: %w", err)
	}
	if err := s.sweep(time.Now().Add(-scrapAge)); err != nil {
		return nil, fmt.Errorf("open pictures: %w", err)
	}
	return s, nil
}

func (s *Store) scratch() string { return filepath.Join(s.dir, "unfinished") }

// sweep removes unfinished files last written before a time.
func (s *Store) sweep(before time.Time) error {
	entries, err := os.ReadDir(s.scratch())
	if err != nil {
		return fmt.Errorf("list unfinished files: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.ModTime().Before(before) {
			err = os.Remove(filepath.Join(s.scratch(), e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another program may have been faster
			return fmt.Errorf("remove unfinished file: %w", err)
		}
	}
	return nil
}

// Put stores data durably and returns its key, the sha256 in hex. Storing the
// same bytes again only verifies them, and writes them anew if the stored file
// was damaged.
func (s *Store) Put(ctx context.Context, data []byte) (key string, err error) {
	if key, err = keyOf(data); err != nil {
		return "", err
	}
	if _, err := s.keep(ctx, key, data); err != nil {
		return "", err
	}
	return key, nil
}

func keyOf(data []byte) (string, error) {
	if len(data) == 0 || len(data) > MaxBytes {
		return "", fmt.Errorf("%w picture: %d bytes; it must have 1 to %d", store.ErrInvalid, len(data), MaxBytes)
	}
	return hashOf(data), nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// keep is Put for a key that is known; written is false where the file was there.
func (s *Store) keep(ctx context.Context, key string, data []byte) (written bool, err error) {
	switch _, err := s.Get(ctx, key); {
	case err == nil:
		return false, nil
	case errors.Is(err, store.ErrClosed) || ctx.Err() != nil:
		return false, err
	}
	path := s.path(key)
	if err := s.makeShard(filepath.Dir(path)); err != nil {
		return false, fmt.Errorf("store picture: %w", err)
	}
	if err := folder.WriteFile(s.scratch(), path, data); err != nil {
		return false, fmt.Errorf("store picture: %w", err)
	}
	return true, nil
}

// makeShard creates the folder of keys that begin alike.
func (s *Store) makeShard(dir string) error {
	err := os.Mkdir(dir, folder.Mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	return folder.SyncDir(s.dir)
}

func (s *Store) path(key string) string { return filepath.Join(s.dir, Path(key)) }

// Get returns the bytes stored under key. They are verified: a file that does
// not match its key is an error, and Put repairs it. A missing one is
// ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !isKey(key) { // before the key becomes part of a path
		return nil, fmt.Errorf("%w picture key %q: want 64 lower-case hex digits", store.ErrInvalid, key)
	}
	data, err := readBounded(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	if err != nil {
		return nil, fmt.Errorf("read picture %s: %w", key, err)
	}
	if hashOf(data) != key {
		return nil, fmt.Errorf("picture %s is damaged on disk; import it again", key)
	}
	return data, nil
}

// Has tells whether a file is stored under key. It may still turn out damaged
// when read.
func (s *Store) Has(key string) bool {
	if s.closed.Load() || !isKey(key) {
		return false
	}
	info, err := os.Stat(s.path(key))
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// Path is where the picture of a key lies, relative to the store's folder.
func Path(key string) string { return filepath.Join(key[:min(2, len(key))], key) }

func isKey(key string) bool {
	return len(key) == 2*sha256.Size && strings.Trim(key, "0123456789abcdef") == ""
}

func readBounded(path string) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxBytes {
		return nil, fmt.Errorf("the file has %d bytes; the limit is %d", info.Size(), MaxBytes)
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(file, data)
	return data, err
}

// Close makes later calls fail with store.ErrClosed.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}
