package indexer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"sightline/indexer/feed"
	"sightline/store"
	"sightline/store/change"
	"sightline/store/pictures"
	"sightline/store/sources"
)

// locate finds the key of a picture, and its bytes where they are not stored
// already.
func (p *pipe) locate(ctx context.Context, s *shot) (err error) {
	if key, ok := change.StoredKey(s.image); ok {
		s.key = key
		if !p.ix.parts.Pictures.Has(key) { // or so it seems: a bucket may not answer
			s.data, err = p.stored(ctx, key)
		}
		return err
	}
	if feed.IsAddress(s.image) {
		return p.fromAddress(ctx, s)
	}
	s.data, err = ReadPicture(s.job.record.Root, s.image, p.ix.options.MaxBytes)
	s.key = keyOf(s.data)
	return err
}

// clip bounds what a message repeats of a feed.
func clip(text string) string {
	const most = 2 * sha256.Size
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}

func keyOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// load reads a picture that is stored. One from an address whose copy was lost
// or damaged is fetched anew.
func (p *pipe) load(ctx context.Context, s *shot) error {
	var err error
	s.data, err = p.stored(ctx, s.key)
	if _, lost := asFault(err); lost && feed.IsAddress(s.image) {
		return p.fetchAddress(ctx, s, sources.Source{})
	}
	return err
}

// stored reads the copy of a picture. That one is missing or damaged is the
// item's trouble, that the store does not answer the run's.
func (p *pipe) stored(ctx context.Context, key string) ([]byte, error) {
	data, err := p.ix.parts.Pictures.Get(ctx, key)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, pictures.ErrNotFound) || errors.Is(err, store.ErrInvalid):
		return nil, fetchFault("no picture is stored under %q; give the picture again", clip(key))
	case ctx.Err() != nil || errors.Is(err, store.ErrClosed) || errors.Is(err, pictures.ErrUnavailable):
		return nil, fmt.Errorf("read stored picture: %w", err)
	}
	return nil, fetchFault("the stored picture cannot be read: %w; give the picture again", err)
}
