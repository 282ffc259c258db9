package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
)

// file is a weights file, mapped into memory where that works and read with
// ReadAt elsewhere (systems without mmap, some network file systems).
type file struct {
	path   string
	size   int64
	handle *os.File

	mu     sync.RWMutex // read-held while mapped bytes are in use, so that close cannot unmap them
	mapped []byte
	closed bool
}

func openFile(path string) (*file, error) {
	handle, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := handle.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file; give the weights file itself")
	}
	if err == nil && info.Size() == 0 {
		err = errors.New("the file is empty")
	}
	if err != nil {
		return nil, errors.Join(err, handle.Close())
	}
	f := &file{path: path, size: info.Size(), handle: handle}
	if int64(int(f.size)) == f.size {
		f.mapped = mapFile(handle, int(f.size))
	}
	return f, nil
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.handle == nil {
		return nil
	}
	err := unmapFile(f.mapped)
	f.mapped = nil
	return errors.Join(err, f.handle.Close())
}

// view hands fn the bytes [off, off+n). They are valid during the call only.
// scratch is reused between calls when the file is not mapped.
func (f *file) view(off, n int64, scratch *[]byte, fn func([]byte) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch {
	case f.closed:
		return ErrClosed
	case off < 0 || n < 0 || off > f.size-n:
		return fmt.Errorf("bytes %d to %d are not in the file: %w", off, off+n, io.ErrUnexpectedEOF)
	case f.mapped != nil:
		return guard(func() error { return fn(f.mapped[off : off+n]) })
	}
	if int64(cap(*scratch)) < n {
		*scratch = make([]byte, n)
	}
	buf := (*scratch)[:n]
	if _, err := f.handle.ReadAt(buf, off); err != nil {
		return fmt.Errorf("read bytes %d to %d: %w", off, off+n, err)
	}
	return fn(buf)
}

// guard turns a fault on mapped memory into an error. A file on a failing disk,
// or one that another program cuts short, would otherwise end the process.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = errors.New("the file became unreadable, or was cut short, while it was read")
		}
	}()
	return fn()
}

// ReadAt is what archive/zip reads the directory of the file through.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > f.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), f.size-off)
	scratch := p
	err := f.view(off, n, &scratch, func(b []byte) error {
		copy(p, b)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// refaulted is how far before a touched page the system may map others with
// it: the page cache keeps large folios of up to 2 MB. Without dropping those
// again, half of a checkpoint that was just written stayed resident (428 MB of
// 895; 31 MB with it).
const refaulted = 4 << 20

// drop gives the pages of [off, off+n) back to the system, and those before
// that came back with them; they are read again when touched again.
func (f *file) drop(off, n int64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	page := int64(os.Getpagesize())
	if first := max(off-refaulted, 0) / page * page; f.mapped != nil && f.handle != nil && n > 0 {
		dropPages(f.mapped[first : off+n])
	}
}
