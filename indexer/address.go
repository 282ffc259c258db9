package indexer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/store/fetch"
	"sightline/store/sources"
)

// origin is what was found at the address of a picture; nil for pictures that
// have none, and where that is noted already.
type origin struct {
	address string
	found   sources.Source
}

// fromAddress finds the picture at an address. One that was there a short while
// ago is taken for unchanged; an older one is asked for only if it has changed.
// In both cases there are no bytes, as they are stored.
func (p *pipe) fromAddress(ctx context.Context, s *shot) error {
	if p.ix.parts.Fetcher == nil {
		return fetchFault("pictures are not fetched from addresses here; download it and give its path relative to the feed")
	}
	known, ok, err := p.known(ctx, s.image)
	if err != nil {
		return err
	}
	if p.ix.options.DryRun || ok && time.Since(known.Checked) < p.ix.options.Revalidate {
		s.key = known.Picture
		return nil
	}
	return p.fetchAddress(ctx, s, known)
}

// known is what was found at an address before, if it is stored still.
func (p *pipe) known(ctx context.Context, address string) (sources.Source, bool, error) {
	if p.ix.parts.Sources == nil {
		return sources.Source{}, false, nil
	}
	found, ok, err := p.ix.parts.Sources.Get(ctx, address)
	if err != nil || !ok || !p.ix.parts.Pictures.Has(found.Picture) {
		return sources.Source{}, false, err
	}
	return found, true, nil
}

// fetchAddress asks the server. known is empty where nothing is.
func (p *pipe) fetchAddress(ctx context.Context, s *shot, known sources.Source) error {
	begin := time.Now()
	got, err := p.ix.parts.Fetcher.Get(ctx, fetch.Request{URL: s.image, ETag: known.ETag, LastModified: known.LastModified})
	var refused *fetch.Error
	switch {
	case errors.As(err, &refused):
		return &Fault{Stage: StageFetch, Err: refused}
	case err != nil:
		return fmt.Errorf("fetch picture: %w", err)
	}
	found := sources.Source{Picture: known.Picture, ETag: known.ETag, LastModified: known.LastModified, Checked: begin}
	if !got.NotModified {
		found.Picture, found.ETag, found.LastModified = keyOf(got.Data), got.ETag, got.LastModified
		if s.data = got.Data; s.data == nil {
			s.data = []byte{} // nil stands for a stored picture
		}
	}
	s.key, s.origin = found.Picture, &origin{address: s.image, found: found}
	return nil
}

// note remembers where a stored picture came from. It waits for the decoder's
// word: one that cannot be read is fetched again by the next run, as it may have
// been put right.
func (p *pipe) note(ctx context.Context, s *shot) error {
	if s.origin == nil || p.ix.parts.Sources == nil {
		return nil
	}
	o := s.origin
	s.origin = nil
	return p.ix.parts.Sources.Put(ctx, o.address, o.found)
}
