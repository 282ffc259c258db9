package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/convert/checkpoint"
)

// The pickle assembler: each function returns the opcodes of one value.

func program(root string) string { return "\x80\x02" + root + "." }

func global(module, name string) string { return "c" + module + "\n" + name + "\n" }

func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(v int64) string {
	if v == int64(int32(v)) {
		return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	}
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

func tup(items ...string) string { return "(" + strings.Join(items, "") + "t" }

func nums(values ...int64) string {
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = num(v)
	}
	return tup(items...)
}

func dictOf(keysAndValues ...string) string { return "}(" + strings.Join(keysAndValues, "") + "u" }

func storageRef(class, key string, numel int64) string {
	return tup(str("storage"), global("torch", class), str(key), str("cpu"), num(numel)) + "Q"
}

func call(module, name string, args ...string) string {
	return global(module, name) + tup(args...) + "R"
}

func tensorOf(storage string, offset int64, shape, strides string) string {
	return call("torch._utils", "_rebuild_tensor_v2", storage, num(offset), shape, strides, "\x89", call("collections", "OrderedDict"))
}

// floats is a float32 tensor over the whole storage "0" of n elements.
func floats(n int64) string {
	return tensorOf(storageRef("FloatStorage", "0", n), 0, nums(n), nums(1))
}

// part is one zip entry; header replaces an honest one.
type part struct {
	name    string
	content string
	method  uint16
	header  *zip.FileHeader
}

func zipOf(t testing.TB, parts ...part) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, p := range parts {
		var entry io.Writer
		var err error
		if p.header != nil {
			entry, err = w.CreateRaw(p.header)
		} else if p.method == zip.Deflate {
			entry, err = w.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate})
		} else {
			size := uint64(len(p.content))
			entry, err = w.CreateRaw(&zip.FileHeader{Name: p.name, CompressedSize64: size, UncompressedSize64: size, CRC32: crc32.ChecksumIEEE([]byte(p.content))})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, p.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// torchZip is what torch.save writes for a pickle and its storages.
func torchZip(t testing.TB, pickle string, storages ...part) []byte {
	t.Helper()
	parts := []part{{name: "archive/data.pkl", content: pickle}, {name: "archive/byteorder", content: "little"}}
	return zipOf(t, append(append(parts, storages...), part{name: "archive/version", content: "3\n"})...)
}

// data is a stored storage entry.
func data(key string, values ...float32) part {
	return part{name: "archive/data/" + key, content: string(f32bytes(values...))}
}

func f32bytes(values ...float32) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

func safetensors(header string, payload []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), payload...)
}

func writeFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openBytes opens content that has to be valid.
func openBytes(t testing.TB, content []byte) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.OpenBytes("made.bin", content)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeIt(t, c) })
	return c
}

func closeIt(t testing.TB, c *checkpoint.Checkpoint) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// refused opens content that has to give an error with the file's name and all
// the words in it.
func refused(t *testing.T, content []byte, words ...string) {
	t.Helper()
	const path = "folder/broken.bin"
	c, err := checkpoint.OpenBytes(path, content)
	if err == nil {
		closeIt(t, c)
		t.Fatal("opened without an error")
	}
	for _, word := range append(words, path) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not mention %q", err, word)
		}
	}
}

func values(t testing.TB, c *checkpoint.Checkpoint, name string) []float32 {
	t.Helper()
	tensor, ok := c.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %q among %q", name, c.Names())
	}
	out, err := tensor.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sameBits compares exactly: -0 and 0 differ, equal NaNs do not.
func sameBits(got, want []float32) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			return fmt.Errorf("value %d is %v, want %v", i, got[i], want[i])
		}
	}
	return nil
}
