package checkpoint

import "fmt"

// OpenBytes is Open over memory, for tests and fuzzing without a disk.
func OpenBytes(path string, data []byte) (*Checkpoint, error) {
	return load(&file{path: path, size: int64(len(data)), mapped: data})
}

// OpenUnmapped is Open as it works on systems without mmap.
func OpenUnmapped(path string) (*Checkpoint, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if err := unmapFile(f.mapped); err != nil {
		return nil, fmt.Errorf("unmap: %w", err)
	}
	f.mapped = nil
	return load(f)
}

// Unpickle runs the pickle machine alone.
func Unpickle(data []byte) error {
	_, err := unpickle(data)
	return err
}

// Mapped reports whether the file is memory-mapped.
func (c *Checkpoint) Mapped() bool { return c.file.mapped != nil }
