package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// tableReader cuts a table into rows of cells. It is not encoding/csv, which
// puts no bound on a cell and loses the rest of the file at an open quote.
type tableReader struct {
	in    *lineReader
	delim byte
	// lenient takes quotes that do not fit literally: in TSV they are mostly
	// inches. In CSV a row cannot be told from the next then.
	lenient bool

	row   int   // of the latest row, counted as a spreadsheet does: the header is 1
	line  int   // on which it starts
	at    int64 // where it ends
	raw   []byte
	cells []string
}

var (
	errQuote     = errors.New("has text behind a closing quote; double the quotes inside a cell, as in \"5\"\" pipe\"")
	errOpenQuote = errors.New("has a quote that is never closed; close it, or double it if it belongs to the text")
)

// next returns the cells of the next row, valid until the call after. Rows
// that cannot be cut are *Faults, and reading goes on with the next line: after
// an open quote with the line behind the one that it is on.
func (t *tableReader) next() ([]string, error) {
	line, err := t.in.next()
	t.row++
	t.line, t.at = t.in.row, t.in.at
	switch {
	case errors.Is(err, errLong):
		t.raw = nil
		return nil, faultf("is longer than %d MB; shorten it, and give pictures as addresses or paths", maxRow>>20)
	case err != nil:
		return nil, err
	}
	t.raw = append(t.raw[:0], line...)
	if openAfter(line, t.delim, false) {
		return t.long(len(line))
	}
	return t.cut(string(trimEnd(line)))
}

// long reads the further lines of a row whose first ends inside quotes.
func (t *tableReader) long(first int) ([]string, error) {
	open := true
	for open {
		line, err := t.in.next()
		tooLong := errors.Is(err, errLong) || len(t.raw)+len(line) > maxRow
		switch {
		case errors.Is(err, io.EOF) || tooLong:
			t.raw = append(t.raw, line...)
			return t.giveUp(first, errOpenQuote)
		case err != nil:
			return nil, err
		}
		t.raw = append(t.raw, line...)
		open = openAfter(line, t.delim, true)
	}
	t.at = t.in.at
	text := strings.ReplaceAll(string(trimEnd(t.raw)), "\r\n", "\n")
	cells, err := splitRow(text, t.delim, t.cells[:0])
	if err != nil {
		return t.giveUp(first, err)
	}
	t.cells = cells
	return cells, t.check(text)
}

// giveUp takes the first line for itself and goes back to the one behind it.
func (t *tableReader) giveUp(first int, err error) ([]string, error) {
	end := t.in.at
	t.at = end - int64(len(t.raw)-first)
	t.in.again(t.raw[first:], t.line, t.at)
	t.raw = t.raw[:first]
	if t.lenient {
		return t.literal()
	}
	return nil, &Fault{Stage: StageFeed, Err: err}
}

func (t *tableReader) literal() ([]string, error) {
	text := string(trimEnd(t.raw))
	t.cells = t.cells[:0]
	for cell := range strings.SplitSeq(text, string(t.delim)) {
		t.cells = append(t.cells, cell)
	}
	return t.cells, t.check(text)
}

func (t *tableReader) cut(row string) ([]string, error) {
	cells, err := splitRow(row, t.delim, t.cells[:0])
	t.cells = cells
	switch {
	case err != nil && t.lenient:
		return t.literal()
	case err != nil:
		return nil, &Fault{Stage: StageFeed, Err: err}
	}
	return cells, t.check(row)
}

// check refuses rows that are not text.
func (t *tableReader) check(row string) error {
	if at := strings.IndexByte(row, 0); at >= 0 {
		return faultf("has a zero byte at byte %d; if the file is UTF-16, give --encoding utf-16le", at+1)
	}
	if at := badByte(row); at > 0 {
		return faultf("is not UTF-8 text at byte %d; save the feed as UTF-8, or give its --encoding", at)
	}
	return nil
}

// where names the row for people; its line too, where cells have several.
func (t *tableReader) where() string {
	if t.row == t.line {
		return fmt.Sprintf("row %d", t.row)
	}
	return fmt.Sprintf("row %d, line %d", t.row, t.line)
}

// openAfter says whether a line ends inside quotes, from whether it starts so.
// A quote opens at the start of a cell only.
func openAfter(line []byte, delim byte, open bool) bool {
	for len(line) > 0 {
		switch {
		case open:
			at := bytes.IndexByte(line, '"')
			if at < 0 {
				return true
			}
			if line = line[at+1:]; len(line) > 0 && line[0] == '"' {
				line = line[1:] // doubled: a part of the text
				continue
			}
			open = false
		case line[0] == '"':
			open, line = true, line[1:]
			continue
		}
		at := bytes.IndexByte(line, delim)
		if at < 0 {
			return false
		}
		line = line[at+1:]
	}
	return open
}

// splitRow appends the cells of a whole row. They share its memory but for
// those with doubled quotes.
func splitRow(row string, delim byte, cells []string) ([]string, error) {
	for {
		if strings.HasPrefix(row, `"`) {
			cell, rest, err := unquote(row[1:])
			switch {
			case err != nil:
				return cells, err
			case rest == "":
				return append(cells, cell), nil
			case rest[0] != delim:
				return cells, errQuote
			}
			cells, row = append(cells, cell), rest[1:]
			continue
		}
		at := strings.IndexByte(row, delim)
		if at < 0 {
			return append(cells, row), nil
		}
		cells, row = append(cells, row[:at]), row[at+1:]
	}
}

// unquote reads a cell up to its closing quote.
func unquote(row string) (cell, rest string, err error) {
	at := strings.IndexByte(row, '"')
	if at >= 0 && !strings.HasPrefix(row[at+1:], `"`) {
		return row[:at], row[at+1:], nil
	}
	var out strings.Builder
	for at >= 0 && strings.HasPrefix(row[at+1:], `"`) {
		out.WriteString(row[:at+1])
		row = row[at+2:]
		at = strings.IndexByte(row, '"')
	}
	if at < 0 {
		return "", "", errOpenQuote
	}
	out.WriteString(row[:at])
	return out.String(), row[at+1:], nil
}
