package features

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"sightline/store"
)

// upload is one record on its way to the bucket.
type upload struct {
	object []byte
	done   chan struct{} // closed when it ended, well or not
}

// Put begins to store the patch states of a picture (key: sha256 hex) in the
// bucket and returns; it waits only while as many uploads as allowed are under
// way. They can be read at once. Whether they arrived is for Sync to say: if
// not, they are forgotten, so that Has asks for them again. A picture that is
// stored already is left as it is.
func (b *Bucket) Put(ctx context.Context, picture string, r Record) error {
	k, err := parseKey(picture)
	if err != nil {
		return err
	}
	object, err := encodeObject(b.fingerprint, k, r)
	if err != nil {
		return fmt.Errorf("picture %s: %w", picture, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.local.Has(picture) {
		return nil
	}
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	u, err := b.enter(k, object)
	if err != nil || u == nil {
		<-b.slots
		return err
	}
	go b.send(context.WithoutCancel(ctx), k, u)
	return nil
}

// enter notes an upload; nil when the same picture is on its way already.
func (b *Bucket) enter(k key, object []byte) (*upload, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, store.ErrClosed
	}
	if b.uploads[k] != nil {
		return nil, nil
	}
	u := &upload{object: object, done: make(chan struct{})}
	b.uploads[k] = u
	b.running.Add(1)
	return u, nil
}

// send uploads first and fills the Store in front afterwards: the other way
// round, a failed upload would never be made up for.
func (b *Bucket) send(ctx context.Context, k key, u *upload) {
	defer b.running.Done()
	writing, cancel := context.WithTimeout(ctx, b.options.WriteTimeout)
	defer cancel()
	err := b.objects.Write(writing, objectName(b.fingerprint, k), u.object)
	if err == nil {
		b.uploaded.Add(1)
		if r, decodeErr := decodeObject(b.fingerprint, k, u.object); decodeErr == nil {
			_ = b.local.Put(ctx, k.String(), r) // see download
		}
	} else {
		b.failures.Add(1)
		err = fmt.Errorf("store patch states of %s: %w: %w", k, ErrUnavailable, err)
	}
	b.finish(k, u, err)
	<-b.slots
}

func (b *Bucket) finish(k key, u *upload, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.uploads, k)
	if err == nil {
		delete(b.absent, k)
		delete(b.bad, k)
	} else {
		b.failed = append(b.failed, err)
	}
	close(u.done)
}

// uploading returns a record that is on its way.
func (b *Bucket) uploading(k key) (Record, bool) {
	b.mu.Lock()
	u := b.uploads[k]
	b.mu.Unlock()
	if u == nil {
		return Record{}, false
	}
	r, err := decodeObject(b.fingerprint, k, bytes.Clone(u.object))
	return r, err == nil
}

// Sync waits until every Put before it arrived in the bucket, and returns the
// errors of those that did not, once.
func (b *Bucket) Sync() error {
	b.mu.Lock()
	closed := b.closed
	waiting := make([]*upload, 0, len(b.uploads))
	for _, u := range b.uploads {
		waiting = append(waiting, u)
	}
	b.mu.Unlock()
	if closed {
		return store.ErrClosed
	}
	for _, u := range waiting {
		<-u.done
	}
	return b.takeFailed()
}

// reported bounds how many errors one message repeats; in an outage all say
// the same.
const reported = 3

func (b *Bucket) takeFailed() error {
	b.mu.Lock()
	failed := b.failed
	b.failed = nil
	b.mu.Unlock()
	if n := len(failed) - reported; n > 0 {
		failed = append(failed[:reported:reported], fmt.Errorf("and %d more", n))
	}
	return errors.Join(failed...)
}

// Delete drops the patch states of pictures that nothing refers to any more,
// in the bucket and in the Store in front. Other programs may keep theirs in
// front until their budget drops them. It waits for the bucket; where an error
// is returned, call it again.
func (b *Bucket) Delete(ctx context.Context, pictures ...string) error {
	keys := make([]key, len(pictures))
	for i, picture := range pictures {
		var err error
		if keys[i], err = parseKey(picture); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !b.begin() {
		return store.ErrClosed
	}
	defer b.running.Done()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.options.Uploads)
	for _, k := range keys {
		group.Go(func() error { return b.deleteOne(ctx, k) })
	}
	return group.Wait()
}

func (b *Bucket) deleteOne(ctx context.Context, k key) error {
	ctx, cancel := context.WithTimeout(ctx, b.options.WriteTimeout)
	defer cancel()
	b.mu.Lock()
	u := b.uploads[k]
	b.mu.Unlock()
	if u != nil { // else it would arrive after it was deleted
		<-u.done
	}
	if err := b.objects.Delete(ctx, objectName(b.fingerprint, k)); err != nil {
		b.failures.Add(1)
		return fmt.Errorf("delete patch states of %s: %w: %w", k, ErrUnavailable, err)
	}
	return b.local.Delete(ctx, k.String())
}

// Close waits for uploads under way, closes the Store in front, and returns
// the errors that no Sync returned.
func (b *Bucket) Close() error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if again {
		return nil
	}
	b.running.Wait() // each has its own timeout
	if err := errors.Join(b.takeFailed(), b.local.Close()); err != nil {
		return fmt.Errorf("close patch states: %w", err)
	}
	return nil
}

// BucketStats are the numbers of a Bucket. The counters begin with OpenBucket.
type BucketStats struct {
	Local    Stats // of the Store in front; its hits are Get without a request
	Fetched  int64 // records read from the bucket
	Missing  int64 // asked for in the bucket and not there
	Damaged  int64 // objects of the bucket that are no record of that picture and model
	Uploaded int64
	Failures int64  // reads, uploads and deletions that failed
	Breaker  string // "closed" while the bucket is in use, "open" while it is left alone, "half-open" between
}

// Stats returns the numbers of now.
func (b *Bucket) Stats() BucketStats {
	return BucketStats{
		Local:   b.local.Stats(),
		Fetched: b.fetched.Load(), Missing: b.missing.Load(), Damaged: b.damaged.Load(),
		Uploaded: b.uploaded.Load(), Failures: b.failures.Load(), Breaker: b.guard.breaker.State().String(),
	}
}
