package checkpoint_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"sightline/encoder/convert/checkpoint"
)

func TestOpenSaysWhatAFileIs(t *testing.T) {
	tar := make([]byte, 1024)
	copy(tar[257:], "ustar\x0000")
	cases := map[string]struct {
		name, content, want string
	}{
		"tar":         {"old.pth", string(tar), "torch.save(torch.load("},
		"lfs":         {"a.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
		"hdf5":        {"tf_model.h5", "\x89HDF\r\n\x1a\n0000", "TensorFlow"},
		"index":       {"model.safetensors.index.json", `{"weight_map": {}}`, "sharded"},
		"text":        {"a.bin", "hello, world", "neither safetensors nor a zip"},
		"one byte":    {"a.bin", "x", "neither safetensors nor a zip"},
		"empty":       {"a.bin", "", "is empty"},
		"broken zip":  {"a.bin", "PK\x03\x04 and no more", "zip directory"},
		"foreign zip": {"a.zip", string(zipOf(t, part{name: "a/readme.txt"})), "data.pkl"},
		"short":       {"a.safetensors", "\x01\x00", "truncated"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, c.name, []byte(c.content))
			_, err := checkpoint.Open(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the path in it", err, c.want)
			}
		})
	}
}

func TestOpenLegacyPickle(t *testing.T) {
	path := filepath.Join("testdata", "legacy.pth")
	if _, err := checkpoint.Open(path); err == nil || !strings.Contains(err.Error(), "torch.save(torch.load(") {
		t.Errorf("error %v, want how to save it again", err)
	}
}

func TestOpenMissingAndFolder(t *testing.T) {
	if _, err := checkpoint.Open(filepath.Join(t.TempDir(), "none.bin")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := checkpoint.Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: %v", err)
	}
}

func TestContainerIsToldByContent(t *testing.T) {
	for _, c := range []struct{ source, name string }{
		{"plain.safetensors", "pytorch_model.bin"}, {"plain.bin", "model.safetensors"},
	} {
		content, err := os.ReadFile(filepath.Join("testdata", c.source))
		if err != nil {
			t.Fatal(err)
		}
		ckpt, err := checkpoint.Open(writeFile(t, c.name, content))
		if err != nil {
			t.Fatal(err)
		}
		if got := values(t, ckpt, "f32"); len(got) != 12 {
			t.Errorf("%s as %s: %d values", c.source, c.name, len(got))
		}
		closeIt(t, ckpt)
	}
}

