package features

import (
	"errors"
	"hash/crc32"
	"reflect"
	"testing"

	"sightline/store"
)

// pooledOf is a record of two rows for five tokens.
func pooledOf(i int) Record {
	return Record{
		Tokens: 2, Width: 3, Int8: []int8{1, -2, 3, int8(i), 5, -127}, Scale: []float32{0.5, 2},
		Mean: []float32{1, 2, 3}, Of: []uint16{0, 1, 1, 0, 1},
	}
}

// TestPooledRecord: a pooled record comes back from memory, from the file after
// it was opened again, after compaction, and from a bucket's object.
func TestPooledRecord(t *testing.T) {
	dir, key := t.TempDir(), keyOf(7)
	s := mustOpen(t, dir)
	want := pooledOf(7)
	stored := func(s *Store, when string) {
		t.Helper()
		if got, ok, err := s.Get(t.Context(), key); !ok || err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, %v; want %+v", when, got, ok, err, want)
		}
	}
	if err := errors.Join(s.Put(t.Context(), key, want), s.Put(t.Context(), keyOf(8), recordOf(8))); err != nil {
		t.Fatal(err)
	}
	stored(s, "as put")
	for i := range 60 { // pushes the record into a sealed segment and makes most of that dead
		if err := s.Put(t.Context(), keyOf(8), recordOf(100+2*i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored(s, "compacted")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stored(mustOpen(t, dir), "opened again")

	k, err := parseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	object, err := encodeObject("model", k, want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeObject("model", k, object); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("object: %+v, %v", got, err)
	}
}

// TestPooledBytes: as docs/features.md counts them for ViT-B/16 at 384 px.
func TestPooledBytes(t *testing.T) {
	r := Record{Tokens: 145, Width: 768, Int8: make([]int8, 145*768), Scale: make([]float32, 145), Mean: make([]float32, 768), Of: make([]uint16, 577)}
	bytes, _, err := encode(key{}, r)
	if err != nil || len(bytes) != 116_230 {
		t.Errorf("%d bytes, %v", len(bytes), err)
	}
}

// TestPooledRefused: rows that are not there would be read behind the states.
func TestPooledRefused(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for name, edit := range map[string]func(*Record){
		"row that is not there": func(r *Record) { r.Of[4] = 2 },
		"fewer tokens":          func(r *Record) { r.Of = r.Of[:1] },
		"no tokens":             func(r *Record) { r.Of = []uint16{} },
		"float32":               func(r *Record) { r.Int8, r.Scale, r.Mean, r.Float = nil, nil, nil, make([]float32, 6) },
	} {
		r := pooledOf(1)
		edit(&r)
		if err := s.Put(t.Context(), keyOf(1), r); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPooledDamaged: a checksum says that bytes are as written, not that they
// make sense.
func TestPooledDamaged(t *testing.T) {
	bytes, h, err := encode(key{}, pooledOf(1))
	if err != nil {
		t.Fatal(err)
	}
	payload := bytes[headerSize:]
	payload[len(payload)-1] = 9 // the last token's row, high byte
	h.sum = crc32.Checksum(payload, castagnoli())
	if _, err := verify(h, payload); !errors.Is(err, errDamaged) {
		t.Errorf("verify: %v", err)
	}
}
