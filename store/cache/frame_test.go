package cache

import (
	"bytes"
	"testing"
)

func TestFrame(t *testing.T) {
	for _, value := range []string{"", "x", "\x01\x02", string(make([]byte, 100_000))} {
		frame := appendFrame(nil, "key", []byte(value))
		got, err := decodeFrame("key", frame)
		if err != nil || string(got) != value {
			t.Errorf("%d bytes came back as %d, %v", len(value), len(got), err)
		}
		if _, err := decodeFrame("kez", frame); err == nil {
			t.Errorf("%d bytes of another key are accepted", len(value))
		}
	}
}

// Every cut and every changed bit of a frame is noticed.
func TestFrameDamage(t *testing.T) {
	frame := appendFrame(nil, "key", []byte("some value"))
	for i := range frame {
		if _, err := decodeFrame("key", frame[:i]); err == nil {
			t.Errorf("a frame cut at %d is accepted", i)
		}
		for bit := range 8 {
			damaged := bytes.Clone(frame)
			damaged[i] ^= 1 << bit
			if _, err := decodeFrame("key", damaged); err == nil {
				t.Errorf("a frame with bit %d of byte %d changed is accepted", bit, i)
			}
		}
	}
	if _, err := decodeFrame("key", append(frame, 0)); err == nil {
		t.Error("a frame with a byte too many is accepted")
	}
}

// FuzzFrame: what is accepted is exactly what would be written.
func FuzzFrame(f *testing.F) {
	f.Add("key", appendFrame(nil, "key", []byte("value")))
	f.Add("", appendFrame(nil, "", nil))
	f.Add("key", []byte("a value of another program"))
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		if value, err := decodeFrame(key, data); err == nil && !bytes.Equal(appendFrame(nil, key, value), data) {
			t.Fatalf("a frame that we would not write is accepted: key %q, %x", key, data)
		}
		if value, err := decodeFrame(key, appendFrame(nil, key, data)); err != nil || !bytes.Equal(value, data) {
			t.Fatalf("value %x came back as %x, %v", data, value, err)
		}
	})
}
