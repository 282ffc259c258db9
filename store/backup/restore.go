package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/internal/folder"
)

// ReadManifest reads what a folder is a backup of.
func ReadManifest(from string) (Manifest, error) {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(from, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s is no backup: it has no %s", from, manifestFile)
	}
	if err != nil {
		return m, fmt.Errorf("read backup: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s is damaged: %w", filepath.Join(from, manifestFile), err)
	}
	if m.Format != format {
		return m, fmt.Errorf("the backup has format %d and this program knows %d; use another version of Sightline", m.Format, format)
	}
	for _, c := range m.Collections {
		if !filepath.IsLocal(c.File) {
			return m, fmt.Errorf("%s is damaged: file %q", filepath.Join(from, manifestFile), c.File)
		}
	}
	return m, nil
}

// Restore makes the data folder dir from a backup. dir must be empty or not be
// there; one that an interrupted Restore left is gone on with. A picture that
// is missing or damaged in the backup is a problem in the report, not an error.
func Restore(ctx context.Context, from, dir string, o Options) (Report, error) {
	m, err := ReadManifest(from)
	if err != nil {
		return Report{}, err
	}
	report := Report{Manifest: m}
	r := &restore{from: from, dir: dir, copier: newCopier(&report, o.Progress)}
	if err := r.run(ctx, o); err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	return report, nil
}

type restore struct {
	*copier

	from, dir string
}

func (r *restore) run(ctx context.Context, o Options) (err error) {
	if err := r.begin(); err != nil {
		return err
	}
	if r.source, err = openPictures(r.from, nil); err != nil {
		return err
	}
	if r.target, err = openPictures(r.dir, o.Pictures); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.target.Close()) }()
	m := r.report.Manifest
	for _, c := range m.Collections {
		r.total += c.Items
	}
	for _, c := range m.Collections {
		if err := r.collection(ctx, c); err != nil {
			return fmt.Errorf("collection %s: %w", c.Fingerprint, err)
		}
	}
	// The folder becomes one that programs open with the removal of the mark.
	if err := os.Remove(filepath.Join(r.dir, embedded.RestoringFile)); err != nil {
		return err
	}
	into, err := embedded.NewCollections(r.dir, nil)
	if err != nil {
		return err
	}
	return into.Switch(ctx, m.Current)
}

// begin marks the folder, so that no program takes it for a whole one.
func (r *restore) begin() error {
	if err := os.MkdirAll(r.dir, folder.Mode); err != nil {
		return err
	}
	mark := filepath.Join(r.dir, embedded.RestoringFile)
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%w folder: %s is not empty; restore into a new --data folder", store.ErrInvalid, r.dir)
	}
	return folder.WriteFile(r.dir, mark, []byte(r.from+"\n"))
}

func (r *restore) collection(ctx context.Context, c Collection) error {
	path := filepath.Join(r.from, c.File)
	sum, err := hashFile(path, false)
	if err != nil {
		return err
	}
	if sum != c.SHA256 {
		return fmt.Errorf("%s is damaged: its SHA-256 is not the one in %s", path, manifestFile)
	}
	dir, err := embedded.CollectionDir(r.dir, c.Fingerprint)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, folder.Mode); err != nil {
		return err
	}
	target := filepath.Join(dir, embedded.CatalogueFile)
	if err := removeAll(target, target+"-wal", target+"-shm"); err != nil {
		return err
	}
	if err := copyFile(path, target); err != nil {
		return err
	}
	if err := embedded.Restart(ctx, dir); err != nil {
		return err
	}
	return r.pictures(ctx, dir)
}

func (r *restore) pictures(ctx context.Context, dir string) (err error) {
	reader, err := embedded.OpenReader(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	return eachEntry(ctx, reader, func(e store.Entry) error { return r.entry(ctx, e) })
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return folder.SyncDir(filepath.Dir(to))
}
