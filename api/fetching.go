package api

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"sightline/store/fetch"
)

// Fetcher gets pictures from http and https addresses that strangers name, so it
// must not lead into the inner network; fetch.Client is one. Errors that are
// *fetch.Error are shown to the caller.
type Fetcher interface {
	Get(ctx context.Context, req fetch.Request) (fetch.Response, error)
}

// Limits of the pictures that one request brings, uploaded or by address.
const (
	// maxFresh bounds the time: BLIP-base takes half a second a picture on a CPU.
	maxFresh      = 32
	maxFreshBytes = 64 << 20
	fetchesAtOnce = 8 // of one request; the fetcher bounds them over all
)

var errNoFetcher = refuse(kindUnsupported, "This server fetches no pictures: send them as base64, or name an item.")

// fetch gets one picture.
func (e *Engine) fetch(ctx context.Context, v *visual) error {
	if e.Fetcher == nil {
		return errNoFetcher
	}
	res, err := e.Fetcher.Get(ctx, fetch.Request{URL: v.url})
	if err != nil {
		return fetchError(v.path, err)
	}
	if len(res.Data) > maxPictureBytes {
		var wrong Invalid
		wrong.add(v.path, "is a picture of %d bytes; the limit is %d", len(res.Data), maxPictureBytes)
		return wrong.err()
	}
	v.data, v.url = res.Data, ""
	return nil
}

// fetchError blames the request for what it can change, and the other server for
// what may pass.
func fetchError(path string, err error) error {
	var failed *fetch.Error
	switch {
	case errors.Is(err, fetch.ErrClosed):
		return &refusal{kind: kindUnavailable, detail: "The service is shutting down.", err: err}
	case !errors.As(err, &failed):
		return err
	case failed.Temporary():
		return &refusal{
			kind: kindFetch, detail: "A picture's server did not give it; it may later.", err: err,
			fields: []FieldProblem{{Field: path, Detail: "cannot be fetched now: " + failed.Err.Error()}},
		}
	}
	return invalid(path, "cannot be fetched: "+failed.Err.Error())
}

// fetchAll gets the pictures that are addresses, and reports all that cannot be had.
func (e *Engine) fetchAll(ctx context.Context, pictures []*visual) error {
	errs := make([]error, len(pictures))
	var g errgroup.Group
	g.SetLimit(fetchesAtOnce)
	for i, v := range pictures {
		if v.url != "" {
			g.Go(func() error {
				errs[i] = e.fetch(ctx, v)
				return nil
			})
		}
	}
	_ = g.Wait() // errors are in errs
	var wrong Invalid
	var other error
	total := 0
	for i, err := range errs {
		if total += len(pictures[i].data); err == nil {
			continue
		}
		if inv, ok := errors.AsType[*Invalid](err); ok {
			wrong.Fields = append(wrong.Fields, inv.Fields...)
		} else if other == nil {
			other = err
		}
	}
	if total > maxFreshBytes {
		return refuse(kindTooLarge, "The pictures of the request have more than 64 MiB together: send fewer, or smaller ones.")
	}
	if len(wrong.Fields) > 0 {
		return wrong.err()
	}
	return other
}
