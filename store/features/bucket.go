package features

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"sightline/store"
)

// ErrUnavailable says that the bucket failed or did not answer in time. It is
// the reason why there are no patch states, and no reason to fail a search.
var ErrUnavailable = errors.New("the bucket of patch states is not available")

// Objects is what a Bucket needs of an object store; bucket.Bucket is one. All
// methods are called at the same time and must return soon after ctx ends.
type Objects interface {
	// Read returns an object of at most limit bytes; one that is not there is
	// fs.ErrNotExist.
	Read(ctx context.Context, name string, limit int64) ([]byte, error)
	// Write stores an object, whole or not at all, in place of an earlier one.
	Write(ctx context.Context, name string, data []byte) error
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	Exists(ctx context.Context, name string) (bool, error)
}

// BucketOptions of a Bucket; zero values mean the defaults, but Dir is needed.
type BucketOptions struct {
	Dir   string  // folder of the Store in front; nothing else may be in it
	Local Options // of that Store; a Budget keeps it to what is used most
	// ReadTimeout bounds what a Get or Has may wait for the bucket; default
	// 300 ms. A healthy S3 gives 0.45 MB in 30 to 100 ms.
	ReadTimeout time.Duration
	// WriteTimeout bounds one upload or deletion; default 30 s.
	WriteTimeout time.Duration
	// Uploads is how many run at once, and how many records may wait in
	// memory; default 8.
	Uploads int
	// Changed is told when the circuit breaker changes to "open", "half-open"
	// or "closed", with the last failure before it. It must be quick and not
	// call the Bucket.
	Changed func(breaker string, cause error)
}

func (o BucketOptions) withDefaults() BucketOptions {
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = 300 * time.Millisecond
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.Uploads <= 0 {
		o.Uploads = 8
	}
	return o
}

// Bucket holds patch states in an object store that several programs share,
// with a Store in front that keeps what this one used last. All methods may be
// called at the same time. The Store holds nothing that the bucket did not
// once hold, so that losing its folder costs time only.
type Bucket struct {
	objects     Objects
	fingerprint string
	options     BucketOptions
	local       *Store
	base        context.Context // of reads, which outlive the call that began them; each has a timeout
	reads       singleflight.Group
	guard       *guard
	slots       chan struct{} // one value for each upload

	mu      sync.Mutex // guards what follows; never held while waiting for anything
	closed  bool
	uploads map[key]*upload
	failed  []error           // of uploads, for the next Sync
	absent  map[key]time.Time // pictures that the bucket had nothing of, and until when that is believed
	bad     map[key]struct{}  // pictures whose objects are damaged
	running sync.WaitGroup    // reads and uploads; Add with mu held

	fetched, missing, damaged, uploaded, failures atomic.Int64
}

// OpenBucket opens the patch states that a bucket holds for the model with
// that fingerprint. The bucket is not asked yet, so that a search service
// starts while it is down. objects belongs to the caller and is closed after
// the Bucket. ctx gives values to what the Bucket does later, not an end.
func OpenBucket(ctx context.Context, objects Objects, fingerprint string, o BucketOptions) (*Bucket, error) {
	o = o.withDefaults()
	local, err := OpenWith(o.Dir, fingerprint, o.Local)
	if err != nil {
		return nil, err
	}
	b := &Bucket{
		objects: objects, fingerprint: objectsOf(fingerprint, local.Grid()), options: o, local: local,
		guard: newGuard(o.ReadTimeout, o.Changed), slots: make(chan struct{}, o.Uploads),
		base: context.WithoutCancel(ctx), uploads: make(map[key]*upload), absent: make(map[key]time.Time), bad: make(map[key]struct{}),
	}
	return b, nil
}

// Recovered tells what had to be repaired in the Store in front.
func (b *Bucket) Recovered() Recovery { return b.local.Recovered() }

// Len returns the number of pictures that the Store in front holds; counting
// those of the bucket would take one request a thousand.
func (b *Bucket) Len() int { return b.local.Len() }

