package checkpoint

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	// maxPickle: the pickle of a state dict takes about 150 bytes a tensor.
	maxPickle = 16 << 20
	// maxInflated bounds one compressed storage, which is inflated into memory.
	// torch.save never compresses; only re-packed files have such entries.
	maxInflated = 256 << 20
	// maxDeflateRatio is what the deflate format can reach at best.
	maxDeflateRatio = 1032
	// maxRepeated bounds the elements of a view that is larger than its
	// storage (stride 0, from expand): 256 MiB as float32.
	maxRepeated = 64 << 20
)

// archive is the zip that torch.save writes: PREFIX/data.pkl, PREFIX/data/KEY
// for each storage, PREFIX/byteorder, PREFIX/version. The version only counts
// additions that concern TorchScript and is not looked at.
type archive struct {
	file    *file
	prefix  string // with its slash
	entries map[string]*zip.File
}

func readTorchZip(f *file) (map[string]Tensor, error) {
	a, err := openArchive(f)
	if err != nil {
		return nil, err
	}
	if err := a.checkByteOrder(); err != nil {
		return nil, err
	}
	data, err := inflate(a.entries[a.prefix+"data.pkl"], maxPickle)
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	root, err := unpickle(data)
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	state, err := stateDict(root)
	if err != nil {
		return nil, err
	}
	return a.tensors(state)
}

func openArchive(f *file) (*archive, error) {
	r, err := zip.NewReader(f, f.size)
	if err != nil {
		return nil, fmt.Errorf("read the zip directory: %w; is the file truncated?", err)
	}
	if len(r.File) > maxTensors {
		return nil, fmt.Errorf("%d zip entries, more than %d", len(r.File), maxTensors)
	}
	a := &archive{file: f, entries: make(map[string]*zip.File, len(r.File))}
	for _, entry := range r.File {
		if _, twice := a.entries[entry.Name]; twice {
			return nil, fmt.Errorf("zip entry %q occurs twice", entry.Name)
		}
		a.entries[entry.Name] = entry
		if dir, ok := strings.CutSuffix(entry.Name, "data.pkl"); ok && strings.Count(dir, "/") == 1 && dir[len(dir)-1] == '/' {
			if a.prefix != "" {
				return nil, errors.New("more than one data.pkl in the zip")
			}
			a.prefix = dir
		}
	}
	if a.prefix == "" {
		return nil, errors.New("a zip without a data.pkl: torch.save did not write it")
	}
	return a, nil
}

func (a *archive) checkByteOrder() error {
	entry, ok := a.entries[a.prefix+"byteorder"]
	if !ok { // PyTorch before 2.1: little-endian, on all machines it is published for
		return nil
	}
	order, err := inflate(entry, 16)
	if err != nil {
		return fmt.Errorf("byteorder: %w", err)
	}
	if string(order) != "little" {
		return fmt.Errorf("byte order %q is not supported; save it again on a little-endian machine", order)
	}
	return nil
}

// check finds out, before anything is allocated, whether an entry may be read.
func check(entry *zip.File, limit uint64) error {
	size := entry.UncompressedSize64
	switch {
	case entry.Flags&1 != 0:
		return fmt.Errorf("zip entry %q is encrypted", entry.Name)
	case size > math.MaxInt64:
		return fmt.Errorf("zip entry %q claims %d bytes", entry.Name, size)
	case entry.Method == zip.Store && size != entry.CompressedSize64:
		return fmt.Errorf("zip entry %q is stored with %d bytes and claims %d", entry.Name, entry.CompressedSize64, size)
	case entry.Method == zip.Store:
		return nil
	case entry.Method != zip.Deflate:
		return fmt.Errorf("zip entry %q is compressed by method %d; write it again with torch.save", entry.Name, entry.Method)
	case size > limit:
		return fmt.Errorf("zip entry %q is compressed and claims %d bytes, more than %d; write it again with torch.save, which does not compress", entry.Name, size, limit)
	case size/maxDeflateRatio > entry.CompressedSize64:
		return fmt.Errorf("zip entry %q claims to grow from %d to %d bytes, which deflate cannot", entry.Name, entry.CompressedSize64, size)
	}
	return nil
}

