package pictures

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// usedEvery is how exactly the folder remembers when a picture was used, in its
// file's modification time, which every program on the folder reads and which
// outlives them.
const usedEvery = time.Hour

// used notes that a picture was asked for. That it fails can only make the
// picture leave earlier.
func (b *Bucket) used(key string) {
	if b.options.Budget <= 0 {
		return
	}
	path, now := b.local.path(key), time.Now()
	if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) > usedEvery {
		_ = os.Chtimes(path, time.Time{}, now)
	}
}

// grew counts a new file, and begins to make room when it is time.
func (b *Bucket) grew(bytes int) {
	if b.size.Add(int64(bytes)) > b.options.Budget && b.options.Budget > 0 {
		b.tidy()
	}
}

// tidy measures the folder and makes room in the background, once at a time.
func (b *Bucket) tidy() {
	if !b.tidying.CompareAndSwap(false, true) {
		return
	}
	if !b.begin() {
		b.tidying.Store(false)
		return
	}
	go func() {
		defer b.running.Done()
		defer b.tidying.Store(false)
		before := b.size.Load()
		size, err := b.evict(b.base)
		if err != nil && b.base.Err() == nil {
			b.options.Failed(fmt.Errorf("keep the folder of pictures within %d MB: %w", b.options.Budget>>20, err))
			// Not at once again: another tenth of the budget comes first.
			size = min(size, b.target())
		}
		b.size.Add(size - before) // what came meanwhile may count twice until the next time
	}()
}

// target is what an eviction leaves, so that not every new picture needs one.
func (b *Bucket) target() int64 { return b.options.Budget - b.options.Budget/10 }

// evict removes the pictures used longest ago and returns the size of the rest.
// One that cannot leave stays and is an error at the end.
func (b *Bucket) evict(ctx context.Context) (size int64, err error) {
	files, err := b.local.list()
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		size += f.size
	}
	if size <= b.options.Budget {
		return size, nil
	}
	slices.SortFunc(files, func(x, y file) int { return x.used.Compare(y.used) })
	var problems []error
	for _, f := range files {
		if size <= b.target() || ctx.Err() != nil {
			break
		}
		err := b.drop(ctx, f.key)
		if err == nil {
			size -= f.size
		} else if len(problems) < mostProblems {
			problems = append(problems, err)
		}
		if errors.Is(err, ErrUnavailable) { // and so for all others
			break
		}
	}
	return size, errors.Join(problems...)
}

// mostProblems bounds what one message tells.
const mostProblems = 3

// drop removes a picture from the folder when the bucket holds it. One from
// before there was a bucket is brought there first.
func (b *Bucket) drop(ctx context.Context, key string) error {
	if err := b.share(ctx, key, func() ([]byte, error) { return b.local.Get(ctx, key) }); err != nil {
		return err
	}
	if err := os.Remove(b.local.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) { // another program may have been faster
		return fmt.Errorf("remove the copy of picture %s: %w", key, err)
	}
	return nil
}

// file is a stored picture.
type file struct {
	key  string
	size int64
	used time.Time
}

// list returns the files of the folder.
func (s *Store) list() ([]file, error) {
	shards, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	var files []file
	for _, shard := range shards {
		if !shard.IsDir() || len(shard.Name()) != 2 {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(s.dir, shard.Name()))
		if err != nil {
			return nil, fmt.Errorf("list pictures: %w", err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil && isKey(e.Name()) && info.Mode().IsRegular() { // an error: gone meanwhile
				files = append(files, file{e.Name(), info.Size(), info.ModTime()})
			}
		}
	}
	return files, nil
}
