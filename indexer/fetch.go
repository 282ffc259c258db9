package indexer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sightline/encoder"
	"sightline/store"
)

// job is one item on its way through the stages.
type job struct {
	seq    int
	record Record
	entry  store.Entry

	data     []byte // picture bytes, from fetch to decode; nil for a stored one that need not be read
	pixels   encoder.Pixels
	states   encoder.States
	origin   *origin
	encode   bool // the picture needs the vision tower
	finished bool // nothing left to do
}

// fetch reads the picture of a row and finds out what is to be done: nothing
// (the item is finished here), new metadata beside the stored embedding, or
// everything. An error that is no *Fault is a broken dependency.
func (r *run) fetch(ctx context.Context, j *job) error {
	item := j.record.Item
	if err := item.Validate(); err != nil {
		return &Fault{Stage: StageFeed, Err: err}
	}
	if err := r.picture(ctx, j); err != nil {
		return err
	}
	hash, err := item.ContentHash(r.fingerprint, j.entry.Picture)
	if err != nil {
		return &Fault{Stage: StageFeed, Err: err}
	}
	j.entry.Item, j.entry.ContentHash, j.encode = item, hash, true
	if err := r.compare(ctx, j); err != nil {
		return err
	}
	return r.prepare(ctx, j)
}

// prepare gets the bytes that decode needs, ends the items of a dry run, and
// notes the source of a picture that goes no further.
func (r *run) prepare(ctx context.Context, j *job) error {
	switch dry := r.ix.options.DryRun; {
	case j.finished && j.encode: // an older version: nothing is known of its picture
		return nil
	case dry && !j.finished:
		j.data = nil
		r.wouldWrite(j)
		return nil
	case !j.encode:
		return r.note(ctx, j)
	case j.data != nil:
		return nil
	}
	var err error
	if j.data, err = r.ix.parts.Pictures.Get(ctx, j.entry.Picture); err != nil {
		return fmt.Errorf("read stored picture: %w", err)
	}
	return nil
}

// picture finds the key of a row's picture, and its bytes unless they are
// stored already.
func (r *run) picture(ctx context.Context, j *job) (err error) {
	if isAddress(j.record.Image) {
		return r.fromAddress(ctx, j)
	}
	j.data, err = readPicture(j.record, r.ix.options.MaxBytes)
	j.entry.Picture = keyOf(j.data)
	return err
}

func keyOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// compare looks at what the index holds for the item. Patch states that were
// lost count as a change, so that running an import again heals them.
func (r *run) compare(ctx context.Context, j *job) error {
	found, err := r.ix.parts.Index.Get(ctx, []string{j.entry.Item.ID})
	if err != nil {
		return fmt.Errorf("look up %q in the index: %w", j.entry.Item.ID, err)
	}
	if len(found) == 0 {
		return nil
	}
	old := found[0]
	if v := j.entry.Item.Version; v < old.Item.Version {
		r.unchanged(j, fmt.Sprintf("version %d is older than version %d in the index", v, old.Item.Version))
		return nil
	}
	if old.Picture != j.entry.Picture || len(old.Embedding) == 0 || !r.ix.parts.Features.Has(old.Picture) {
		return nil
	}
	j.data, j.encode = nil, false
	j.entry.Embedding = old.Embedding
	// A newer version of the same content is written: late news of a version
	// between the two must find it there.
	if old.ContentHash == j.entry.ContentHash && old.Item.Version == j.entry.Item.Version {
		r.unchanged(j, "")
	}
	return nil
}

func fetchFault(format string, args ...any) *Fault {
	return &Fault{Stage: StageFetch, Err: fmt.Errorf(format, args...)}
}

// readPicture returns the bytes that a record's Image names.
func readPicture(record Record, limit int64) ([]byte, error) {
	image := record.Image
	scheme, _, isAddress := strings.Cut(image, "://")
	switch {
	case image == "":
		return nil, fetchFault("has no picture; give \"image\" as a path relative to the feed or as a data: URL")
	case isData(image):
		return decodeDataURL(image, limit)
	case isAddress:
		return nil, fetchFault("pictures cannot be read from %s: addresses; give a path relative to the feed or a data: URL", scheme)
	case !filepath.IsLocal(filepath.FromSlash(image)):
		return nil, fetchFault("picture path %q leaves the feed's folder; put the picture inside it and give the path relative to the feed", image)
	}
	data, err := readFile(record.Root, image, limit)
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