// inflate returns the content of an entry, stored or deflated. Checksums are
// not looked at, as in torch.load: torch.save can be told to leave them out.
func inflate(entry *zip.File, limit uint64) ([]byte, error) {
	if err := check(entry, limit); err != nil {
		return nil, err
	}
	if entry.UncompressedSize64 > limit {
		return nil, fmt.Errorf("zip entry %q has %d bytes, more than %d", entry.Name, entry.UncompressedSize64, limit)
	}
	r, err := entry.OpenRaw()
	if err != nil {
		return nil, fmt.Errorf("zip entry %q: %w", entry.Name, err)
	}
	if entry.Method == zip.Deflate {
		packed := flate.NewReader(r)
		defer packed.Close()
		r = packed
	}
	data := make([]byte, entry.UncompressedSize64)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("zip entry %q: %w", entry.Name, err)
	}
	if n, _ := r.Read(make([]byte, 1)); n != 0 {
		return nil, fmt.Errorf("zip entry %q is longer than the %d bytes it claims", entry.Name, len(data))
	}
	return data, nil
}

// tensor places a view in the file, after checking that it lies in its storage.
func (a *archive) tensor(v *tensorRef) (Tensor, error) {
	if v.bad != nil {
		return Tensor{}, v.bad
	}
	count, err := v.check()
	if err != nil {
		return Tensor{}, err
	}
	entry, ok := a.entries[a.prefix+"data/"+v.storage.key]
	if !ok {
		return Tensor{}, fmt.Errorf("its storage %.200q is missing from the zip", v.storage.key)
	}
	if err := check(entry, maxInflated); err != nil {
		return Tensor{}, err
	}
	size := v.storage.dtype.bits() / 8
	if have := entry.UncompressedSize64; uint64(v.storage.numel*size) > have {
		return Tensor{}, fmt.Errorf("its storage %.200q has %d bytes, %d elements of %s need more", v.storage.key, have, v.storage.numel, v.storage.dtype)
	}
	t := Tensor{DType: v.storage.dtype, Shape: v.shape, count: count, start: v.offset * size, strides: v.gaps()}
	if entry.Method == zip.Deflate {
		t.packed = entry
		return t, nil
	}
	base, err := entry.DataOffset()
	if err != nil {
		return Tensor{}, fmt.Errorf("its storage %.200q: %w", v.storage.key, err)
	}
	if base > a.file.size || int64(entry.UncompressedSize64) > a.file.size-base {
		return Tensor{}, fmt.Errorf("its storage %.200q ends behind the file's end: %w", v.storage.key, io.ErrUnexpectedEOF)
	}
	t.start += base
	return t, nil
}

// check returns the number of elements of a view that lies in its storage.
func (v *tensorRef) check() (int64, error) {
	count, err := elements(v.shape)
	if err != nil {
		return 0, err
	}
	if len(v.strides) != len(v.shape) {
		return 0, fmt.Errorf("its shape %v and its strides %v differ in length", v.shape, v.strides)
	}
	if v.offset < 0 || v.offset > v.storage.numel {
		return 0, fmt.Errorf("it begins at element %d of a storage of %d", v.offset, v.storage.numel)
	}
	left := v.storage.numel - v.offset
	if count > left && count > maxRepeated {
		return 0, fmt.Errorf("it repeats a storage of %d elements %d times over; save a contiguous copy", v.storage.numel, count)
	}
	last := int64(0) // the farthest element from the offset
	for i, n := range v.shape {
		stride := v.strides[i]
		if stride < 0 {
			return 0, fmt.Errorf("its strides %v have a negative one", v.strides)
		}
		if count == 0 || n == 1 {
			continue
		}
		if stride > (left-last)/(n-1) {
			return 0, fmt.Errorf("shape %v with strides %v from element %d leaves its storage of %d elements", v.shape, v.strides, v.offset, v.storage.numel)
		}
		last += stride * (n - 1)
	}
	if count > 0 && last >= left {
		return 0, fmt.Errorf("shape %v from element %d leaves its storage of %d elements", v.shape, v.offset, v.storage.numel)
	}
	return count, nil
}

// gaps returns the strides, or nil when they are those of a row-major tensor
// without gaps. The stride of a dimension of one element means nothing.
func (v *tensorRef) gaps() []int64 {
	strides := slices.Clone(v.strides)
	dense, plain := int64(1), true
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] == 1 {
			strides[i] = 0
			continue
		}
		plain = plain && strides[i] == dense
		dense *= v.shape[i]
	}
	if plain {
		return nil
	}
	return strides
}
