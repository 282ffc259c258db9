//go:build unix

package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile returns nil when the file system cannot map files; the caller then
// reads instead.
func mapFile(f *os.File, size int) []byte {
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return data
}

func unmapFile(data []byte) error {
	if data == nil {
		return nil
	}
	return unix.Munmap(data)
}

// dropPages is advice: when the system does not take it, only resident memory
// is larger. data begins on a page boundary.
func dropPages(data []byte) {
	_ = unix.Madvise(data, unix.MADV_DONTNEED)
}
