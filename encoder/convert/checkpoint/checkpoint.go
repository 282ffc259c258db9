package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// ErrClosed is what reading a tensor gives after its Checkpoint was closed.
var ErrClosed = errors.New("the checkpoint is closed")

// Checkpoint is one open weights file. It is safe for concurrent use; Close
// waits for reads in progress.
type Checkpoint struct {
	file    *file
	tensors map[string]Tensor
}

// Open reads the directory of a weights file, telling its container by
// content and not by name. Every tensor's place, shape and size is checked
// here; the values are read when they are asked for. Errors name the file and,
// where there is one, the tensor. The caller closes the Checkpoint.
func Open(path string) (*Checkpoint, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	return load(f)
}

// load takes over f: on an error f is closed.
func load(f *file) (*Checkpoint, error) {
	tensors, err := readTensors(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("checkpoint %s: %w", f.path, err), f.close())
	}
	for name, t := range tensors {
		t.name, t.file = name, f
		tensors[name] = t
	}
	return &Checkpoint{file: f, tensors: tensors}, nil
}

// Names returns the names of all tensors, sorted. Tensors whose type cannot be
// converted (F64, U8 …) are among them.
func (c *Checkpoint) Names() []string {
	return slices.Sorted(maps.Keys(c.tensors))
}

// Tensor returns the named tensor and whether there is one. The Tensor reads
// from the file: it is of use until Close.
func (c *Checkpoint) Tensor(name string) (Tensor, bool) {
	t, ok := c.tensors[name]
	t.Shape = slices.Clone(t.Shape)
	return t, ok
}

// Close releases the file. Tensors taken from c give ErrClosed afterwards.
func (c *Checkpoint) Close() error {
	if err := c.file.close(); err != nil {
		return fmt.Errorf("close checkpoint %s: %w", c.file.path, err)
	}
	return nil
}

// headSize is enough for every mark that readTensors looks at; the last is the
// "ustar" of a tar header at byte 257.
const headSize = 264

func readTensors(f *file) (map[string]Tensor, error) {
	head := make([]byte, min(headSize, f.size))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read the first bytes: %w", err)
	}
	switch {
	// Before zip: the ninth byte of a zip is its compression method, never '{'.
	case len(head) > 8 && head[8] == '{', filepath.Ext(f.path) == ".safetensors" && !isZip(head):
		return readSafetensors(f)
	case isZip(head):
		return readTorchZip(f)
	}
	return nil, notReadable(head)
}

func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

const resave = `; load it with PyTorch and write it again: torch.save(torch.load(old, map_location="cpu", weights_only=True), new)`

// notReadable says what a file is that is neither of the two containers, for
// those which people are likely to hand in.
func notReadable(head []byte) error {
	switch {
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return errors.New("a tar file, as PyTorch before 0.1.11 wrote" + resave)
	case len(head) > 1 && head[0] == 0x80 && head[1] <= 5:
		return errors.New("a pickle without a zip around it, as PyTorch before 1.6 wrote" + resave)
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return errors.New("a Git LFS pointer, not the weights; fetch the file itself (git lfs pull)")
	case bytes.HasPrefix(head, []byte("\x89HDF")):
		return errors.New("an HDF5 file (TensorFlow weights); take model.safetensors or pytorch_model.bin instead")
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")):
		return errors.New("a JSON file, perhaps the index of a sharded checkpoint; give the weights file itself, in one piece")
	}
	return errors.New("neither safetensors nor a zip written by torch.save")
}
