package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// etagSuffix ends the name of the file that holds what a server called the
// bytes of a partial file.
const etagSuffix = ".etag"

// download is one file under way. What it has lies in the partial file, so
// that a process that ends at any moment loses nothing of it.
type download struct {
	client   *Client
	snapshot *Snapshot
	file     File
	meter    *meter

	out    *os.File
	hash   hash.Hash // of the first offset bytes
	offset int64
	broken int // times that all bytes were there and were the wrong ones
}

// fetch downloads a file into its blob.
func (c *Client) fetch(ctx context.Context, s *Snapshot, file File, m *meter) (err error) {
	d := &download{client: c, snapshot: s, file: file, meter: m}
	d.out, err = os.OpenFile(s.folder.partial(file), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return diskError(err)
	}
	defer func() { err = errors.Join(err, diskError(d.out.Close())) }()
	if err := d.takeUp(ctx); err != nil {
		return err
	}
	at := func() int64 { return d.offset }
	return c.retry(ctx, "download "+file.Path, at, d.attempt)
}

// takeUp hashes what an earlier process has left.
func (d *download) takeUp(ctx context.Context) error {
	info, err := d.out.Stat()
	if err != nil {
		return diskError(err)
	}
	d.hash = newHash(d.file)
	if info.Size() > d.file.Size {
		return d.reset()
	}
	if d.offset, err = io.Copy(d.hash, &contextReader{ctx, d.out}); err != nil {
		return diskError(err)
	}
	d.meter.have(d.offset)
	if d.offset > 0 {
		d.client.options.Log.InfoContext(ctx, "going on with an earlier download", "file", d.file.Path, "bytes", d.offset, "of", d.file.Size)
	}
	return nil
}

// reset throws away what is there.
func (d *download) reset() error {
	d.meter.have(-d.offset)
	d.offset, d.hash = 0, newHash(d.file)
	if err := d.out.Truncate(0); err != nil {
		return diskError(err)
	}
	_, err := d.out.Seek(0, io.SeekStart)
	return diskError(err)
}

func (d *download) attempt(ctx context.Context) error {
	if d.offset < d.file.Size {
		if err := d.receive(ctx); err != nil {
			return err
		}
	}
	return d.finish()
}

// receive asks for what is missing and writes it.
func (d *download) receive(ctx context.Context) error {
	parts := append(repoParts(d.snapshot.ref.Repo), "resolve", d.snapshot.list.Commit)
	address := d.client.at(append(parts, strings.Split(d.file.Path, "/")...)...)
	s := d.client.newStream(ctx)
	defer s.end(nil)
	res, err := s.open(d.client.http, address, d.rangeHeader()) //nolint:bodyclose // s.end closes it
	if err != nil {
		return err
	}
	if err := d.accept(res); err != nil {
		return err
	}
	return d.copy(s)
}

func (d *download) rangeHeader() http.Header {
	h := http.Header{"Accept-Encoding": {"identity"}}
	if d.offset == 0 {
		return h
	}
	h.Set("Range", "bytes="+strconv.FormatInt(d.offset, 10)+"-")
	// Without a validator the listed hash still tells other bytes, at the end.
	if etag := d.etag(); etag != "" {
		h.Set("If-Range", etag)
	}
	return h
}

// accept prepares the partial file for the body of an answer.
func (d *download) accept(res *http.Response) error {
	switch res.StatusCode {
	case http.StatusOK: // ranges are not served, or it is another file now
		if d.offset > 0 {
			if err := d.reset(); err != nil {
				return err
			}
		}
	case http.StatusPartialContent:
		if err := d.continues(res); err != nil {
			return errors.Join(err, d.reset())
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(d.client.statusError(res, d.snapshot.ref, d.file.Path), d.reset())
	default:
		return d.client.statusError(res, d.snapshot.ref, d.file.Path)
	}
	if encoding := res.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fmt.Errorf("%w: %s comes with Content-Encoding %.40q", errMismatch, d.file.Path, encoding)
	}
	if n := res.ContentLength; n >= 0 && n != d.file.Size-d.offset {
		return fmt.Errorf("%w: %s has %d bytes, and %d would come", errMismatch, d.file.Path, d.file.Size, d.offset+n)
	}
	return d.remember(res.Header.Get("ETag"))
}

// continues checks that an answer is the rest of what is there.
func (d *download) continues(res *http.Response) error {
	want := fmt.Sprintf("bytes %d-%d/%d", d.offset, d.file.Size-1, d.file.Size)
	if got := res.Header.Get("Content-Range"); got != want {
		return fmt.Errorf("the server sends another part than was asked for (%.80q)", got)
	}
	if was, is := d.etag(), strong(res.Header.Get("ETag")); was != "" && is != "" && was != is {
		return errors.New("the file has changed on the server since its first part was read")
	}
	return nil
}

// copy writes a body behind what is there. It may not be longer than listed.
func (d *download) copy(body io.Reader) error {
	buffer := make([]byte, 256<<10)
	for {
		n, err := body.Read(buffer)
		if int64(n) > d.file.Size-d.offset {
			return errors.Join(fmt.Errorf("%w: %s is longer than the %d bytes that were listed", errMismatch, d.file.Path, d.file.Size), d.reset())
		}
		if err := d.write(buffer[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF) && d.offset < d.file.Size:
			return fmt.Errorf("the connection ended after %d of %d bytes", d.offset, d.file.Size)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (d *download) write(p []byte) error {
	n, err := d.out.Write(p)
	d.hash.Write(p[:n]) // never fails
	d.offset += int64(n)
	d.meter.add(d.file.Path, int64(n))
	return diskError(err)
}

// finish gives the file its name if it is what was listed.
func (d *download) finish() error {
	if got := hex.EncodeToString(d.hash.Sum(nil)); got != d.file.hash() {
		d.broken++
		err := fmt.Errorf("%s has hash %s and not %s", d.file.Path, got, d.file.hash())
		if d.broken > 1 { // the first may have been two files in one
			err = fmt.Errorf("%w: %w; report it to who runs the server, or choose another revision", errMismatch, err)
		}
		return errors.Join(err, d.reset())
	}
	if err := d.out.Sync(); err != nil {
		return diskError(err)
	}
	f := d.snapshot.folder
	if err := os.Rename(f.partial(d.file), f.blob(d.file)); err != nil {
		return diskError(err)
	}
	_ = os.Remove(f.partial(d.file) + etagSuffix) // often there is none
	return diskError(syncDir(filepath.Dir(f.blob(d.file))))
}

// strong is an ETag that If-Range may be sent with, "" of others.
func strong(etag string) string {
	if len(etag) < 2 || len(etag) > 256 || !strings.HasPrefix(etag, `"`) || strings.Trim(etag, printable()) != "" {
		return ""
	}
	return etag
}

// etag is what the server called the partial file's bytes, "" where it did not.
func (d *download) etag() string {
	data, err := os.ReadFile(d.snapshot.folder.partial(d.file) + etagSuffix)
	if err != nil {
		return ""
	}
	return strong(string(data))
}

func (d *download) remember(etag string) error {
	path := d.snapshot.folder.partial(d.file) + etagSuffix
	if strong(etag) == "" {
		if d.offset == 0 {
			return diskError(os.RemoveAll(path))
		}
		return nil
	}
	return diskError(replaceFile(path, []byte(etag)))
}
