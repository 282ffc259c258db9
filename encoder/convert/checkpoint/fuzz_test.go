package checkpoint_test

import (
	"archive/zip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/convert/checkpoint"
)

var update = flag.Bool("update", false, "write the seed corpora under testdata/fuzz again")

func FuzzSafetensors(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) { readAll(t, "x.safetensors", content) })
}

func FuzzZip(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) { readAll(t, "x.bin", content) })
}

// FuzzPickle puts the pickle beside two storages, so that what it builds is
// read as well.
func FuzzPickle(f *testing.F) {
	f.Fuzz(func(t *testing.T, pickle []byte) {
		zeros := strings.Repeat("\x00\x01\x02\x03\x04\x05\x06\x07", 8)
		readAll(t, "x.bin", torchZip(t, string(pickle), part{name: "archive/data/0", content: zeros}, part{name: "archive/data/1", content: zeros}))
	})
}

// readAll holds what must be true of every input: an error names the file and
// the tensor, and a tensor that can be read has exactly the size it states.
func readAll(t *testing.T, path string, content []byte) {
	c, err := checkpoint.OpenBytes(path, content)
	if err != nil {
		if !strings.Contains(err.Error(), path) {
			t.Fatalf("the error does not name the file: %v", err)
		}
		return
	}
	for _, name := range c.Names() {
		tensor, ok := c.Tensor(name)
		if !ok || tensor.Len() < 0 {
			t.Fatalf("tensor %q: found %v, %d elements", name, ok, tensor.Len())
		}
		if tensor.Len() > 1<<16 { // expanded views; a size that only slows fuzzing
			continue
		}
		var n counter
		err := tensor.WriteFloat32(&n)
		if err == nil && int64(n) != 4*tensor.Len() {
			t.Fatalf("tensor %q: wrote %d bytes for %d elements", name, n, tensor.Len())
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%s: tensor %.200q", path, name)) {
			t.Fatalf("the error does not name file and tensor: %v", err)
		}
	}
	closeIt(t, c)
}

type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}

// TestUpdateCorpora writes the seeds; `go test` alone runs them, as committed.
func TestUpdateCorpora(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	for target, seeds := range map[string]map[string]string{"FuzzSafetensors": safetensorsSeeds(t), "FuzzPickle": pickleSeeds(t), "FuzzZip": zipSeeds(t)} {
		folder := filepath.Join("testdata", "fuzz", target)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, seed := range seeds {
			content := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", seed)
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func safetensorsSeeds(t *testing.T) map[string]string {
	two := func(a, b string) string {
		header := `{"a":{"dtype":"F32","shape":[2],"data_offsets":` + a + `},"b":{"dtype":"F16","shape":[2,2],"data_offsets":` + b + `}}`
		return string(safetensors(header, make([]byte, 16)))
	}
	return map[string]string{
		"real": testdata(t, "plain.safetensors"), "other-types": testdata(t, "other_types.safetensors"),
		"two": two("[0,8]", "[8,16]"), "overlap": two("[0,8]", "[4,12]"), "hole": two("[0,8]", "[9,17]"), "swapped": two("[8,16]", "[0,8]"),
		"negative": two("[-8,0]", "[8,16]"), "huge-header": "\x00\x00\x00\x00\x00\x00\x00\x80{}", "empty": string(safetensors("{}", nil)),
		"overflow":  string(safetensors(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}`, nil)),
		"duplicate": string(safetensors(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, []byte{1})),
		"metadata":  string(safetensors(`{"__metadata__":{"format":"pt"}}  `, nil)),
	}
}

func pickleSeeds(t *testing.T) map[string]string {
	ref := storageRef("FloatStorage", "0", 16)
	seeds := map[string]string{
		"os-system": program(call("os", "system", str("id"))), "cycle": program("}q\x00(" + str("model") + "h\x00u"),
		"strided":   program(dictOf(str("w"), tensorOf(ref, 1, nums(3, 5), nums(1, 3)))),
		"expanded":  program(dictOf(str("w"), tensorOf(ref, 0, nums(4, 4, 16), nums(0, 0, 1)))),
		"outside":   program(dictOf(str("w"), tensorOf(ref, 8, nums(4, 4), nums(4, 1)))),
		"parameter": program(dictOf(str("w"), call("torch._utils", "_rebuild_parameter", tensorOf(storageRef("LongStorage", "1", 8), 0, nums(8), nums(1)), "\x88", "}"))),
		"wrapper":   program(dictOf(str("model"), call("collections", "OrderedDict")+"("+str("w")+tensorOf(ref, 0, nums(16), nums(1))+"u}b", str("epoch"), "K\x05")),
		"stack":     "\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01w\x94h\x00s.", "marks": "\x80\x02((((0000}.",
		"memo": program("]q\x00](h\x00h\x00eq\x01" + "0"),
	}
	for _, name := range []string{"plain.bin", "protocol4.bin", "training.pth", "tied_metadata.bin", "parameters.bin"} {
		seeds["real-"+strings.TrimSuffix(name, filepath.Ext(name))] = pickleIn(t, name)
	}
	return seeds
}

func pickleIn(t *testing.T, name string) string {
	t.Helper()
	archive, err := zip.NewReader(strings.NewReader(testdata(t, name)), int64(len(testdata(t, name))))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := archive.Open(strings.TrimSuffix(name, filepath.Ext(name)) + "/data.pkl")
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(entry)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func zipSeeds(t *testing.T) map[string]string {
	good := program(dictOf(str("w"), floats(2)))
	return map[string]string{
		"real-plain": testdata(t, "plain.bin"), "real-strided": testdata(t, "strided.bin"), "real-nocrc": testdata(t, "nocrc.bin"),
		"small":   string(torchZip(t, good, data("0", 1, 2))),
		"missing": string(torchZip(t, good)), "short": string(torchZip(t, good, data("0", 1))),
		"twice":    string(torchZip(t, good, data("0", 1, 2), data("0", 1, 2))),
		"deflated": string(torchZip(t, good, part{name: "archive/data/0", content: "12345678", method: zip.Deflate})),
		"lies":     string(torchZip(t, good, part{header: &zip.FileHeader{Name: "archive/data/0", CompressedSize64: 1 << 40, UncompressedSize64: 1 << 40}, content: "12345678"})),
		"bomb":     string(torchZip(t, good, part{header: &zip.FileHeader{Name: "archive/data/0", Method: zip.Deflate, CompressedSize64: 20, UncompressedSize64: 8}, content: deflated(t, strings.Repeat("\x00", 9000))})),
		"foreign":  string(zipOf(t, part{name: "a/readme.txt", content: "hi"})), "empty": string(zipOf(t)),
	}
}
