package fetch

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// maxRest is how much of a body nobody wants is read to keep a connection.
	maxRest = 4 << 10
	// firstBuffer bounds what an announced length makes us allocate before
	// its bytes are there.
	firstBuffer = 1 << 20
	// unknownBuffer is allocated where none is announced: a small picture.
	unknownBuffer = 64 << 10
	// sniffed is what Options.Sniff sees, as much as http.DetectContentType uses.
	sniffed = 512
	// A body slower than slowest once it has been waited for longer than
	// patience is a slow loris, not a slow line: 10 MB would take 3 hours.
	slowest  = 1 << 10 // bytes a second
	patience = 30 * time.Second
)

// patientBody reads a body and ends its attempt where a read waits for longer
// than idle, or where all of them together are slower than slowest. The time
// between reads does not count: a stream's reader may be slow itself.
type patientBody struct {
	body   io.ReadCloser
	idle   time.Duration
	timer  *time.Timer
	waited time.Duration
	got    int64
}

func (a *attempt) patient(r *http.Response) *patientBody {
	idle := a.client.options.IdleTimeout
	timer := time.AfterFunc(idle, func() {
		a.cancel(faultf(KindTimeout, "the server sends nothing for %v in the middle of its answer; the picture must be served faster", idle))
	})
	timer.Stop()
	return &patientBody{body: r.Body, idle: idle, timer: timer}
}

func (b *patientBody) Read(p []byte) (int, error) {
	began := time.Now()
	b.timer.Reset(b.idle)
	n, err := b.body.Read(p)
	b.timer.Stop()
	b.waited += time.Since(began)
	b.got += int64(n)
	if err == nil && b.waited > patience && float64(b.got) < slowest*b.waited.Seconds() {
		err = faultf(KindTimeout, "the server sends less than %d bytes a second; the picture must be served faster", slowest)
	}
	return n, err
}

func (b *patientBody) close() {
	b.timer.Stop()
	_ = b.body.Close() // what was only read cannot be lost
}

func (b *patientBody) drain() {
	_, _ = io.CopyN(io.Discard, b, maxRest+1) // only the connection is lost
}

// readAll returns a body of at most Options.MaxBytes. It stops as soon as it
// is too long, or begins like nothing that is wanted.
func (c *Client) readAll(r *reply) ([]byte, error) {
	limit := c.options.MaxBytes
	if r.ContentLength > limit {
		return nil, faultf(KindTooLarge, "it has %d bytes; the limit is %d: give a smaller picture", r.ContentLength, limit)
	}
	size := r.ContentLength
	if size < 0 {
		size = unknownBuffer
	}
	data := make([]byte, 0, min(size, limit, firstBuffer)+1)
	for wanted := c.options.Sniff == nil; ; {
		n, err := r.body.Read(data[len(data):min(cap(data), int(limit)+1)])
		data = data[:len(data)+n]
		c.count.bytes.Add(uint64(n))
		done := errors.Is(err, io.EOF)
		switch {
		case int64(len(data)) > limit:
			return nil, faultf(KindTooLarge, "it has more than %d bytes, which is the limit: give a smaller picture", limit)
		case err != nil && !done:
			return nil, err
		case !wanted && (done || len(data) >= sniffed):
			if wanted = c.options.Sniff(data[:min(len(data), sniffed)]); !wanted {
				return nil, notPicture(data)
			}
		}
		if done {
			return data, nil
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

func notPicture(data []byte) error {
	if len(data) == 0 {
		return faultf(KindNotPicture, "the answer is empty; give the address of a JPEG, PNG or WebP picture")
	}
	return faultf(KindNotPicture, "the answer is no picture that can be read (it looks like %s); give the address of the JPEG, PNG or WebP picture itself", http.DetectContentType(data))
}

// checkEncoding refuses what was not asked for: decompressing is where a small
// body becomes a large one.
func checkEncoding(r *http.Response, gzipToo bool) (zipped bool, err error) {
	encoding := r.Header.Get("Content-Encoding")
	switch {
	case encoding == "" || encoding == "identity":
		return false, nil
	case gzipToo && (encoding == "gzip" || encoding == "x-gzip"):
		return true, nil
	}
	return false, faultf(KindEncoding, "the answer has Content-Encoding %.40q, which was not asked for; have the server send it as it is", encoding)
}

// boundedReader fails with KindTooLarge after more than left bytes.
type boundedReader struct {
	from  io.Reader
	limit int64
	left  int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left+1)])
	if int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		return n, faultf(KindTooLarge, "it has more than %d bytes, decompressed, which is the limit; split the feed, or have the limit raised", b.limit)
	}
	b.left -= int64(n)
	return n, err
}

// unzip decompresses. What is no gzip is the sender's fault; other errors come
// from below.
func unzip(from io.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(from)
	if err != nil {
		return nil, zipFault(err)
	}
	return &zipReader{zip: z}, nil
}

type zipReader struct{ zip *gzip.Reader }

func (z *zipReader) Read(p []byte) (int, error) {
	n, err := z.zip.Read(p)
	return n, zipFault(err)
}

func zipFault(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return faultf(KindEncoding, "the answer says that it is gzip, but is not: %w; have the server's Content-Encoding corrected", err)
	}
	return err
}