// Get returns the patch states of a picture (key: sha256 hex), false when
// there are none. What the Store in front has not is read from the bucket,
// once for all who ask meanwhile, for at most ReadTimeout; then, or when the
// bucket has been failing, the error wraps ErrUnavailable. The caller owns the
// record.
func (b *Bucket) Get(ctx context.Context, picture string) (Record, bool, error) {
	k, err := parseKey(picture)
	if err != nil {
		return Record{}, false, err
	}
	if err := ctx.Err(); err != nil {
		return Record{}, false, err
	}
	if r, ok := b.uploading(k); ok {
		return r, true, nil
	}
	r, ok, err := b.local.Get(ctx, picture)
	if ok || errors.Is(err, store.ErrClosed) || ctx.Err() != nil {
		return r, ok, err
	}
	return b.fetch(ctx, k) // damage in front is repaired by it
}

// fetch waits for the read of a picture from the bucket.
func (b *Bucket) fetch(ctx context.Context, k key) (Record, bool, error) {
	if b.knownAbsent(k) {
		return Record{}, false, nil
	}
	waiting, cancel := context.WithTimeout(ctx, b.options.ReadTimeout)
	defer cancel()
	read := b.reads.DoChan(k.String(), func() (any, error) { return b.download(k) })
	select {
	case got := <-read:
		if errors.Is(got.Err, fs.ErrNotExist) {
			return Record{}, false, nil
		}
		if got.Err != nil {
			return Record{}, false, got.Err
		}
		r := got.Val.(Record)
		if got.Shared {
			r = r.clone()
		}
		return r, true, nil
	case <-waiting.Done():
		if ctx.Err() != nil {
			return Record{}, false, ctx.Err()
		}
		return Record{}, false, fmt.Errorf("%w: no answer in %v", ErrUnavailable, b.options.ReadTimeout)
	}
}

// download reads a picture from the bucket and puts it into the Store in front.
func (b *Bucket) download(k key) (Record, error) {
	if !b.begin() {
		return Record{}, store.ErrClosed
	}
	defer b.running.Done()
	var data []byte
	err := b.guard.do(b.base, func(ctx context.Context) (err error) {
		data, err = b.objects.Read(ctx, objectName(b.fingerprint, k), maxObject)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		b.missing.Add(1)
		b.noteAbsent(k)
		return Record{}, err
	}
	if err != nil {
		b.failures.Add(1)
		return Record{}, err
	}
	r, err := decodeObject(b.fingerprint, k, data)
	if err != nil {
		b.damaged.Add(1)
		b.noteAbsent(k) // asking at once again would give the same
		b.mu.Lock()
		b.bad[k] = struct{}{}
		b.mu.Unlock()
		return Record{}, err
	}
	b.fetched.Add(1)
	// A full disk in front must not take away what was read; it shows in Stats.
	_ = b.local.Put(b.base, k.String(), r)
	return r, nil
}

// Has tells whether patch states of the picture are stored, so that nobody
// need make them. It asks the bucket if need be, for at most ReadTimeout; when
// that does not answer, they are taken for missing.
func (b *Bucket) Has(picture string) bool {
	k, err := parseKey(picture)
	if err != nil {
		return false
	}
	if _, ok := b.uploading(k); ok || b.local.Has(picture) {
		return true
	}
	b.mu.Lock()
	_, bad := b.bad[k]
	b.mu.Unlock()
	if bad || !b.begin() {
		return false
	}
	defer b.running.Done()
	found := false
	err = b.guard.do(b.base, func(ctx context.Context) (err error) {
		found, err = b.objects.Exists(ctx, objectName(b.fingerprint, k))
		return err
	})
	return found && err == nil
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

const (
	// absentFor is how long a picture that the bucket has nothing of is not
	// asked for again: one search asks for a hundred, and a page of searches
	// for the same ones.
	absentFor = 10 * time.Second
	// absentMost bounds the memory of that: 6 MB.
	absentMost = 1 << 16
)

func (b *Bucket) knownAbsent(k key) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, ok := b.absent[k]
	if ok && time.Now().After(until) {
		delete(b.absent, k)
		return false
	}
	return ok
}

func (b *Bucket) noteAbsent(k key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.absent) >= absentMost {
		clear(b.absent)
	}
	b.absent[k] = time.Now().Add(absentFor)
}
