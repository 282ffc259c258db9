package features

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openGrid opens dir for that kind and closes it again; put stores a record first.
func openGrid(t *testing.T, dir string, g Grid, put bool) (Grid, error) {
	t.Helper()
	s, err := OpenWith(dir, "model", Options{Grid: g})
	if err != nil {
		return "", err
	}
	if put {
		if err := s.Put(t.Context(), keyOf(1), recordOf(1)); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Grid()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return got, nil
}

// TestGrid: a folder is what it was first opened for, and may become another
// only while it holds nothing.
func TestGrid(t *testing.T) {
	tests := map[string]struct {
		first, then, want Grid
		put, refused      bool
	}{
		"full by itself":          {AnyGrid, AnyGrid, Full, true, false},
		"full when asked":         {AnyGrid, Full, Full, true, false},
		"pooled stays":            {Pooled, AnyGrid, Pooled, true, false},
		"pooled again":            {Pooled, Pooled, Pooled, true, false},
		"full is not pooled":      {Full, Pooled, "", true, true},
		"pooled is not full":      {Pooled, Full, "", true, true},
		"empty: full to pooled":   {Full, Pooled, Pooled, false, false},
		"empty: pooled to full":   {Pooled, Full, Full, false, false},
		"there is no third kind":  {Full, "halved", "", false, true},
		"empty pooled, as it was": {Pooled, AnyGrid, Pooled, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "features")
			if _, err := openGrid(t, dir, test.first, test.put); err != nil {
				t.Fatal(err)
			}
			got, err := openGrid(t, dir, test.then, false)
			if got != test.want || (err != nil) != test.refused {
				t.Fatalf("opened as %q: %v; want %q, refused: %v", got, err, test.want, test.refused)
			}
			if test.refused && test.put && (!errors.Is(err, ErrGrid) || !strings.Contains(err.Error(), "indexd repair")) {
				t.Errorf("error %v does not say what to do", err)
			}
		})
	}
}

// TestGridFormat: full folders stay readable by programs that know format 2 and
// no kinds, and pooled ones are refused by them.
func TestGridFormat(t *testing.T) {
	for grid, want := range map[Grid]string{
		Full:   `{"format":2,"fingerprint":"model"}`,
		Pooled: `{"format":3,"fingerprint":"model","grid":"pooled"}`,
	} {
		dir := t.TempDir()
		if _, err := openGrid(t, dir, grid, true); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "meta.json"))
		if err != nil || strings.TrimSpace(string(text)) != want {
			t.Errorf("%s: meta.json is %s (%v), want %s", grid, text, err, want)
		}
	}
}

// TestGridsShareNoObjects: two machines that keep different kinds in one bucket
// do not read each other's.
func TestGridsShareNoObjects(t *testing.T) {
	objects, key := memory(t), keyOf(2)
	open := func(g Grid) *Bucket {
		return mustOpenBucket(t, objects, BucketOptions{Dir: t.TempDir(), Local: Options{Grid: g}})
	}
	full, pooled := open(Full), open(Pooled)
	if err := errors.Join(full.Put(t.Context(), key, recordOf(2)), full.Sync()); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := pooled.Get(t.Context(), key); ok || err != nil {
		t.Errorf("pooled machine read a whole picture: %v, %v", ok, err)
	}
	if _, ok, err := open(AnyGrid).Get(t.Context(), key); !ok || err != nil {
		t.Errorf("another machine of the same kind: %v, %v", ok, err)
	}
	if got := pooled.Grid(); got != Pooled {
		t.Errorf("bucket of %q", got)
	}
}
