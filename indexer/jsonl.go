package indexer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxLine bounds one line of a JSONL feed: a picture of 7.5 MB in a data: URL.
const maxLine = 10 << 20

// JSONL reads one item a line from r. Paths of pictures are relative to dir
// and may not leave it. Blank lines and a byte order mark are passed over;
// every other line that is no item becomes a *Fault with its number. Memory is
// bounded by the longest allowed line, 10 MB. Reading r cannot be interrupted.
func JSONL(r io.Reader, dir string) Feed {
	return func(yield func(Record, error) bool) {
		readLines(r, Record{Root: dir}, yield)
	}
}

// jsonlFile is JSONL for a file, whose size is known. The file is opened when
// the feed is read.
func jsonlFile(path string) Feed {
	return func(yield func(Record, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Record{}, fmt.Errorf("open feed: %w", err))
			return
		}
		defer f.Close()
		record := Record{Root: filepath.Dir(path)}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			record.Of = info.Size()
		}
		readLines(f, record, yield)
	}
}

func readLines(r io.Reader, record Record, yield func(Record, error) bool) {
	in := &lineReader{r: bufio.NewReaderSize(r, 1<<16)}
	for {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			return
		}
		record.Row, record.At, record.Where = in.row, in.at, fmt.Sprintf("line %d", in.row)
		var fault *Fault
		if err != nil && !errors.As(err, &fault) {
			yield(record, fmt.Errorf("read feed at line %d: %w", in.row, err))
			return
		}
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !yield(parseLine(record, line, err)) {
			return
		}
	}
}

func parseLine(record Record, line []byte, err error) (Record, error) {
	if err != nil {
		return record, err
	}
	record.Item, err = parseItem(line)
	record.Image = record.Item.Image
	if isData(record.Image) {
		record.Item.Image = "" // the picture itself is kept in the picture store, never in the catalogue
	}
	return record, err
}

func isData(image string) bool {
	return len(image) >= 5 && strings.EqualFold(image[:5], "data:")
}

// lineReader cuts a stream into lines of bounded length.
type lineReader struct {
	r   *bufio.Reader
	buf []byte
	row int   // of the latest line, from 1
	at  int64 // bytes read up to its end
}

// next returns a line without its end; it is valid until the next call. A line
// that is too long is skipped and returned as a *Fault. io.EOF ends the file.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	l.row++
	tooLong := false
	for start := l.at; ; {
		part, err := l.r.ReadSlice('\n')
		l.at += int64(len(part))
		if tooLong = tooLong || len(l.buf)+len(part) > maxLine+2; !tooLong {
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
			return nil, feedFault("is longer than %d MB; give the picture as a file beside the feed instead of a data: URL", maxLine>>20)
		}
		return l.line(), nil
	}
}

func (l *lineReader) line() []byte {
	line := bytes.TrimRight(l.buf, "\r\n")
	if l.row == 1 {
		line = bytes.TrimPrefix(line, utf8BOM)
	}
	return line
}
