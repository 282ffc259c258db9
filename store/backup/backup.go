// Package backup copies a data folder while it is in use, restores such a copy
// and checks either. Patch states are not part of a backup: they are larger
// than everything else and are computed again from the pictures.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/internal/folder"
)

const (
	format         = 1
	manifestFile   = "backup.json"
	picturesFolder = "pictures"
	page           = 500 // entries read at a time
)

// Manifest describes a backup. It is written last, so a backup that was
// interrupted leaves the one before it whole.
type Manifest struct {
	Format      int          `json:"format"`
	Created     time.Time    `json:"created"`
	Current     string       `json:"current"` // fingerprint of the current collection
	Collections []Collection `json:"collections"`
	Pictures    int          `json:"pictures"` // that its items refer to
}

// Collection is one catalogue in a backup.
type Collection struct {
	Fingerprint string `json:"fingerprint"`
	Dim         int    `json:"dim"`
	Items       int    `json:"items"`
	File        string `json:"file"` // below the backup's folder
	SHA256      string `json:"sha256"`
}

// Report says what a run did.
type Report struct {
	Manifest Manifest  `json:"backup"`
	Copied   int       `json:"pictures_copied"` // the others were there
	Problems []Problem `json:"problems"`        // at most maxProblems
	Failed   int       `json:"failed"`          // number of problems, listed or not
}

// Problem is one thing that is missing or damaged.
type Problem struct {
	Item string `json:"item,omitempty"`
	What string `json:"what"`
}

const maxProblems = 100

func (r *Report) problem(item string, cause error) {
	if r.Failed++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{Item: item, What: cause.Error()})
	}
}

// Progress is told how many of how many items are done.
type Progress func(done, total int)

// Options of Backup and Restore; zero values mean the defaults.
type Options struct {
	Progress Progress
	// Pictures opens the originals of the data folder, closed at the end;
	// default: its own folder of pictures.
	Pictures func() (Pictures, error)
}

// Backup copies the data folder dir into the folder to, which may hold an
// earlier backup: pictures that are there are not copied again. Programs that
// have dir open go on; what they write during the copy may be missing from it.
// A picture that is missing or damaged is a problem in the report, not an
// error.
func Backup(ctx context.Context, dir, to string, o Options) (r Report, err error) {
	lock, err := folder.Acquire(to)
	if err != nil {
		return r, fmt.Errorf("backup: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	from, err := embedded.NewCollections(dir, nil)
	if err != nil {
		return r, fmt.Errorf("backup: %w", err)
	}
	b := &backup{from: from, to: to, copier: newCopier(&r, o.Progress)}
	if err := b.run(ctx, dir, o); err != nil {
		return r, fmt.Errorf("backup: %w", err)
	}
	return r, nil
}

type backup struct {
	*copier

	from *embedded.Collections
	to   string
}

func (b *backup) run(ctx context.Context, dir string, o Options) (err error) {
	list, err := b.from.List(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%s holds no catalogue: nothing to back up", dir)
	}
	if b.source, err = openPictures(dir, o.Pictures); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.source.Close()) }()
	if b.target, err = openPictures(b.to, nil); err != nil {
		return err
	}
	m := Manifest{Format: format, Created: time.Now().UTC().Truncate(time.Second)}
	if m.Current, err = b.from.Current(ctx); err != nil {
		return err
	}
	for _, c := range list {
		b.total += c.Items
	}
	for _, c := range list {
		kept, err := b.collection(ctx, c.Fingerprint)
		if err != nil {
			return fmt.Errorf("collection %s: %w", c.Fingerprint, err)
		}
		m.Collections = append(m.Collections, kept)
	}
	m.Pictures = len(b.seen)
	b.report.Manifest = m
	return b.commit(m)
}

// collection copies one catalogue and the pictures that it refers to.
func (b *backup) collection(ctx context.Context, fingerprint string) (c Collection, err error) {
	scratch := filepath.Join(b.to, "unfinished.db")
	if err := removeAll(scratch, scratch+"-wal", scratch+"-shm"); err != nil {
		return c, err
	}
	r, err := b.from.Reader(ctx, fingerprint)
	if err != nil {
		return c, err
	}
	if err := errors.Join(r.Snapshot(ctx, scratch), r.Close()); err != nil {
		return c, err
	}
	if c, err = b.describe(ctx, scratch); err != nil {
		return c, err
	}
	if c.SHA256, err = hashFile(scratch, true); err != nil {
		return c, err
	}
	c.File = fmt.Sprintf("catalogue-%s.db", c.SHA256[:16])
	if err := os.Rename(scratch, filepath.Join(b.to, c.File)); err != nil {
		return c, fmt.Errorf("put catalogue in place: %w", err)
	}
	return c, nil
}

// describe reads the copy, not the original, so that the pictures are those of
// the same moment.
func (b *backup) describe(ctx context.Context, path string) (c Collection, err error) {
	r, err := embedded.OpenFile(ctx, path)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err := r.Stats(ctx)
	if err != nil {
		return c, err
	}
	err = eachEntry(ctx, r, func(e store.Entry) error { return b.entry(ctx, e) })
	return Collection{Fingerprint: s.Fingerprint, Dim: s.Dim, Items: s.Items}, err
}

// commit makes the new backup the one that counts and removes the catalogues of
// the one before.
func (b *backup) commit(m Manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := folder.WriteFile(b.to, filepath.Join(b.to, manifestFile), append(text, '\n')); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(b.to, "catalogue-*.db"))
	if err != nil {
		return fmt.Errorf("list old catalogues: %w", err)
	}
	kept := make(map[string]bool)
	for _, c := range m.Collections {
		kept[filepath.Join(b.to, c.File)] = true
	}
	for _, path := range old {
		if !kept[path] {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

func eachEntry(ctx context.Context, r *embedded.Reader, do func(store.Entry) error) error {
	for after := ""; ; {
		entries, err := r.Scan(ctx, after, page, nil)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := do(e); err != nil {
				return err
			}
			after = e.Item.ID
		}
		if len(entries) < page {
			return nil
		}
	}
}

// hashFile returns the SHA-256 of a file, and with synced makes it durable.
func hashFile(path string, synced bool) (_ string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hash file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash file: %w", err)
	}
	if synced {
		if err := f.Sync(); err != nil {
			return "", fmt.Errorf("sync file: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func removeAll(paths ...string) error {
	var err error
	for _, p := range paths {
		err = errors.Join(err, os.RemoveAll(p))
	}
	return err
}
