package features

import (
	"context"
	"errors"
	"os"
	"reflect"
	"sync"
	"testing"

	_ "gocloud.dev/blob/memblob"

	"sightline/store"
	"sightline/store/bucket"
	"sightline/store/bucket/buckettest"
)

// states is what Store and Bucket have in common.
type states interface {
	Has(picture string) bool
	Put(ctx context.Context, picture string, r Record) error
	Get(ctx context.Context, picture string) (Record, bool, error)
	Delete(ctx context.Context, pictures ...string) error
	Sync() error
	Len() int
	Recovered() Recovery
	Close() error
}

// place to open states at, and to damage them.
type site struct {
	open func(t *testing.T, fingerprint string) (states, error)
	// damage changes the last byte stored for a picture. Nothing is open.
	damage func(t *testing.T, picture int)
}

func TestConformance(t *testing.T) {
	for name, make := range map[string]func(*testing.T) site{
		"local":         localSite,
		"bucket memory": func(t *testing.T) site { return bucketSite(t, "mem://") },
		"bucket folder": func(t *testing.T) site { return bucketSite(t, t.TempDir()) },
		"bucket s3": func(t *testing.T) site {
			_, address := buckettest.S3(t)
			return bucketSite(t, address)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for name, check := range map[string]func(*testing.T, site){
				"round trip": checkRoundTrip, "delete": checkDelete, "refusals": checkRefusals, "closed": checkClosed,
				"foreign": checkForeign, "damage": checkDamage, "together": checkTogether,
			} {
				t.Run(name, func(t *testing.T) { check(t, make(t)) })
			}
		})
	}
}

func localSite(t *testing.T) site {
	dir := t.TempDir()
	return site{
		open: func(_ *testing.T, fingerprint string) (states, error) { return Open(dir, fingerprint) },
		damage: func(t *testing.T, _ int) {
			path := segmentPath(dir, 1)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			flip(t, path, info.Size()-1)
		},
	}
}

