package pictures

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"sightline/store"
)

// ErrUnavailable says that the bucket failed or did not answer in time.
var ErrUnavailable = errors.New("the bucket of pictures failed or did not answer")

// Objects is what a Bucket needs of an object store; bucket.Bucket is one. All
// methods are called at the same time and must return soon after ctx ends.
type Objects interface {
	// Read returns an object of at most limit bytes; one that is not there is
	// fs.ErrNotExist.
	Read(ctx context.Context, name string, limit int64) ([]byte, error)
	// Write stores an object, whole or not at all, in place of an earlier one.
	Write(ctx context.Context, name string, data []byte) error
	Exists(ctx context.Context, name string) (bool, error)
}

// BucketOptions of a Bucket; zero values mean the defaults, but Dir is needed.
type BucketOptions struct {
	Dir string // folder of the Store in front
	// Budget is how many bytes of pictures Dir may hold before those not used
	// for longest leave it; 0: no bound. It is exceeded for as long as that
	// takes, and for good by pictures that the bucket does not take.
	Budget int64
	// ReadTimeout bounds one read from the bucket; default 10 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds one upload; default 30 s.
	WriteTimeout time.Duration
	// HasTimeout bounds what a Has may wait for the bucket; default 1 s.
	HasTimeout time.Duration
	// Failed is told what went wrong where no caller could be: a copy that could
	// not be kept, and pictures that could not leave the folder. It is called
	// from several goroutines.
	Failed func(error)
}

func (o BucketOptions) withDefaults() BucketOptions {
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = 10 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.HasTimeout <= 0 {
		o.HasTimeout = time.Second
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	return o
}

// Bucket holds pictures in an object store that several programs share, with a
// Store in front that keeps what this one used last. Objects are named as the
// Store's files are, below pictures/, so that a folder can be copied into the
// bucket and back with any tool. All methods may be called at the same time.
type Bucket struct {
	objects Objects
	options BucketOptions
	local   *Store
	base    context.Context // of Has and of evictions, which have no caller's; ends with Close
	stop    context.CancelFunc
	reads   singleflight.Group
	size    atomic.Int64 // of the folder, estimated
	tidying atomic.Bool

	mu      sync.Mutex // guards what follows; never held while waiting for anything
	closed  bool
	shared  map[string]struct{} // keys that the bucket is known to hold
	bad     map[string]struct{} // keys whose objects are damaged
	rest    time.Time           // until when Has does not ask
	running sync.WaitGroup      // Add with mu held
}

// OpenBucket opens the pictures that a bucket holds. The bucket is not asked
// yet, so that a search service starts while it is down. objects belongs to the
// caller and is closed after the Bucket. ctx gives values to what the Bucket
// does later, not an end.
func OpenBucket(ctx context.Context, objects Objects, o BucketOptions) (*Bucket, error) {
	local, err := Open(o.Dir)
	if err != nil {
		return nil, err
	}
	b := &Bucket{
		objects: objects, options: o.withDefaults(), local: local,
		shared: make(map[string]struct{}), bad: make(map[string]struct{}),
	}
	b.base, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	if o.Budget > 0 {
		b.tidy() // finds out how large the folder is
	}
	return b, nil
}

func objectName(key string) string { return path.Join("pictures", key[:2], key) }

// Put stores data in the bucket and in the folder in front and returns its key,
// the sha256 in hex. When it has returned, other machines can read the picture.
// An upload that failed is not made up for: the error says to call it again.
func (b *Bucket) Put(ctx context.Context, data []byte) (key string, err error) {
	if key, err = keyOf(data); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if !b.begin() {
		return "", store.ErrClosed
	}
	defer b.running.Done()
	if err := b.share(ctx, key, func() ([]byte, error) { return data, nil }); err != nil {
		return "", err
	}
	written, err := b.local.keep(ctx, key, data)
	if err != nil {
		return "", err
	}
	if written {
		b.grew(len(data))
	}
	return key, nil
}

// share makes sure that the bucket holds a picture. Only where the folder has it
// is the bucket asked first: a new picture would cost two requests instead of
// one, an old one costs one without its bytes.
func (b *Bucket) share(ctx context.Context, key string, read func() ([]byte, error)) error {
	shared, bad := b.known(key)
	if shared {
		return nil
	}
	writing, cancel := context.WithTimeout(ctx, b.options.WriteTimeout)
	defer cancel()
	there, err := false, error(nil)
	if !bad && b.local.Has(key) {
		there, err = b.objects.Exists(writing, objectName(key))
	}
	if err == nil && !there {
		var data []byte
		if data, err = read(); err != nil {
			return err
		}
		err = b.objects.Write(writing, objectName(key), data)
	}
	switch {
	case err == nil:
		b.noteShared(key)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("store picture %s: %w: %w", key, ErrUnavailable, err)
}

// Get returns the bytes stored under key, verified. What the folder in front has
// not, or has damaged, is read from the bucket, once for all who ask meanwhile,
// and kept. A picture that neither has is ErrNotFound; a bucket that fails or
// takes longer than ReadTimeout is ErrUnavailable. The caller owns the bytes.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := b.local.Get(ctx, key)
	switch {
	case err == nil:
		b.used(key)
		return data, nil
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrInvalid), ctx.Err() != nil:
		return nil, err
	}
	return b.fetch(ctx, key)
}

