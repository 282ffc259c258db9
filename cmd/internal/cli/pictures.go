package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"sightline/store/bucket"
	"sightline/store/pictures"
)

// Pictures are the originals of a catalogue's pictures, by the SHA-256 of their
// bytes.
type Pictures interface {
	Put(ctx context.Context, data []byte) (key string, err error)
	Get(ctx context.Context, key string) ([]byte, error)
	Has(key string) bool
	Close() error
}

// PicturesDir is where the data folder keeps the originals of pictures; with
// --blobs, those that were used last.
func PicturesDir(e Env) string { return filepath.Join(e.Data, "pictures") }

// OpenPictures opens the originals that belong to the data folder, without its
// catalogue: the folder's own, and with --blobs those of the bucket too.
func OpenPictures(ctx context.Context, e Env) (Pictures, error) {
	objects, err := openBucket(ctx, e)
	if err != nil {
		return nil, err
	}
	p, err := openPictures(ctx, e, objects)
	if objects == nil {
		return p, err
	}
	if err != nil {
		return nil, errors.Join(err, objects.Close())
	}
	return bucketPictures{p, objects}, nil
}

// bucketPictures close their bucket too.
type bucketPictures struct {
	Pictures

	objects *bucket.Bucket
}

// Close closes the pictures and then their bucket.
func (p bucketPictures) Close() error { return errors.Join(p.Pictures.Close(), p.objects.Close()) }

// openBucket opens the bucket of --blobs; nil without one.
func openBucket(ctx context.Context, e Env) (*bucket.Bucket, error) {
	if e.Blobs == "" {
		return nil, nil
	}
	b, err := bucket.Open(ctx, e.Blobs)
	if err != nil {
		return nil, Usagef("--blobs: %w", err)
	}
	return b, nil
}

// openPictures opens the originals in the data folder, with a bucket behind
// them unless objects is nil.
func openPictures(ctx context.Context, e Env, objects *bucket.Bucket) (Pictures, error) {
	if objects == nil {
		s, err := pictures.Open(PicturesDir(e))
		if err != nil {
			return nil, fmt.Errorf("open pictures: %w", err)
		}
		return s, nil
	}
	b, err := pictures.OpenBucket(ctx, objects, pictures.BucketOptions{
		Dir: PicturesDir(e), Budget: int64(e.PicturesMB) << 20,
		Failed: func(err error) { e.Log.WarnContext(ctx, "copies of pictures in the data folder", "error", err) },
	})
	if err != nil {
		return nil, fmt.Errorf("open pictures: %w", err)
	}
	return b, nil
}
