package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sightline/store/backup"
	"sightline/store/bucket"
	"sightline/store/pictures"
)

// shared opens pictures of a data folder with a bucket behind them.
func shared(t *testing.T, dir string, objects pictures.Objects) func() (backup.Pictures, error) {
	return func() (backup.Pictures, error) {
		return pictures.OpenBucket(t.Context(), objects, pictures.BucketOptions{Dir: filepath.Join(dir, "pictures")})
	}
}

// brokenObjects fail in every way.
type brokenObjects struct{ err error }

func (b brokenObjects) Read(context.Context, string, int64) ([]byte, error) { return nil, b.err }
func (b brokenObjects) Write(context.Context, string, []byte) error         { return b.err }
func (b brokenObjects) Exists(context.Context, string) (bool, error)        { return false, b.err }

// emptied is a shop whose pictures only the bucket has.
func emptied(t *testing.T) (*shop, *bucket.Bucket) {
	t.Helper()
	objects, err := bucket.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	s := openShop(t, t.TempDir())
	s.write("a", "b", "c")
	for _, e := range s.entries() {
		data, err := os.ReadFile(s.picturePath(e.Item.ID))
		if err != nil {
			t.Fatal(err)
		}
		if err := objects.Write(t.Context(), "pictures/"+filepath.ToSlash(pictures.Path(e.Picture)), data); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(s.picturePath(e.Item.ID)); err != nil {
			t.Fatal(err)
		}
	}
	return s, objects
}

// TestPicturesInABucket backs up, restores and checks a folder whose pictures
// are elsewhere; the backup is whole without the bucket.
func TestPicturesInABucket(t *testing.T) {
	s, objects := emptied(t)
	for _, deep := range []bool{false, true} {
		found, err := backup.Check(t.Context(), s.dir, backup.CheckOptions{Deep: deep, Pictures: shared(t, s.dir, objects)})
		if err != nil || found.Failed != 0 || found.Pictures != 3 {
			t.Errorf("check: %+v, %v", found, err)
		}
	}
	to := t.TempDir()
	r, err := backup.Backup(t.Context(), s.dir, to, backup.Options{Pictures: shared(t, s.dir, objects)})
	if err != nil || r.Copied != 3 || r.Failed != 0 {
		t.Fatalf("backup: %+v, %v", r, err)
	}
	alone := filepath.Join(t.TempDir(), "alone")
	if r := mustRestore(t, to, alone); r.Copied != 3 || r.Failed != 0 {
		t.Errorf("restored without a bucket: %+v", r)
	}
	other, err := bucket.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	dir := filepath.Join(t.TempDir(), "elsewhere")
	if r, err := backup.Restore(t.Context(), to, dir, backup.Options{Pictures: shared(t, dir, other)}); err != nil || r.Copied != 3 || r.Failed != 0 {
		t.Errorf("restored into another bucket: %+v, %v", r, err)
	}
	for _, e := range s.entries() {
		if ok, err := other.Exists(t.Context(), "pictures/"+filepath.ToSlash(pictures.Path(e.Picture))); !ok || err != nil {
			t.Errorf("%s is not in the new bucket: %v", e.Item.ID, err)
		}
	}
}

// TestBucketDown must not make a backup without pictures, nor report pictures
// as lost.
func TestBucketDown(t *testing.T) {
	s, _ := emptied(t)
	down := shared(t, s.dir, brokenObjects{errors.New("down")})
	if r, err := backup.Backup(t.Context(), s.dir, t.TempDir(), backup.Options{Pictures: down}); !errors.Is(err, pictures.ErrUnavailable) {
		t.Errorf("backup: %+v, %v", r, err)
	}
	if found, err := backup.Check(t.Context(), s.dir, backup.CheckOptions{Pictures: down}); !errors.Is(err, pictures.ErrUnavailable) || found.Failed != 0 {
		t.Errorf("check: %+v, %v", found, err)
	}
}
