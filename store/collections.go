package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// MaxFingerprint is the most bytes of a fingerprint.
const MaxFingerprint = 128

// Collection describes one index of several in one place.
type Collection struct {
	Fingerprint string // of the model that its embeddings are of
	Dim         int
	Items       int
	Current     bool // the one that searches are served from
}

// Collections are the indexes of one catalogue, one per model. A new model's is
// built beside the current one, which goes on serving; Switch then makes it
// current, and Switch to the old one takes that back.
//
// Fingerprints are those of ValidateFingerprint. All methods may be called at
// the same time, by several processes too.
type Collections interface {
	// List returns all of them, the current one first and the others by
	// fingerprint.
	List(ctx context.Context) ([]Collection, error)
	// Current returns the fingerprint of the current one, "" while there is
	// none.
	Current(ctx context.Context) (string, error)
	// Open opens the collection of a model, or makes an empty one. The first
	// one made is the current one. The Index is closed by the caller.
	Open(ctx context.Context, fingerprint string, dim int) (Index, error)
	// Switch makes another collection current, at one moment. One that is not
	// there is refused with ErrInvalid.
	Switch(ctx context.Context, fingerprint string) error
	// Drop removes a collection with all its data. The current one, and one
	// that is not there, are refused with ErrInvalid.
	Drop(ctx context.Context, fingerprint string) error
}

// ValidateFingerprint refuses, with ErrInvalid, what cannot name a model's
// collection everywhere, as a folder too.
func ValidateFingerprint(fingerprint string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:"
	if fingerprint == "" || len(fingerprint) > MaxFingerprint || strings.Trim(fingerprint, allowed) != "" {
		return fmt.Errorf("%w fingerprint %q: it is 1 to %d letters, digits, '-', '_' and ':'", ErrInvalid, fingerprint, MaxFingerprint)
	}
	return nil
}

// SortCollections puts them in the order of Collections.List.
func SortCollections(list []Collection) {
	slices.SortFunc(list, func(a, b Collection) int {
		switch {
		case a.Current == b.Current:
			return cmp.Compare(a.Fingerprint, b.Fingerprint)
		case a.Current:
			return -1
		}
		return 1
	})
}
