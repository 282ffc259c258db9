package indexer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sightline/indexer/feed"
)

func fetchFault(format string, args ...any) *Fault {
	return &Fault{Stage: StageFetch, Err: fmt.Errorf(format, args...)}
}

// ReadPicture returns the bytes, limit at most, that a data: URL or a path below
// the folder root names; links out of it are refused. Its errors are a *Fault.
func ReadPicture(root, image string, limit int64) ([]byte, error) {
	scheme, _, isAddress := strings.Cut(image, "://")
	switch {
	case feed.IsData(image):
		return decodeDataURL(image, limit)
	case isAddress:
		return nil, fetchFault("pictures cannot be read from %s: addresses; give a path relative to the feed or a data: URL", scheme)
	case !filepath.IsLocal(filepath.FromSlash(image)):
		return nil, fetchFault("picture path %q leaves the feed's folder; put the picture inside it and give the path relative to the feed", image)
	}
	data, err := readFile(root, image, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fetchFault("picture file %q does not exist in the feed's folder; correct the path", image)
	case err != nil:
		return nil, fetchFault("picture file %q: %w", image, err)
	}
	return data, nil
}

var errTooLarge = errors.New("is too large")

// readFile reads a regular file below dir of at most limit bytes. os.Root keeps
// the path, and every link on it, inside dir.
func readFile(dir, name string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name = filepath.FromSlash(name)
	// Before opening, because opening a named pipe would wait for a writer.
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("cannot be read (links out of the feed's folder are refused): %w", err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a file")
	case info.Size() > limit:
		return nil, fmt.Errorf("%w: %d bytes; the limit is %d", errTooLarge, info.Size(), limit)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	return readAtMost(f, info.Size(), limit)
}

// readAtMost reads a file that may have grown since its size was asked for.
func readAtMost(f io.Reader, size, limit int64) ([]byte, error) {
	data := make([]byte, 0, size+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, fmt.Errorf("%w: the limit is %d bytes", errTooLarge, limit)
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

// decodeDataURL reads data:[TYPE][;PARAMETERS][;base64],DATA (RFC 2397). The
// type is passed over: what the bytes are decides.
func decodeDataURL(text string, limit int64) ([]byte, error) {
	head, body, ok := strings.Cut(text[len("data:"):], ",")
	if !ok {
		return nil, fetchFault("the data: URL has no comma between its type and the picture; write data:image/jpeg;base64,…")
	}
	body, err := url.PathUnescape(body)
	if err != nil {
		return nil, fetchFault("the data: URL cannot be read: %w", err)
	}
	data := []byte(body)
	if strings.HasSuffix(strings.ToLower(strings.ReplaceAll(head, " ", "")), ";base64") {
		if data, err = decodeBase64(body); err != nil {
			return nil, fetchFault("the data: URL is not base64: %w", err)
		}
	}
	if int64(len(data)) > limit {
		return nil, fetchFault("the picture in the data: URL %w: %d bytes; the limit is %d", errTooLarge, len(data), limit)
	}
	return data, nil
}

// decodeBase64 accepts both alphabets, with and without padding and line ends.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "", "=", "").Replace(text)
	return base64.RawStdEncoding.DecodeString(text)
}