func TestTensorAfterClose(t *testing.T) {
	for _, name := range []string{"plain.safetensors", "plain.bin", "strided.bin"} {
		c, err := checkpoint.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		tensor, _ := c.Tensor(c.Names()[0])
		closeIt(t, c)
		closeIt(t, c) // twice is harmless
		if _, err := tensor.Float32s(); !errors.Is(err, checkpoint.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestZeroTensor(t *testing.T) {
	var zero checkpoint.Tensor
	if _, err := zero.Float32s(); err == nil {
		t.Error("a zero Tensor has values")
	}
	if err := zero.WriteFloat32(io.Discard); err == nil {
		t.Error("a zero Tensor was written")
	}
}

func TestTensorShapeIsACopy(t *testing.T) {
	c := openBytes(t, torchZip(t, program(dictOf(str("w"), floats(2))), data("0", 1, 2)))
	first, _ := c.Tensor("w")
	first.Shape[0] = 99
	if again, _ := c.Tensor("w"); again.Shape[0] != 2 {
		t.Errorf("shape became %v", again.Shape)
	}
	if _, ok := c.Tensor("none"); ok {
		t.Error("found a tensor that is not there")
	}
}

type failingWriter struct{ after int }

var errFull = errors.New("disk full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorNamesTensor(t *testing.T) {
	for _, layout := range []string{"row-major", "transposed"} {
		c := big(t, layout)
		tensor, _ := c.Tensor("big")
		err := tensor.WriteFloat32(&failingWriter{after: 1})
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), `tensor "big"`) {
			t.Errorf("%s: %v", layout, err)
		}
	}
}

// big is a [1200,500] tensor: more than two chunks.
func big(t testing.TB, layout string) *checkpoint.Checkpoint {
	t.Helper()
	strides := nums(500, 1)
	if layout == "transposed" {
		strides = nums(1, 1200)
	}
	all := make([]float32, 600_000)
	for i := range all {
		all[i] = float32(i)
	}
	pickle := program(dictOf(str("big"), tensorOf(storageRef("FloatStorage", "0", 600_000), 0, nums(1200, 500), strides)))
	return openBytes(t, torchZip(t, pickle, data("0", all...)))
}

// TestChunks crosses chunk borders in both orders.
func TestChunks(t *testing.T) {
	for layout, at := range map[string]func(i int) int{
		"row-major":  func(i int) int { return i },
		"transposed": func(i int) int { return i/500 + i%500*1200 },
	} {
		for i, v := range values(t, big(t, layout), "big") {
			if v != float32(at(i)) {
				t.Fatalf("%s: element %d is %v, want %d", layout, i, v, at(i))
			}
		}
	}
}

func TestConcurrentReadsAndClose(t *testing.T) {
	c, err := checkpoint.Open(filepath.Join("testdata", "strided.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for _, name := range c.Names() {
		tensor, _ := c.Tensor(name)
		readers.Go(func() {
			for range 50 {
				if err := tensor.WriteFloat32(io.Discard); err != nil && !errors.Is(err, checkpoint.ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	closeIt(t, c)
	readers.Wait()
}

// TestFileCutShortWhileOpen: touching a mapped page behind the file's end is a
// bus error, which must come out as an error and not end the process.
func TestFileCutShortWhileOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file in use cannot be cut short on Windows")
	}
	payload := make([]byte, 1<<20)
	path := writeFile(t, "w.safetensors", safetensors(`{"w":{"dtype":"F32","shape":[262144],"data_offsets":[0,1048576]}}`, payload))
	for how, open := range map[string]func(string) (*checkpoint.Checkpoint, error){"mapped": checkpoint.Open, "read": checkpoint.OpenUnmapped} {
		if err := os.WriteFile(path, safetensors(`{"w":{"dtype":"F32","shape":[262144],"data_offsets":[0,1048576]}}`, payload), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 100); err != nil {
			t.Fatal(err)
		}
		tensor, _ := c.Tensor("w")
		if _, err := tensor.Float32s(); err == nil || !strings.Contains(err.Error(), `tensor "w"`) {
			t.Errorf("%s: error %v", how, err)
		}
		closeIt(t, c)
	}
}

func TestPanicOfTheWriterIsNotSwallowed(t *testing.T) {
	c := openBytes(t, torchZip(t, program(dictOf(str("w"), floats(2))), data("0", 1, 2)))
	tensor, _ := c.Tensor("w")
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = tensor.WriteFloat32(panicWriter{})
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("mine") }

// TestHalves checks all 65,536 bit patterns of both half types against their
// definition.
func TestHalves(t *testing.T) {
	var raw []byte
	for i := range 1 << 16 {
		raw = append(raw, byte(i), byte(i>>8))
	}
	header := `{"h":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]},"b":{"dtype":"BF16","shape":[256,256],"data_offsets":[131072,262144]}}`
	c := openBytes(t, safetensors(header, append(bytes.Clone(raw), raw...)))
	half, brain := values(t, c, "h"), values(t, c, "b")
	for i := range 1 << 16 {
		if want := halfValue(i); half[i] != want && !(want != want && half[i] != half[i]) {
			t.Fatalf("half %#04x is %v, want %v", i, half[i], want)
		}
		if got := math.Float32bits(brain[i]); got != uint32(i)<<16 {
			t.Fatalf("bfloat16 %#04x is %#08x", i, got)
		}
	}
	if math.Float32bits(half[0x8000]) != 1<<31 {
		t.Error("-0 lost its sign")
	}
}

// halfValue is IEEE 754-2008 §3.4 in words: sign, 5 bits of exponent with bias
// 15, 10 bits of fraction.
func halfValue(bits int) float32 {
	sign := 1 - 2*float64(bits>>15)
	exp, frac := bits>>10&31, float64(bits&1023)
	switch exp {
	case 0:
		return float32(sign * math.Ldexp(frac, -24))
	case 31:
		if frac != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return float32(sign * math.Ldexp(1024+frac, exp-25))
}
