// Package folder has what the stores need from a data folder: that one program
// at a time uses it, and that a file is whole or absent after a crash.
package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mode of folders: a shop's catalogue is not for every user of the machine.
const Mode = 0o750

// Lock keeps other programs out of a folder until it is closed. The kernel
// drops it when the process ends in any way, so no stale lock needs clearing.
type Lock struct{ file *os.File }

// ErrHeld is wrapped by Acquire where another program, or this one, has the
// folder locked.
var ErrHeld = errors.New("another Sightline program")

// Acquire creates dir if needed and locks it through the file "lock" inside,
// which carries the owner's process id for the error message of the next one.
// flock works per open file, so a second Acquire in one process fails too.
func Acquire(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, Mode); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s: %w", dir, err), file.Close())
	}
	return &Lock{file: file}, nil
}

func lock(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w (pid %s) has this data folder open; stop that program first", ErrHeld, owner(file))
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

func owner(file *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 32))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}

// Close lets the next program in.
func (l *Lock) Close() error { return l.file.Close() }

// WriteFile writes path so that after a crash it holds the old content or all
// of data. scratch is a folder on the same file system for the unfinished file.
func WriteFile(scratch, path string, data []byte) error {
	file, err := os.CreateTemp(scratch, "new-*")
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	if err := writeSynced(file, data); err != nil {
		return errors.Join(fmt.Errorf("write file: %w", err), os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(fmt.Errorf("put file in place: %w", err), os.Remove(file.Name()))
	}
	return SyncDir(filepath.Dir(path))
}

func writeSynced(file *os.File, data []byte) error {
	_, err := file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// SyncDir makes created and renamed names in dir survive a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
