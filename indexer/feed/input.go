package feed

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// sampleSize is how much of a feed is looked at to find out what it is.
const sampleSize = 1 << 16

// input is a feed as UTF-8 text, with what was found out about it. Bytes that
// are not UTF-8 may be left in it: the reader of each format finds the row.
type input struct {
	r      *bufio.Reader
	format Format
	delim  byte // of a table
	size   int64
	fields mapping

	source  *counter
	skipped int64 // bytes before the text: a byte order mark
	exact   bool  // an offset in the text is one in the source
	decoded bool  // from another encoding
	closers []io.Closer
}

func newInput(s source, o Options) (*input, error) {
	in := &input{size: s.size, source: &counter{r: s.Reader}, exact: true}
	plain := bufio.NewReaderSize(in.source, sampleSize)
	if err := in.unpack(plain, o); err != nil {
		return nil, err
	}
	if err := in.decode(s, o); err != nil {
		in.close()
		return nil, err
	}
	o.Log.Debug("reading feed", "format", in.format)
	return in, nil
}

// unpack sets r to what is inside gzip, or to the plain bytes.
func (in *input) unpack(plain *bufio.Reader, o Options) error {
	magic, err := plain.Peek(2)
	if len(magic) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var body io.Reader = plain
	if string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(plain)
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		body, in.exact = z, false
		in.closers = append(in.closers, z)
	}
	if in.exact && o.base == nil {
		in.r = plain // a local file is as long as it is
		return nil
	}
	in.r = bufio.NewReaderSize(&limited{r: body, left: o.MaxBytes, limit: o.MaxBytes}, sampleSize)
	return nil
}

// at returns the place in the source of an offset in the text. Where the two
// differ (gzip, UTF-16) it is what was read of the source, which is ahead by
// less than a few buffers.
func (in *input) at(offset int64) int64 {
	at := in.source.n
	if in.exact {
		at = min(at, offset+in.skipped)
	}
	if in.size > 0 {
		at = min(at, in.size)
	}
	return at
}

func (in *input) close() {
	for _, c := range in.closers {
		_ = c.Close() // only read
	}
}

// counter counts what is read through it. It keeps an error, which looking
// ahead would otherwise swallow.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.err = err
	return n, err
}

// limited fails where io.LimitReader would pretend that the feed ends, which
// would drop items in silence.
type limited struct {
	r           io.Reader
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("the feed is larger than %d bytes; raise the limit or split it", l.limit)
	}
	return n, err
}
