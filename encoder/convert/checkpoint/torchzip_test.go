package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"math"
	"strings"
	"testing"
)

func TestTensorGeometry(t *testing.T) {
	ten := func(offset int64, shape, strides string) string {
		return program(dictOf(str("w"), tensorOf(storageRef("FloatStorage", "0", 10), offset, shape, strides)))
	}
	cases := map[string]struct{ pickle, word string }{
		"too large":           {ten(0, nums(11), nums(1)), "leaves its storage"},
		"offset":              {ten(1, nums(10), nums(1)), "leaves its storage"},
		"offset at the end":   {ten(10, nums(), nums()), "leaves its storage"},
		"offset behind":       {ten(11, nums(0), nums(1)), "begins at element 11"},
		"negative offset":     {ten(-1, nums(1), nums(1)), "begins at element -1"},
		"stride":              {ten(0, nums(4, 3), nums(3, 1)), "leaves its storage"},
		"huge stride":         {ten(0, nums(2, 2), nums(math.MaxInt64, 1)), "leaves its storage"},
		"strides add up":      {ten(0, nums(2, 2), nums(5, 5)), "leaves its storage"},
		"negative stride":     {ten(9, nums(10), nums(-1)), "negative"},
		"negative dimension":  {ten(0, nums(-1, -10), nums(1, 1)), "negative dimension"},
		"overflow":            {ten(0, nums(1<<32, 1<<32), nums(0, 0)), "overflows"},
		"expanded bomb":       {ten(0, nums(1<<40), nums(0)), "repeats a storage"},
		"ranks differ":        {ten(0, nums(2, 2), nums(1)), "differ in length"},
		"no arguments":        {program(dictOf(str("w"), call("torch._utils", "_rebuild_tensor_v2"))), "0 arguments"},
		"wrong arguments":     {program(dictOf(str("w"), call("torch._utils", "_rebuild_tensor_v2", "N", num(0), "]", nums(1)))), "None, an integer, a list, a tuple"},
		"shape of strings":    {ten(0, tup(str("a")), nums(1)), "instead of a storage"},
		"entry is missing":    {program(dictOf(str("w"), tensorOf(storageRef("FloatStorage", "9", 1), 0, nums(1), nums(1)))), `storage "9" is missing`},
		"entry is too small":  {program(dictOf(str("w"), tensorOf(storageRef("LongStorage", "0", 6), 0, nums(1), nums(1)))), "40 bytes, 6 elements of I64 need more"},
		"storage of the root": {program(dictOf(str("w"), tensorOf(storageRef("FloatStorage", "../data.pkl", 1), 0, nums(1), nums(1)))), "is missing"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			refused(t, torchZip(t, c.pickle, data("0", make([]float32, 10)...)), `tensor "w"`, c.word)
		})
	}
}

