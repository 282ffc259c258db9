package features

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"
)

// segment is one file of records. All but the last of a store are sealed: they
// no longer change and are read through a memory mapping.
type segment struct {
	number int
	file   *os.File

	use    sync.RWMutex // held for reading while file or mapping are read; guards what follows
	gone   bool         // closed, and perhaps removed: look the picture up again
	mapped []byte       // the file of a sealed segment; nil where mapping is not possible

	// guarded by Store.mu
	size   int64
	live   int64    // bytes of the records that count
	ghosts []uint64 // pictures of the records that no longer count
	stones []uint64 // pictures that tombstones here are for
}

var (
	errGone  = errors.New("the segment is closed")
	errFault = errors.New("cannot be read: the file was cut or the disk fails")
)

// seal maps the file, which must not change from now on. Where that fails
// (32-bit address space, an unusual file system) it is read as before.
func (g *segment) seal(size int64) {
	mapped, err := unix.Mmap(int(g.file.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return
	}
	g.use.Lock()
	defer g.use.Unlock()
	g.mapped = mapped
}

// read returns n bytes from at on, in memory of their own: the caller may keep
// them while the segment is compacted away, and hand them to C code, in which
// a fault of a mapping would end the program.
func (g *segment) read(at, n int64) ([]byte, error) {
	g.use.RLock()
	defer g.use.RUnlock()
	if g.gone {
		return nil, errGone
	}
	if at+n <= int64(len(g.mapped)) {
		advise(g.mapped, at, n)
		return copyMapped(g.mapped[at : at+n])
	}
	out := make([]byte, n)
	if _, err := g.file.ReadAt(out, at); err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	return out, nil
}

// adviseFrom is the size of records that are worth a system call to announce.
// Without it a cold ViT-B/16-384 record takes 0.74 ms instead of 0.49
// (ReadAt: 0.63), as the kernel reads 64 KB a fault; smaller ones need none.
const adviseFrom = 128 << 10

func advise(mapped []byte, at, n int64) {
	if n >= adviseFrom {
		start := at &^ int64(os.Getpagesize()-1)
		_ = unix.Madvise(mapped[start:at+n], unix.MADV_WILLNEED) // only ever advice
	}
}

// copyMapped copies out of a mapping. A file that was cut, or a disk that
// cannot read it, makes the processor fault; for this goroutine, here, that is
// an error instead of the end of the program.
func copyMapped(b []byte) (out []byte, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if _, fault := r.(interface{ Addr() uintptr }); fault {
			out, err = nil, errFault
		} else if r != nil {
			panic(r)
		}
	}()
	return bytes.Clone(b), nil
}

// retire closes the segment when nobody reads it any more.
func (g *segment) retire() error {
	g.use.Lock()
	defer g.use.Unlock()
	if g.gone {
		return nil
	}
	g.gone = true
	var unmapped error
	if g.mapped != nil {
		unmapped = unix.Munmap(g.mapped)
		g.mapped = nil
	}
	return errors.Join(unmapped, g.file.Close())
}

// sync makes what was written survive a power cut. Of a segment that was
// compacted away everything that counts was synced elsewhere.
func (g *segment) sync() error {
	g.use.RLock()
	defer g.use.RUnlock()
	if g.gone {
		return nil
	}
	return g.file.Sync()
}
