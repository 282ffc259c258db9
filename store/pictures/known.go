package pictures

import (
	"context"
	"time"
)

const (
	// mostKnown bounds each memory of keys, to 10 MB. Forgetting costs a request.
	mostKnown = 1 << 16
	// hasRest is how long Has says no without asking, after the bucket failed: an
	// import asks for picture after picture.
	hasRest = time.Second
)

// Has tells whether a picture is stored: in the folder, or in the bucket as far
// as known. Where it is not known the bucket is asked, for at most HasTimeout;
// when that does not answer, the picture is taken for missing.
func (b *Bucket) Has(key string) bool {
	if b.local.Has(key) {
		return true
	}
	if !isKey(key) || !b.begin() {
		return false
	}
	defer b.running.Done()
	switch shared, bad := b.known(key); {
	case shared:
		return true
	case bad || b.resting():
		return false
	}
	ctx, cancel := context.WithTimeout(b.base, b.options.HasTimeout)
	defer cancel()
	found, err := b.objects.Exists(ctx, objectName(key))
	if err != nil {
		b.mu.Lock()
		b.rest = time.Now().Add(hasRest)
		b.mu.Unlock()
		return false
	}
	if found {
		b.noteShared(key)
	}
	return found
}

func (b *Bucket) resting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.rest)
}

func (b *Bucket) known(key string) (shared, bad bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, shared = b.shared[key]
	_, bad = b.bad[key]
	return shared, bad
}

func (b *Bucket) noteShared(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.bad, key)
	remember(b.shared, key)
}

// noteBad lets the next Put write the object anew.
func (b *Bucket) noteBad(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.shared, key)
	remember(b.bad, key)
}

func (b *Bucket) noteGone(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.shared, key)
}

func remember(keys map[string]struct{}, key string) {
	if len(keys) >= mostKnown {
		clear(keys)
	}
	keys[key] = struct{}{}
}
