package features

import (
	"cmp"
	"errors"
	"fmt"
)

// Grid says which patch states of a picture a folder holds. A folder holds one
// kind, because scores of pooled pictures are not those of whole ones: a
// ranking of both would put one kind above the other.
type Grid string

// The kinds of patch states.
const (
	// AnyGrid takes a folder as it is; a new one becomes Full.
	AnyGrid Grid = ""
	// Full is a state for each patch.
	Full Grid = "full"
	// Pooled is what encoder.States.Pool makes of them.
	Pooled Grid = "pooled"
)

// ErrGrid is returned by Open where the folder holds another kind of patch
// states than Options.Grid asks for.
var ErrGrid = errors.New("another kind of patch states")

// Grid says which patch states the store holds.
func (s *Store) Grid() Grid { return s.grid }

// Grid says which patch states the bucket holds.
func (b *Bucket) Grid() Grid { return b.local.Grid() }

// objectsOf names the part of the bucket that a kind of patch states lies in:
// machines that keep different kinds must not read each other's.
func objectsOf(fingerprint string, g Grid) string {
	if g == Pooled {
		return fingerprint + "-pooled"
	}
	return fingerprint
}

// settle decides which kind of patch states the folder holds, and tells whether
// its meta.json has to say so. Only an empty folder changes its kind.
func (s *Store) settle(m *meta, segments int) (changed bool, err error) {
	has := m.grid()
	want := cmp.Or(s.options.Grid, has)
	if want != Full && want != Pooled {
		return false, fmt.Errorf("patch states %q: use %s or %s", want, Full, Pooled)
	}
	if want != has && segments > 0 {
		return false, fmt.Errorf("%s: %w: it holds %s ones and %s ones are asked for; use --features %s or auto, "+
			"or delete the folder and run 'indexd repair --features %s', which encodes the stored pictures again",
			s.dir, ErrGrid, has, want, has, want)
	}
	before := *m
	s.grid = want
	m.Format = max(m.Format, formatVersion) // 1 knew no tombstones; they come with the next Delete
	if m.Grid = ""; want == Pooled {
		m.Grid, m.Format = Pooled, formatPooled
	} else if has == Pooled {
		m.Format = formatVersion
	}
	return *m != before, nil
}

// grid is the kind of patch states of the folder. Folders from before there
// were two do not name it.
func (m meta) grid() Grid {
	if m.Grid == "" {
		return Full
	}
	return m.Grid
}
