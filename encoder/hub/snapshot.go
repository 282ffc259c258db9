package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Snapshot is one commit of a repository, held for this process until Close.
type Snapshot struct {
	client *Client
	folder *folder
	ref    Ref
	list   listing
	got    map[string]bool // hashes of files found whole in this run
	room   int64
}

// Open resolves r to a commit and lists its files; with Options.Offline as they
// were when they were last asked for. Nothing is downloaded yet.
func (c *Client) Open(ctx context.Context, r Ref) (*Snapshot, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	f, err := openFolder(c.options.Cache, c.endpoint, r.Repo)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{client: c, folder: f, ref: r, got: map[string]bool{}}
	if s.list, err = c.listing(ctx, f, r); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

func (c *Client) listing(ctx context.Context, f *folder, r Ref) (listing, error) {
	if c.options.Offline {
		l, err := f.load(r.Revision)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("offline, and the cache has nothing of %s: run the command once with a network and --keep", r)
		}
		return l, err
	}
	l, err := c.resolve(ctx, r)
	if err != nil {
		return l, err
	}
	return l, f.save(r.Revision, l)
}

// Commit is the hash of the commit that the revision is resolved to.
func (s *Snapshot) Commit() string { return s.list.Commit }

// Dir is the folder in which fetched files stand under their own names.
func (s *Snapshot) Dir() string { return s.folder.snapshot(s.list.Commit) }

// Files are those at the top of the commit.
func (s *Snapshot) Files() []File { return s.list.Files }

// Fetch makes the named files stand in Dir, each whole and with the hash that
// was listed. What cannot be fetched ends it; files and parts of files that
// were fetched stay, and the next Fetch goes on from there.
func (s *Snapshot) Fetch(ctx context.Context, names ...string) error {
	files, err := s.find(names)
	if err != nil {
		return err
	}
	missing, err := s.missing(ctx, files)
	if err != nil {
		return err
	}
	if err := s.download(ctx, missing); err != nil {
		return err
	}
	for _, file := range files {
		if err := s.folder.link(s.list.Commit, file); err != nil {
			return err
		}
	}
	return nil
}

func (s *Snapshot) find(names []string) ([]File, error) {
	known := map[string]File{}
	for _, f := range s.list.Files {
		known[f.Path] = f
	}
	var found []File
	for _, name := range names {
		f, ok := known[name]
		if !ok || !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%s has no file %q", s.ref, name)
		}
		if err := f.check(); err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, nil
}

// missing are the files that the cache does not have. A damaged one is removed.
func (s *Snapshot) missing(ctx context.Context, files []File) ([]File, error) {
	var missing []File
	for _, file := range files {
		if s.got[file.hash()] {
			continue
		}
		whole, err := s.folder.whole(ctx, file)
		if err != nil {
			return nil, err
		}
		if !whole {
			if err := os.RemoveAll(s.folder.blob(file)); err != nil {
				return nil, diskError(err)
			}
			missing = append(missing, file)
		}
		s.got[file.hash()] = whole
	}
	return missing, nil
}

func (s *Snapshot) download(ctx context.Context, files []File) error {
	if len(files) == 0 {
		return nil
	}
	if s.client.options.Offline {
		return s.offline(files)
	}
	if err := s.checkRoom(files); err != nil {
		return err
	}
	var total int64
	for _, file := range files {
		total += file.Size
	}
	m := newMeter(total, s.client.options.Progress)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.client.options.Parallel)
	for _, file := range distinct(files) {
		group.Go(func() error { return s.client.fetch(ctx, s, file, m) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, file := range files {
		s.got[file.hash()] = true
	}
	return nil
}

// distinct leaves out files with the bytes of an earlier one.
func distinct(files []File) []File {
	seen := map[string]bool{}
	var out []File
	for _, f := range files {
		if !seen[f.hash()] {
			seen[f.hash()] = true
			out = append(out, f)
		}
	}
	return out
}

func (s *Snapshot) offline(files []File) error {
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	return fmt.Errorf("offline, and of %s the cache lacks %s: run the command once with a network and --keep", s.ref, strings.Join(names, ", "))
}

// checkRoom refuses a download that the disk would not hold.
func (s *Snapshot) checkRoom(files []File) error {
	need := s.room
	for _, file := range files {
		need += file.Size
		if info, err := os.Stat(s.folder.partial(file)); err == nil {
			need -= min(info.Size(), file.Size)
		}
	}
	free, err := s.client.options.FreeBytes(s.folder.dir)
	if err != nil {
		return err
	}
	if need > free {
		return fmt.Errorf("%s needs %d MB more and the disk of %s has %d MB free: free space, or set SIGHTLINE_CACHE_DIR to a folder on another disk", s.ref, need>>20+1, s.folder.dir, free>>20)
	}
	return nil
}

// Reserve has Fetch refuse to begin where the cache's disk would not have n bytes
// left after it.
func (s *Snapshot) Reserve(n int64) { s.room = n }

// Keep has later calls of Remove leave this commit alone.
func (s *Snapshot) Keep() error {
	if err := os.MkdirAll(s.Dir(), 0o755); err != nil {
		return diskError(err)
	}
	return diskError(os.WriteFile(filepath.Join(s.Dir(), keepFile), nil, 0o644))
}

// Remove deletes what was fetched of this commit, unless Keep was ever called
// for it. Files that other commits share are fetched again when they are needed.
func (s *Snapshot) Remove() error {
	if _, err := os.Stat(filepath.Join(s.Dir(), keepFile)); err == nil {
		return nil
	}
	var files []File
	for _, file := range s.list.Files {
		if s.got[file.hash()] {
			files = append(files, file)
		}
	}
	clear(s.got)
	return s.folder.remove(s.list, files)
}

// Close lets other programs in.
func (s *Snapshot) Close() error { return s.folder.close() }
