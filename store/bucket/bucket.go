// Package bucket opens object stores: folders, S3 and what speaks its protocol
// and, with the build tag gcs, Google Cloud Storage. It is the only importer
// of gocloud.dev, whose drivers add 10 MB (S3) and 21 MB (Google) to a program,
// so that what merely uses a bucket builds without them.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // s3://
	"gocloud.dev/gcerrors"
)

// ErrTooLarge says that an object is larger than the reader allows.
var ErrTooLarge = errors.New("object is too large")

// Bucket is an open object store. All methods may be called at the same time;
// each returns soon after its ctx ends.
type Bucket struct{ blobs *blob.Bucket }

// Open opens the object store at address: a folder (a path or file:///PATH, made
// if it is not there), s3://BUCKET or gs://BUCKET (needs the build tag gcs), with
// ?prefix=PATH/ to use a part of it. For a store that speaks S3 add
// &endpoint=https://HOST&region=REGION&use_path_style=true. Credentials come
// from where the AWS and Google libraries look for them, for S3
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY among others. That the bucket is
// there and answers shows with its first use.
func Open(ctx context.Context, address string) (*Bucket, error) {
	if !strings.Contains(address, "://") {
		return openFolder(address)
	}
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return nil, errors.New("a bucket's address has the form s3://BUCKET?region=REGION and holds no credentials; those come from the environment")
	}
	switch {
	case u.Scheme == fileblob.Scheme && u.Host == "" && u.RawQuery == "":
		return openFolder(u.Path)
	case !blob.DefaultURLMux().ValidBucketScheme(u.Scheme):
		return nil, fmt.Errorf("open bucket: this program knows no %s://; it was built for %s (gs needs -tags gcs)", u.Scheme, strings.Join(blob.DefaultURLMux().BucketSchemes(), ", "))
	}
	blobs, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s://%s: %w", u.Scheme, u.Host, err)
	}
	return New(blobs), nil
}

func openFolder(dir string) (*Bucket, error) {
	blobs, err := fileblob.OpenBucket(dir, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o750,
		NoTempDir: true, // temporary files on the same file system, so that they can be renamed
		Metadata:  fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", dir, err)
	}
	return New(blobs), nil
}

// New returns the object store of a bucket opened elsewhere, which Close
// closes.
func New(blobs *blob.Bucket) *Bucket { return &Bucket{blobs: blobs} }

// Read returns an object of at most limit bytes. One that is not there is
// fs.ErrNotExist, a larger one ErrTooLarge.
func (b *Bucket) Read(ctx context.Context, name string, limit int64) (_ []byte, err error) {
	r, err := b.blobs.NewReader(ctx, name, nil)
	if err != nil {
		return nil, failed("read", name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if r.Size() > limit {
		return nil, fmt.Errorf("read object %s: %w: %d bytes of %d allowed", name, ErrTooLarge, r.Size(), limit)
	}
	data := make([]byte, r.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, failed("read", name, err)
	}
	return data, nil
}

// Write stores an object, whole or not at all, in place of an earlier one of
// the same name.
func (b *Bucket) Write(ctx context.Context, name string, data []byte) error {
	// With a content type the library need not guess one.
	if err := b.blobs.WriteAll(ctx, name, data, &blob.WriterOptions{ContentType: "application/octet-stream"}); err != nil {
		return failed("write", name, err)
	}
	return nil
}

// Delete removes an object; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := failed("delete", name, b.blobs.Delete(ctx, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Exists tells whether an object is there.
func (b *Bucket) Exists(ctx context.Context, name string) (bool, error) {
	ok, err := b.blobs.Exists(ctx, name)
	return ok, failed("look for", name, err)
}

// failed wraps an error of an operation on an object.
func failed(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	if gcerrors.Code(err) == gcerrors.NotFound || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s object %s: %w: %w", operation, name, fs.ErrNotExist, err)
	}
	return fmt.Errorf("%s object %s: %w", operation, name, err)
}

// Close ends the use of the bucket.
func (b *Bucket) Close() error {
	if err := b.blobs.Close(); err != nil {
		return fmt.Errorf("close bucket: %w", err)
	}
	return nil
}
