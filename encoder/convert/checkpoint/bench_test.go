package checkpoint_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sightline/encoder/convert/checkpoint"
)

const benchSide = 4096 // [4096,4096] float32: 64 MiB

// BenchmarkWriteFloat32 streams 64 MiB into a file, as the converter does.
func BenchmarkWriteFloat32(b *testing.B) {
	payload := make([]byte, benchSide*benchSide*4)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	header := fmt.Sprintf(`{"w":{"dtype":"F32","shape":[%d,%d],"data_offsets":[0,%d]}}`, benchSide, benchSide, len(payload))
	pickle := func(class string, numel, rows int64, strides string) []byte {
		return torchZip(b, program(dictOf(str("w"), tensorOf(storageRef(class, "0", numel), 0, nums(rows, benchSide), strides))),
			part{name: "archive/data/0", content: string(payload)})
	}
	const all = benchSide * benchSide
	for _, c := range []struct {
		name    string
		content []byte
	}{
		{"safetensors", safetensors(header, payload)},
		{"torch", pickle("FloatStorage", all, benchSide, nums(benchSide, 1))},
		{"torch transposed", pickle("FloatStorage", all, benchSide, nums(1, benchSide))},
		{"torch half", pickle("HalfStorage", 2*all, 2*benchSide, nums(benchSide, 1))},
	} {
		path := writeFile(b, "w.bin", c.content)
		b.Run(c.name, func(b *testing.B) { benchmarkFile(b, path) })
	}
}

func benchmarkFile(b *testing.B, path string) {
	c, err := checkpoint.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer closeIt(b, c)
	out, err := os.Create(filepath.Join(b.TempDir(), "out"))
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	tensor, _ := c.Tensor("w")
	b.SetBytes(tensor.Len() * 4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriter(out) // what the converter has between; it must not copy
		if err := tensor.WriteFloat32(w); err != nil {
			b.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}
