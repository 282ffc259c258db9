package features

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"sightline/store"
	"sightline/store/bucket"
)

// TestObjectOfAnotherModel puts an object where another model's belongs.
func TestObjectOfAnotherModel(t *testing.T) {
	dir := t.TempDir()
	objects, err := bucket.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	k, _ := parseKey(keyOf(1))
	object, err := encodeObject("another model", k, recordOf(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.Write(t.Context(), objectName("model", k), object); err != nil {
		t.Fatal(err)
	}
	b := mustOpenBucket(t, objects, BucketOptions{})
	if _, ok, err := b.Get(t.Context(), keyOf(1)); ok || !errors.Is(err, store.ErrFingerprint) {
		t.Errorf("got %v, %v", ok, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "features", "1", "model", "00", keyOf(1))); err != nil || len(left) != 1 {
		t.Errorf("objects in other places than told: %v, %v", left, err)
	}
}

func TestObjectRefusals(t *testing.T) {
	k, _ := parseKey(keyOf(1))
	other, _ := parseKey(keyOf(2))
	good, err := encodeObject("model", k, recordOf(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeObject("model", other, good); !errors.Is(err, errDamaged) {
		t.Errorf("another picture's: %v", err)
	}
	if _, err := decodeObject("model", k, append(bytes.Clone(good), 0)); !errors.Is(err, errDamaged) {
		t.Errorf("longer: %v", err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		if _, err := decodeObject("model", k, bad); !errors.Is(err, errDamaged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := decodeObject("model", k, good[:i]); !errors.Is(err, errDamaged) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestObjectNames(t *testing.T) {
	k, _ := parseKey(keyOf(1))
	seen := map[string]string{}
	for _, f := range []string{"a", "a/b", "a%2Fb", "..", "ü", "A", string(bytes.Repeat([]byte("x"), 129))} {
		name := objectName(f, k)
		if was, ok := seen[name]; ok || len(name) > 256 || filepath.Clean(name) != name {
			t.Errorf("%q: %s, as %q", f, name, was)
		}
		seen[name] = f
	}
}

func FuzzObject(f *testing.F) {
	k, _ := parseKey(keyOf(1))
	for i := range 4 {
		good, err := encodeObject("model", k, recordOf(i))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(good)
		f.Add(good[:len(good)-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeObject("model", k, bytes.Clone(data))
		if err != nil {
			return
		}
		again, err := encodeObject("model", k, r)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("accepted what encodes to something else: %v", err)
		}
	})
}

func FuzzUse(f *testing.F) {
	f.Add([]byte(useMagic))
	f.Add([]byte(useMagic + "\x00\x00\x00\x00"))
	f.Add(append([]byte(useMagic), make([]byte, 12)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if order, ok := parseUse(data); ok && len(data) != len(useMagic)+4+8*len(order) {
			t.Fatalf("%d bytes make %d keys", len(data), len(order))
		}
	})
}