// errLeft says that a read ended because the caller that began it left.
var errLeft = errors.New("the read was given up")

// fetch waits for the read of a picture from the bucket. The read ends with the
// caller that began it, so that there are never more of them than callers; the
// others then begin one of their own.
func (b *Bucket) fetch(ctx context.Context, key string) ([]byte, error) {
	for {
		read := b.reads.DoChan(key, func() (any, error) { return b.download(ctx, key) })
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case got := <-read:
			if errors.Is(got.Err, errLeft) && ctx.Err() == nil {
				continue
			}
			if got.Err != nil {
				return nil, got.Err
			}
			data := got.Val.([]byte)
			if got.Shared {
				data = bytes.Clone(data)
			}
			return data, nil
		}
	}
}

// download reads a picture from the bucket, verifies it and keeps it.
func (b *Bucket) download(ctx context.Context, key string) ([]byte, error) {
	if !b.begin() {
		return nil, store.ErrClosed
	}
	defer b.running.Done()
	reading, cancel := context.WithTimeout(ctx, b.options.ReadTimeout)
	defer cancel()
	data, err := b.objects.Read(reading, objectName(key), MaxBytes)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", errLeft, ctx.Err())
	case errors.Is(err, fs.ErrNotExist):
		b.noteGone(key)
		return nil, fmt.Errorf("%w: %s is neither in the folder nor in the bucket", ErrNotFound, key)
	case err != nil:
		return nil, fmt.Errorf("read picture %s: %w: %w", key, ErrUnavailable, err)
	case hashOf(data) != key:
		b.noteBad(key)
		return nil, fmt.Errorf("picture %s is damaged in the bucket; import it again", key)
	}
	b.noteShared(key)
	b.copyOf(ctx, key, data)
	return data, nil
}

// copyOf keeps what was read. A full disk in front must not take it away.
func (b *Bucket) copyOf(ctx context.Context, key string, data []byte) {
	written, err := b.local.keep(ctx, key, data)
	switch {
	case err != nil && ctx.Err() == nil:
		b.options.Failed(fmt.Errorf("keep a copy of picture %s: %w", key, err))
	case written:
		b.grew(len(data))
	}
}

// Close waits for what is under way, ends evictions and makes later calls fail
// with store.ErrClosed.
func (b *Bucket) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.stop()
	b.running.Wait() // each has its own timeout
	return b.local.Close()
}

// begin counts something that Close waits for.
func (b *Bucket) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.running.Add(1)
	return true
}
