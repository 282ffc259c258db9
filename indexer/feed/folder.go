package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxSidecar bounds NAME.json: an item of the largest size, in JSON escapes.
const maxSidecar = 8 << 20

// Folder reads the pictures below dir, in the order of their names. The id is
// the path inside dir without extension, slash-separated; other fields come
// from NAME.json beside NAME.jpg, whose own id and image are passed over;
// further pictures that it names are relative to it.
// Names that start with a dot are skipped. Links to files inside dir are read;
// those that leave it, and links to folders, are faults. Memory grows with the
// number of names in one folder only.
func Folder(dir string) Feed {
	return func(yield func(Record, error) bool) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			yield(Record{}, fmt.Errorf("open folder of pictures: %w", err))
			return
		}
		defer root.Close()
		count := &walk{dir: dir, fsys: root.FS(), counting: true}
		count.visit = func(Record, error) bool { return true }
		count.folder(".")
		read := &walk{dir: dir, fsys: count.fsys, visit: yield, of: count.row}
		read.folder(".")
	}
}

// walk goes through a folder twice: to count, for the progress bar, then to read.
type walk struct {
	dir   string
	fsys  fs.FS
	visit func(Record, error) bool
	row   int
	of    int // rows in all

	counting bool
}

// folder visits everything in sub and below; false when visit had enough.
func (w *walk) folder(sub string) bool {
	entries, err := fs.ReadDir(w.fsys, sub)
	if err != nil {
		record := w.record(sub)
		if sub == "." {
			return w.visit(record, fmt.Errorf("read folder of pictures: %w", err))
		}
		return w.visit(record, faultf("the folder cannot be read: %w", err))
	}
	taken := map[string]string{}
	for _, entry := range entries {
		if !w.entry(path.Join(sub, entry.Name()), entry, taken) {
			return false
		}
	}
	return true
}

// entry visits one name. taken maps the ids of its folder to the picture that
// has each.
func (w *walk) entry(name string, entry fs.DirEntry, taken map[string]string) bool {
	id := strings.TrimSuffix(name, path.Ext(name))
	switch {
	case strings.HasPrefix(entry.Name(), "."):
		return true
	case entry.IsDir():
		return w.folder(name)
	case !isPictureName(name):
		if w.linksFolder(name, entry) {
			return w.visit(w.record(name), faultf("is a link to a folder, which is not followed; copy the folder here or import it by itself"))
		}
		return true
	case taken[id] != "":
		return w.visit(w.record(name), faultf("has the same id %q as %s; rename one of them", id, path.Base(taken[id])))
	}
	taken[id] = name
	record := w.record(name)
	if w.counting {
		return true // sidecars are not read
	}
	return w.visit(w.fill(record, id))
}

func (w *walk) record(name string) Record {
	w.row++
	return Record{
		Row: w.row, Where: name, At: int64(w.row), Of: int64(w.of), Root: w.dir,
		Image: name, Images: []string{name},
	}
}

func (w *walk) fill(record Record, id string) (Record, error) {
	sidecar := id + ".json"
	data, err := w.readSidecar(sidecar)
	if err == nil {
		record.Item, err = parseItem(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	more := takeImages(&record.Item)
	record.Item.ID = id
	record.setImages(append([]string{record.Image}, besides(sidecar, more)...))
	if err != nil {
		return record, faultf("%s: %w", path.Base(sidecar), err)
	}
	return record, nil
}

// besides makes paths that a sidecar gives relative to itself relative to the
// folder.
func besides(sidecar string, images []string) []string {
	for i, image := range images {
		if !IsData(image) && !strings.Contains(image, "://") && !path.IsAbs(image) {
			images[i] = path.Join(path.Dir(sidecar), image)
		}
	}
	return images
}

// readSidecar reads a regular file. The walk's root keeps the path, and every
// link on it, inside the folder.
func (w *walk) readSidecar(name string) ([]byte, error) {
	// Before opening, because opening a named pipe would wait for a writer.
	info, err := fs.Stat(w.fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("cannot be read (links out of the folder are refused): %w", err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a file")
	}
	f, err := w.fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxSidecar+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case len(data) > maxSidecar:
		return nil, fmt.Errorf("is larger than %d MB", maxSidecar>>20)
	}
	return data, nil
}

func (w *walk) linksFolder(name string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return false
	}
	info, err := os.Stat(filepath.Join(w.dir, filepath.FromSlash(name)))
	return err == nil && info.IsDir()
}

// isPictureName takes in formats that cannot be decoded too, so that they are
// reported and not silently left out.
func isPictureName(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl":
		return true
	}
	return false
}
