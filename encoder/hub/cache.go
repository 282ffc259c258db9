package hub

import (
	"context"
	"crypto/sha1" //nolint:gosec // what Git names blobs by; the bytes come from the same server as the hash
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	blobsDir     = "blobs"
	partialDir   = ".partial"
	revisionsDir = "revisions"
	snapshotsDir = "snapshots"
	keepFile     = ".keep"
)

// errDisk marks a failure of the disk: asking the server again does not help.
var errDisk = errors.New("the cache folder cannot be written")

func diskError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errDisk, err)
}

// folder is a repository's place in the cache.
type folder struct {
	dir  string
	lock *os.File
}

// openFolder makes and locks it. The lock goes with the process, however it ends.
func openFolder(cache string, endpoint *url.URL, repo string) (*folder, error) {
	server := strings.Map(func(r rune) rune {
		if strings.ContainsRune(":/\\", r) {
			return '_'
		}
		return r
	}, strings.ToLower(endpoint.Host)+endpoint.Path)
	dir := filepath.Join(cache, "hub", server, strings.ReplaceAll(repo, "/", "--"))
	for _, name := range []string{blobsDir, partialDir, revisionsDir, snapshotsDir} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil { //nolint:gosec // the cache folder is the user's own word, and Ref.check keeps the rest below it
			return nil, diskError(err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // see above
	if err != nil {
		return nil, diskError(err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("another program downloads %s into %s: wait until it ends", repo, dir)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &folder{dir: dir, lock: lock}, nil
}

func (f *folder) close() error { return f.lock.Close() }

func (f *folder) blob(file File) string { return filepath.Join(f.dir, blobsDir, file.hash()) }

func (f *folder) partial(file File) string { return filepath.Join(f.dir, partialDir, file.hash()) }

func (f *folder) snapshot(commit string) string { return filepath.Join(f.dir, snapshotsDir, commit) }

func (f *folder) revision(name string) string {
	return filepath.Join(f.dir, revisionsDir, url.PathEscape(name)+".json")
}

// save remembers a listing under the revision's name and the commit's.
func (f *folder) save(revision string, l listing) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	for _, name := range []string{revision, l.Commit} {
		if err := replaceFile(f.revision(name), data); err != nil {
			return diskError(err)
		}
	}
	return nil
}

// load reads a listing that was saved; fs.ErrNotExist if there is none.
func (f *folder) load(revision string) (listing, error) {
	var l listing
	data, err := os.ReadFile(f.revision(revision))
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(data, &l); err != nil || !isCommit(l.Commit) {
		return l, fmt.Errorf("%s is damaged: remove it", f.revision(revision))
	}
	return l, nil
}

// replaceFile writes a small file in one step.
func replaceFile(path string, data []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// newHash is what a file's listed hash is computed with.
func newHash(file File) hash.Hash {
	if file.SHA256 != "" {
		return sha256.New()
	}
	h := sha1.New() //nolint:gosec // see above
	fmt.Fprintf(h, "blob %d\x00", file.Size)
	return h
}

// whole tells whether the cache has a file, every byte of it. The bytes are
// read: a disk may have lost what was once checked.
func (f *folder) whole(ctx context.Context, file File) (bool, error) {
	in, err := os.Open(f.blob(file))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, diskError(err)
	}
	defer in.Close()
	h := newHash(file)
	if _, err := io.Copy(h, &contextReader{ctx, in}); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == file.hash(), nil
}

// contextReader ends reading with ctx.
type contextReader struct {
	ctx context.Context
	in  io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.in.Read(p)
}

// link puts a whole file into its snapshot.
func (f *folder) link(commit string, file File) error {
	to := filepath.Join(f.snapshot(commit), file.Path)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return diskError(err)
	}
	target := filepath.Join("..", "..", blobsDir, file.hash())
	if have, err := os.Readlink(to); err == nil && have == target {
		return nil
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(err)
	}
	return diskError(os.Symlink(target, to))
}

// remove deletes a snapshot with its blobs and listings.
func (f *folder) remove(l listing, files []File) error {
	problems := []error{os.RemoveAll(f.snapshot(l.Commit))}
	for _, file := range files {
		problems = append(problems, os.RemoveAll(f.blob(file)), os.RemoveAll(f.partial(file)), os.RemoveAll(f.partial(file)+etagSuffix))
	}
	entries, err := os.ReadDir(filepath.Join(f.dir, revisionsDir))
	problems = append(problems, err)
	for _, e := range entries {
		path := filepath.Join(f.dir, revisionsDir, e.Name())
		var saved listing
		if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &saved) == nil && saved.Commit == l.Commit {
			problems = append(problems, os.Remove(path))
		}
	}
	return diskError(errors.Join(problems...))
}

func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