// bucketSite opens with an empty Store in front each time.
func bucketSite(t *testing.T, address string) site {
	objects, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	return site{
		open: func(t *testing.T, fingerprint string) (states, error) {
			return OpenBucket(t.Context(), objects, fingerprint, BucketOptions{Dir: t.TempDir(), ReadTimeout: patient})
		},
		damage: func(t *testing.T, picture int) {
			k, _ := parseKey(keyOf(picture))
			name := objectName("model", k)
			data, err := objects.Read(t.Context(), name, maxObject)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)-1] ^= 1
			if err := objects.Write(t.Context(), name, data); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func (at site) must(t *testing.T) states {
	t.Helper()
	s, err := at.open(t, "model")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t *testing.T, s states, pictures ...int) {
	t.Helper()
	for _, i := range pictures {
		if err := s.Put(t.Context(), keyOf(i), recordOf(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func syncAll(t *testing.T, s states) {
	t.Helper()
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
}

func closeAll(t *testing.T, s states) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantRecord(t *testing.T, s states, i int) {
	t.Helper()
	got, ok, err := s.Get(t.Context(), keyOf(i))
	if err != nil || !ok || !reflect.DeepEqual(got, recordOf(i)) || !s.Has(keyOf(i)) {
		t.Errorf("picture %d: got %+v, %v, %v", i, got, ok, err)
	}
}

func wantNone(t *testing.T, s states, i int) {
	t.Helper()
	if _, ok, err := s.Get(t.Context(), keyOf(i)); ok || err != nil || s.Has(keyOf(i)) {
		t.Errorf("picture %d: got %v, %v, and Has is %v", i, ok, err, s.Has(keyOf(i)))
	}
}

func checkRoundTrip(t *testing.T, at site) {
	s := at.must(t)
	wantNone(t, s, 3)
	for i := range 20 {
		put(t, s, i)
		wantRecord(t, s, i) // at once
	}
	if err := s.Put(t.Context(), keyOf(4), recordOf(5)); err != nil { // stays as it is
		t.Error(err)
	}
	syncAll(t, s)
	if s.Len() != 20 {
		t.Errorf("%d pictures, want 20", s.Len())
	}
	closeAll(t, s)
	s = at.must(t)
	if s.Recovered() != (Recovery{}) {
		t.Errorf("recovered %+v", s.Recovered())
	}
	for i := range 20 {
		wantRecord(t, s, i)
		wantRecord(t, s, i) // and from the store in front
	}
	wantNone(t, s, 20)
}

func checkDelete(t *testing.T, at site) {
	s := at.must(t)
	put(t, s, 0, 1, 2)
	if err := s.Delete(t.Context(), keyOf(1), keyOf(7)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantRecord(t, s, 0)
		wantNone(t, s, 1)
		wantRecord(t, s, 2)
		syncAll(t, s)
		closeAll(t, s)
		s = at.must(t)
	}
	put(t, s, 1)
	wantRecord(t, s, 1)
	syncAll(t, s)
	closeAll(t, s)
	wantRecord(t, at.must(t), 1)
}

func checkRefusals(t *testing.T, at site) {
	s := at.must(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	good := recordOf(0)
	for name, err := range map[string]error{
		"put":    s.Put(cancelled, keyOf(0), good),
		"delete": s.Delete(cancelled, keyOf(0)),
		"get":    func() error { _, _, err := s.Get(cancelled, keyOf(0)); return err }(),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s cancelled: %v", name, err)
		}
	}
	for _, k := range []string{"", "ab", keyOf(1) + "0", "../" + keyOf(1)[3:]} {
		_, _, err := s.Get(t.Context(), k)
		if err := errors.Join(err, s.Put(t.Context(), k, good), s.Delete(t.Context(), keyOf(1), k)); !errors.Is(err, store.ErrInvalid) || s.Has(k) {
			t.Errorf("key %q: %v", k, err)
		}
	}
	if err := s.Put(t.Context(), keyOf(0), Record{Tokens: 1, Width: 2, Float: []float32{1}}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a record that does not fit: %v", err)
	}
	if s.Len() != 0 {
		t.Errorf("%d pictures stored", s.Len())
	}
	closeAll(t, s)
	if _, err := at.open(t, ""); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no fingerprint: %v", err)
	}
}

func checkClosed(t *testing.T, at site) {
	s := at.must(t)
	put(t, s, 1)
	closeAll(t, s)
	closeAll(t, s)
	_, _, getErr := s.Get(t.Context(), keyOf(1))
	for name, err := range map[string]error{
		"get": getErr, "put": s.Put(t.Context(), keyOf(2), recordOf(2)), "sync": s.Sync(), "delete": s.Delete(t.Context(), keyOf(1)),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Has(keyOf(1)) {
		t.Error("a closed store has nothing")
	}
	wantRecord(t, at.must(t), 1) // Close finished what was begun
}

// checkForeign wants states of another model to be refused or unseen.
func checkForeign(t *testing.T, at site) {
	s := at.must(t)
	put(t, s, 1)
	closeAll(t, s)
	other, err := at.open(t, "another model")
	if err != nil {
		if !errors.Is(err, store.ErrFingerprint) {
			t.Error(err)
		}
		return
	}
	defer closeAll(t, other)
	wantNone(t, other, 1)
}

func checkDamage(t *testing.T, at site) {
	s := at.must(t)
	put(t, s, 1)
	closeAll(t, s)
	at.damage(t, 1)
	s = at.must(t)
	if _, ok, err := s.Get(t.Context(), keyOf(1)); ok || !errors.Is(err, errDamaged) {
		t.Errorf("got %v, %v", ok, err)
	}
	wantNone(t, s, 1)
	put(t, s, 1)
	wantRecord(t, s, 1)
	syncAll(t, s)
	closeAll(t, s)
	wantRecord(t, at.must(t), 1)
}

// checkTogether has several callers read and write the same pictures.
func checkTogether(t *testing.T, at site) {
	s := at.must(t)
	put(t, s, upTo(10)...)
	syncAll(t, s)
	closeAll(t, s)
	s = at.must(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 15 {
				if err := s.Put(t.Context(), keyOf(i), recordOf(i)); err != nil {
					t.Error(err)
				}
				wantRecord(t, s, (i*7+worker)%min(i+1, 10))
			}
			if err := s.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 15 {
		wantRecord(t, s, i)
	}
}
