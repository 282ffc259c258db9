package feed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// sniff settles the format by the first 64 KB, and the delimiter of a table.
// The name of the file decides for JSONL only, whose broken first line would
// look like a table.
func (in *input) sniff(s source, o Options) error {
	sample, err := look(in.r)
	if len(sample) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	in.format = o.Format
	if in.format == Auto && s.isJSONLName() {
		in.format = JSONL
	}
	if in.format != JSONL { // there, every line is told apart
		if err := refuse(sample); err != nil {
			return err
		}
	}
	if in.format == Auto {
		if in.format, err = formatOf(sample); err != nil {
			return err
		}
	}
	header := headerOf(sample)
	in.delim = delimiterOf(header)
	if in.format == TSV {
		in.delim = '\t'
	}
	if in.format == CSV && o.Format == Auto && isShopify(header, in.delim) {
		in.format = ShopifyCSV
	}
	return nil
}

// look returns what lies ahead: a buffer full, or less if it has a whole line,
// since a pipe may send no more before the first item is in.
func look(r *bufio.Reader) ([]byte, error) {
	for n := 1; ; n = r.Buffered() + 1 {
		sample, err := r.Peek(min(n, sampleSize))
		if err == nil {
			sample, err = r.Peek(r.Buffered())
		}
		if err != nil || len(sample) >= sampleSize || bytes.IndexByte(bytes.TrimLeft(sample, "\r\n"), '\n') >= 0 {
			return sample, err
		}
	}
}

// refuse says what a file is that cannot be a feed, so that people need not
// find out from a thousand broken rows.
func refuse(sample []byte) error {
	head := bytes.ToLower(bytes.TrimSpace(sample[:min(len(sample), 512)]))
	switch {
	case bytes.HasPrefix(sample, []byte("PK\x03\x04")):
		return errors.New("the feed is a zip file or an Excel workbook; unpack it, or save the sheet as CSV")
	case bytes.HasPrefix(sample, []byte("\xd0\xcf\x11\xe0")):
		return errors.New("the feed is an old Excel or Word file; save the sheet as CSV")
	case bytes.HasPrefix(sample, []byte("%PDF")):
		return errors.New("the feed is a PDF; give the catalogue as CSV, JSONL or XML")
	case bytes.HasPrefix(sample, []byte("\x89PNG")) || bytes.HasPrefix(sample, []byte("\xff\xd8\xff")):
		return errors.New("the feed is a picture; give the folder that it is in")
	case bytes.HasPrefix(sample, []byte("\x28\xb5\x2f\xfd")):
		return errors.New("the feed is packed with zstd; unpack it or use gzip")
	case bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html")):
		return errors.New("the feed is a web page; look whether its address needs a login or is that of a page about the feed")
	}
	return nil
}

func formatOf(sample []byte) (Format, error) {
	text := bytes.TrimLeft(sample, " \t\r\n")
	switch {
	case len(text) == 0:
		return "", errors.New("the feed is empty; if that is meant, give --format jsonl")
	case text[0] == '<':
		return GoogleXML, nil
	case text[0] == '{':
		return JSONL, nil
	case text[0] == '[':
		return "", errors.New("the feed is one JSON array; write one item a line, as jq -c '.[]' does")
	case delimiterOf(headerOf(text)) == '\t':
		return TSV, nil
	}
	return CSV, nil
}

// headerOf returns the first line that is not blank.
func headerOf(sample []byte) string {
	sample = bytes.TrimLeft(sample, "\r\n")
	if end := bytes.IndexAny(sample, "\r\n"); end >= 0 {
		sample = sample[:end]
	}
	return string(sample)
}

// delimiterOf takes the sign that cuts the header into the most columns. Signs
// inside quotes count for nothing, and a comma wins a tie.
func delimiterOf(header string) byte {
	best, most := byte(','), 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		quoted, n := false, 0
		for i := range len(header) {
			switch {
			case header[i] == '"':
				quoted = !quoted
			case header[i] == d && !quoted:
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

// isShopify knows the header of a product export, of before and after 2025.
func isShopify(header string, delim byte) bool {
	has := map[string]bool{}
	cells, _ := splitRow(header, delim, nil)
	for _, name := range cells {
		has[squeeze(name)] = true
	}
	old := has["handle"] && (has["bodyhtml"] || has["variantprice"] || has["variantsku"] || has["imagesrc"])
	return old || has["urlhandle"] && (has["option1name"] || has["productimageurl"])
}

// describe names columns in messages, the first few of them.
func describe(names []string) string {
	const most = 12
	var parts []string
	for _, name := range names[:min(len(names), most)] {
		parts = append(parts, fmt.Sprintf("%q", shorten(name, 40)))
	}
	if len(names) > most {
		parts = append(parts, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(parts, ", ")
}

// shorten cuts a text for a message.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
