package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"runtime"
	"slices"
	"strconv"

	"sightline/encoder/picture"
	"sightline/store/cache"
)

// widths are those that pictures are made in, in pixels. Others are rounded up
// to the next, so that one picture has few copies and is never blurred.
func widths() []int { return []int{64, 96, 128, 192, 256, 320, 480, 640, 960, 1280, 1920} }

// maxShrinking are pictures that are made smaller at once: each holds its pixels,
// 50 MB at 12 megapixels. maxShrinkWaiting callers wait for their turn, or for
// that of others; one more is answered 429.
const (
	maxShrinking     = 4
	maxShrinkWaiting = 256
)

// gallery gives the stored pictures of items, smaller ones too.
type gallery struct {
	stored  Pictures
	kept    Answers // nil: each is made anew
	working slots
	waiting slots
}

func newGallery(o Options) *gallery {
	return &gallery{
		stored: o.Pictures, kept: o.Shrunk,
		working: make(slots, min(maxShrinking, runtime.GOMAXPROCS(0))), waiting: make(slots, maxShrinkWaiting),
	}
}

// wanted is what a request wants of an item's pictures.
type wanted struct {
	view  int
	width int // one of widths; 0 for the picture as it is stored
}

// readWanted passes over parameters of other names: pages add some to get past a
// browser's cache.
func readWanted(q url.Values) (wanted, error) {
	var want wanted
	var wrong Invalid
	for _, p := range []struct {
		name    string
		dst     *int
		low, hi int
		help    string
	}{
		{"view", &want.view, 0, math.MaxInt, "must be a whole number from 0, the main picture"},
		{"width", &want.width, 1, slices.Max(widths()), fmt.Sprintf("must be a whole number of pixels, 1 to %d; leave it out for the picture as it is", slices.Max(widths()))},
	} {
		given := q[p.name]
		if len(given) > 1 {
			wrong.add(p.name, "is given more than once")
		}
		if len(given) != 1 || given[0] == "" {
			continue
		}
		n, err := strconv.Atoi(given[0])
		if err != nil || n < p.low || n > p.hi {
			wrong.add(p.name, "%s", p.help)
			continue
		}
		*p.dst = n
	}
	if i, _ := slices.BinarySearch(widths(), want.width); want.width > 0 && i < len(widths()) {
		want.width = widths()[i]
	}
	return want, wrong.err()
}

// tag is the ETag of a picture: stored ones are named by the hash of their bytes.
func (want wanted) tag(key string) string {
	if want.width == 0 {
		return strconv.Quote(key)
	}
	return strconv.Quote(key + "-w" + strconv.Itoa(want.width))
}

// get gives the bytes of a picture in the width that is wanted, or as it is where
// it is not wider, or cannot be made smaller. It is pictures.ErrNotFound where it
// is not stored.
func (s *gallery) get(ctx context.Context, key string, width int) ([]byte, error) {
	if width == 0 {
		return s.stored.Get(ctx, key)
	}
	give, ok := s.waiting.take()
	if !ok {
		return nil, refuseFor(kindBusy, "shrinking", "Too many pictures are being made smaller: try again in a moment.")
	}
	defer give()
	load := func(ctx context.Context) (cache.Loaded, error) {
		small, err := s.shrink(ctx, key, width)
		return cache.Loaded{Value: small, Keep: true}, err
	}
	var small []byte
	var err error
	if s.kept != nil {
		small, _, err = s.kept.Fetch(ctx, key+"/"+strconv.Itoa(width), load)
	} else {
		var made cache.Loaded
		made, err = load(ctx)
		small = made.Value
	}
	if err != nil || len(small) > 0 {
		return small, err
	}
	return s.stored.Get(ctx, key)
}

// shrink is nothing for a picture that is to be shown as it is.
func (s *gallery) shrink(ctx context.Context, key string, width int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, itemTimeout)
	defer cancel()
	give, err := s.working.await(ctx)
	if err != nil {
		return nil, err
	}
	defer give()
	data, err := s.stored.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	small, err := picture.Shrink(data, width, picture.Limits{})
	var bad *picture.Error
	if errors.As(err, &bad) {
		return nil, nil
	}
	return small, err
}

// contentType is that of a picture that is shown.
func contentType(data []byte, key string) (string, error) {
	format, ok := picture.Sniff(data)
	if !ok {
		return "", fmt.Errorf("stored picture %s is no JPEG, PNG or WebP", key)
	}
	return "image/" + string(format), nil
}