func TestZipMalformed(t *testing.T) {
	good := program(dictOf(str("w"), floats(2)))
	storage := func(h zip.FileHeader, content string) []byte {
		h.Name = "archive/data/0"
		return torchZip(t, good, part{header: &h, content: content})
	}
	whole := torchZip(t, good, data("0", 1, 2))
	bomb := deflated(t, strings.Repeat("\x00", 1<<20))
	cases := map[string]struct {
		content []byte
		words   []string
	}{
		"truncated":     {whole[:len(whole)/2], []string{"truncated"}},
		"big-endian":    {zipOf(t, part{name: "a/data.pkl", content: good}, part{name: "a/byteorder", content: "big"}), []string{`"big"`, "little-endian"}},
		"name twice":    {torchZip(t, good, data("0", 1, 2), data("0", 1, 2)), []string{"data/0", "twice"}},
		"two pickles":   {torchZip(t, good, part{name: "other/data.pkl"}), []string{"more than one data.pkl"}},
		"no pickle":     {zipOf(t, part{name: "a/b/data.pkl"}, part{name: "data.pkl"}), []string{"without a data.pkl"}},
		"huge pickle":   {zipOf(t, part{name: "a/data.pkl", content: strings.Repeat("N", 16<<20+1)}), []string{"data.pkl", "more than 16777216"}},
		"packed pickle": {zipOf(t, part{name: "a/data.pkl", content: strings.Repeat("N", 16<<20+1), method: zip.Deflate}), []string{"data.pkl", "more than 16777216"}},
		"sizes differ":  {storage(zip.FileHeader{CompressedSize64: 8, UncompressedSize64: 80}, "12345678"), []string{`tensor "w"`, "claims 80"}},
		"behind the end": {
			storage(zip.FileHeader{CompressedSize64: 1 << 30, UncompressedSize64: 1 << 30}, "12345678"),
			[]string{`tensor "w"`, "behind the file's end"},
		},
		"absurd size": {storage(zip.FileHeader{CompressedSize64: 1<<63 + 8, UncompressedSize64: 1<<63 + 8}, "12345678"), []string{`tensor "w"`, "claims"}},
		"method":      {storage(zip.FileHeader{Method: 12, CompressedSize64: 8, UncompressedSize64: 8}, "12345678"), []string{`tensor "w"`, "method 12"}},
		"encrypted":   {storage(zip.FileHeader{Flags: 1, CompressedSize64: 8, UncompressedSize64: 8}, "12345678"), []string{`tensor "w"`, "encrypted"}},
		"bomb by claim": {
			storage(zip.FileHeader{Method: zip.Deflate, CompressedSize64: uint64(len(bomb)), UncompressedSize64: 10 << 30}, bomb),
			[]string{`tensor "w"`, "more than 268435456"},
		},
		"bomb by ratio": {
			storage(zip.FileHeader{Method: zip.Deflate, CompressedSize64: uint64(len(bomb)), UncompressedSize64: 200 << 20}, bomb),
			[]string{`tensor "w"`, "deflate cannot"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { refused(t, c.content, c.words...) })
	}
}

func deflated(t testing.TB, content string) string {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// TestDeflatedLies: sizes that only inflating can prove wrong fail when the
// tensor is read, with its name, and without inflating more than claimed.
func TestDeflatedLies(t *testing.T) {
	good := program(dictOf(str("w"), floats(2)))
	bomb := deflated(t, strings.Repeat("\x00", 1<<20))
	for name, c := range map[string]struct {
		claim   uint64
		content string
		word    string
	}{
		"longer":  {8, bomb, "longer than the 8 bytes"},
		"shorter": {8, deflated(t, "1234"), "EOF"},
		"garbage": {8, "\xff\xff\xff\xff\xff\xff\xff\xff", "flate"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &zip.FileHeader{Name: "archive/data/0", Method: zip.Deflate, CompressedSize64: uint64(len(c.content)), UncompressedSize64: c.claim}
			tensor, _ := openBytes(t, torchZip(t, good, part{header: h, content: c.content})).Tensor("w")
			if _, err := tensor.Float32s(); err == nil || !strings.Contains(err.Error(), c.word) || !strings.Contains(err.Error(), `tensor "w"`) {
				t.Errorf("error %v, want %q", err, c.word)
			}
		})
	}
}

func TestDeflatedStorage(t *testing.T) {
	want := []float32{1, 2, 3, 4, 5, 6}
	ref := storageRef("FloatStorage", "0", 6)
	pickle := program(dictOf(str("part"), tensorOf(ref, 2, nums(3), nums(1)), str("turned"), tensorOf(ref, 0, nums(3, 2), nums(1, 3))))
	c := openBytes(t, zipOf(t,
		part{name: "a/data.pkl", content: pickle, method: zip.Deflate},
		part{name: "a/data/0", content: string(f32bytes(want...)), method: zip.Deflate}))
	if err := sameBits(values(t, c, "part"), want[2:5]); err != nil {
		t.Error(err)
	}
	if err := sameBits(values(t, c, "turned"), []float32{1, 4, 2, 5, 3, 6}); err != nil {
		t.Error(err)
	}
}

// TestStridesThatMeanNothing: strides of dimensions of one element mean nothing, and
// an empty tensor needs no storage behind its strides.
func TestStridesThatMeanNothing(t *testing.T) {
	ref := storageRef("FloatStorage", "0", 2)
	c := openBytes(t, torchZip(t, program(dictOf(
		str("one"), tensorOf(ref, 1, nums(1, 1), nums(math.MaxInt64, 77)),
		str("row"), tensorOf(ref, 0, nums(1, 2, 1), nums(0, 1, 9)),
		str("empty"), tensorOf(ref, 2, nums(5, 0), nums(1000, 1)),
	)), data("0", 8, 9)))
	for name, want := range map[string][]float32{"one": {9}, "row": {8, 9}, "empty": {}} {
		if err := sameBits(values(t, c, name), want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
