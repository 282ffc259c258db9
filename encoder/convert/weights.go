package convert

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"sightline/encoder/bundle"
	"sightline/encoder/convert/graph"
)

// planned is one tensor of the weights file to be written.
type planned struct {
	tensorSpec
	// write gives little-endian float32, row-major; of an int8 tensor, its bytes.
	write     func(io.Writer) error
	precision string // to store it in
}

func (p planned) dtype() (name string, size int64) {
	switch p.precision {
	case bundle.FP16:
		return "F16", 2
	case bundle.INT8:
		return "I8", 1
	}
	return "F32", 4
}

func (p planned) bytes() int64 {
	_, n := p.dtype()
	for _, d := range p.shape {
		n *= d
	}
	return n
}

// store writes the tensor as it is to stand in the file.
func (p planned) store(w io.Writer) error {
	if p.precision != bundle.FP16 {
		return p.write(w)
	}
	h := &halfWriter{w: w}
	return errors.Join(p.write(h), h.finish())
}

// plan checks that every tensor is there in the right shape, before anything
// is written, and reports all that are wrong at once.
func (s *source) plan() ([]planned, error) {
	var plan []planned
	var problems []error
	for _, spec := range taskTensors(s.manifest, s.ownHead) {
		p, err := s.planTensor(spec)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		plan = append(plan, p.as(s.manifest.Precision)...)
	}
	if len(problems) > maxProblems {
		more := len(problems) - maxProblems
		problems = append(problems[:maxProblems], fmt.Errorf("and %d more like these", more))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s: %w", s.manifest.Source.Weights, errors.Join(problems...))
	}
	return plan, nil
}

// as is what a bundle of that precision stores of the tensor.
func (p planned) as(precision string) []planned {
	switch {
	case precision == bundle.FP16:
		p.precision = precision
	case precision == bundle.INT8 && p.quantisable():
		return p.quantised()
	}
	return []planned{p}
}

// maxProblems keeps the message of a wholly different checkpoint readable.
const maxProblems = 8

func (s *source) planTensor(spec tensorSpec) (planned, error) {
	t, err := s.tensor(spec.name)
	if err != nil {
		return planned{}, err
	}
	if spec.name == positionEmbedding && len(t.Shape) == 3 && t.Shape[1] != spec.shape[1] {
		return s.planPositions(spec)
	}
	if !slices.Equal(t.Shape, spec.shape) {
		return planned{}, fmt.Errorf("tensor %s has shape %v, the configuration wants %v", s.names[spec.name], t.Shape, spec.shape)
	}
	return planned{tensorSpec: spec, write: t.WriteFloat32}, nil
}

// planPositions interpolates the position embedding to the wanted size.
func (s *source) planPositions(spec tensorSpec) (planned, error) {
	t, err := s.tensor(spec.name)
	if err != nil {
		return planned{}, err
	}
	if t.Shape[2] != spec.shape[2] {
		return planned{}, fmt.Errorf("tensor %s has width %d, the configuration wants %d", s.names[spec.name], t.Shape[2], spec.shape[2])
	}
	values, err := t.Float32s()
	if err != nil {
		return planned{}, err
	}
	v := s.manifest.Vision
	values = interpolatePositions(values, s.sourceSide, v.Image/v.Patch, v.Width)
	return planned{tensorSpec: spec, write: func(w io.Writer) error {
		return binary.Write(w, binary.LittleEndian, values)
	}}, nil
}

// writeWeights writes all tensors as one safetensors file and says where each
// lies. The file is hashed as it is written.
func writeWeights(ctx context.Context, path string, plan []planned, progress func(done, total int64)) (graph.Weights, bundle.File, error) {
	located, header, total, err := layOut(plan)
	if err != nil {
		return located, bundle.File{}, err
	}
	f, err := os.Create(path)
	if err != nil {
		return located, bundle.File{}, fmt.Errorf("create: %w", err)
	}
	hash := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(f, hash), 1<<20)
	counted := &meter{w: buffered, total: total, report: progress, ctx: ctx}
	err = writeTensors(counted, header, plan)
	err = errors.Join(err, buffered.Flush(), f.Sync(), f.Close())
	stamp := bundle.File{Bytes: counted.done, SHA256: hex.EncodeToString(hash.Sum(nil))}
	return located, stamp, err
}

func writeTensors(w io.Writer, header []byte, plan []planned) error {
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	for _, p := range plan {
		if err := p.store(w); err != nil {
			return fmt.Errorf("tensor %s: %w", p.name, err)
		}
	}
	return nil
}

// layOut makes the safetensors header: 8 bytes of length, JSON, and spaces so
// that the data starts at a multiple of 64, a cache line and AVX-512 register.
func layOut(plan []planned) (located graph.Weights, header []byte, total int64, err error) {
	located = graph.Weights{File: bundle.WeightsFile, Tensors: make(map[string]graph.Range, len(plan))}
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	entries := make(map[string]entry, len(plan))
	var at int64
	for _, p := range plan {
		dtype, _ := p.dtype()
		entries[p.name] = entry{DType: dtype, Shape: p.shape, Offsets: [2]int64{at, at + p.bytes()}}
		at += p.bytes()
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return located, nil, 0, fmt.Errorf("header: %w", err)
	}
	text = append(text, bytes.Repeat([]byte(" "), (64-(8+len(text))%64)%64)...)
	header = append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	for _, p := range plan {
		e := entries[p.name]
		located.Half = located.Half || p.precision == bundle.FP16
		located.Int8 = located.Int8 || p.precision == bundle.INT8
		located.Tensors[p.name] = graph.Range{
			Offset: int64(len(header)) + e.Offsets[0], Length: p.bytes(), Shape: p.shape, Int8: p.precision == bundle.INT8,
		}
	}
	return located, header, int64(len(header)) + at, nil
}

// meter counts bytes, reports progress, and ends the writing when ctx ends.
type meter struct {
	w      io.Writer
	done   int64
	total  int64
	report func(done, total int64)
	ctx    context.Context //nolint:containedctx // lives as long as one call of writeWeights
}

func (m *meter) Write(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.w.Write(p)
	m.done += int64(n)
	if m.report != nil {
		m.report(m.done, m.total)
	}
	return n, err
}
