package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxRow bounds one line of JSONL, one row of a table, one item of XML and one
// product of Shopify: a picture of 7.5 MB in a data: URL.
const maxRow = 10 << 20

// lineReader cuts a stream into lines of bounded length.
type lineReader struct {
	r    *bufio.Reader
	back []byte // lines that are read again
	buf  []byte
	row  int   // of the latest line, from 1
	at   int64 // bytes read up to its end
}

var errLong = errors.New("is too long")

// next returns a line with its end; it is valid until the next call. A line
// that is too long is skipped and returned as errLong. io.EOF ends the file.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	l.row++
	tooLong := false
	for start := l.at; ; {
		part, err := l.part()
		l.at += int64(len(part))
		if tooLong = tooLong || len(l.buf)+len(part) > maxRow+2; !tooLong {
			l.buf = append(l.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && l.at == start:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case tooLong:
			return nil, errLong
		}
		return l.buf, nil
	}
}

// part returns a line or, with bufio.ErrBufferFull, a part of one.
func (l *lineReader) part() ([]byte, error) {
	if len(l.back) == 0 {
		return l.r.ReadSlice('\n')
	}
	end := bytes.IndexByte(l.back, '\n') + 1
	if end == 0 {
		part := l.back
		l.back = nil
		return part, bufio.ErrBufferFull
	}
	part := l.back[:end]
	l.back = l.back[end:]
	return part, nil
}

// again puts back lines that were read after row, which ended at.
func (l *lineReader) again(lines []byte, row int, at int64) {
	l.back = append(bytes.Clone(lines), l.back...)
	l.row, l.at = row, at
}

func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
