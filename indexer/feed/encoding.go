package feed

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	utf16 "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// lookUpEncoding returns nil for UTF-8, which is not decoded but checked row by
// row.
func lookUpEncoding(name string) (encoding.Encoding, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // no encoding is an answer
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return nil, fmt.Errorf("encoding %q is not known; use a name such as utf-8, utf-16le, windows-1252 or shift_jis: %w", name, err)
	}
	if canonical, _ := htmlindex.Name(e); canonical == "utf-8" {
		return nil, nil //nolint:nilnil // as above
	}
	return e, nil
}

// decode settles format and encoding. A byte order mark beats the option, which
// beats an XML declaration, which beats guessing.
func (in *input) decode(s source, o Options) error {
	forced, err := lookUpEncoding(o.Encoding)
	if err != nil {
		return err
	}
	marked := in.mark()
	if !marked && forced != nil {
		in.convert(forced, o)
	}
	if err := in.sniff(s, o); err != nil {
		return err
	}
	if marked || o.Encoding != "" {
		return in.newlines()
	}
	if in.format == GoogleXML {
		declared, err := in.declared()
		if err != nil {
			return err
		}
		if declared != nil {
			in.convert(declared, o)
		}
	}
	// JSON is UTF-8 by its standard, so that there a wrong byte is a wrong row.
	if !in.decoded && in.format != JSONL {
		in.r = bufio.NewReaderSize(&guesser{r: in.r, in: in, o: o}, sampleSize)
	}
	return in.newlines()
}

// mark takes a byte order mark off and decodes what it says.
func (in *input) mark() bool {
	head, _ := in.r.Peek(3) // an error is met again when reading
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		in.skipped, _ = 3, discard(in.r, 3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		in.convert(utf16.UTF16(utf16.LittleEndian, utf16.ExpectBOM), Options{})
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		in.convert(utf16.UTF16(utf16.BigEndian, utf16.ExpectBOM), Options{})
	default:
		return false
	}
	return true
}

func discard(r *bufio.Reader, n int) error {
	_, err := r.Discard(n) // of bytes that were peeked at: cannot fail
	return err
}

func (in *input) convert(e encoding.Encoding, o Options) {
	in.r = bufio.NewReaderSize(transform.NewReader(in.r, e.NewDecoder()), sampleSize)
	in.exact, in.decoded = false, true
	if o.Log != nil {
		name, _ := htmlindex.Name(e)
		o.Log.Info("the feed's text is decoded", "encoding", name)
	}
}

// declared reads the encoding in <?xml … encoding="…"?>. UTF-16 there is passed
// over: a declaration that can be read is not written in it.
func (in *input) declared() (encoding.Encoding, error) {
	head, _ := look(in.r)
	found := regexp.MustCompile(`^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]{1,40})["']`).FindSubmatch(head)
	if found == nil || strings.HasPrefix(strings.ToLower(string(found[1])), "utf-16") {
		return nil, nil //nolint:nilnil // none is an answer
	}
	return lookUpEncoding(string(found[1]))
}

// newlines reads a table that a Mac of old wrote, whose lines end in CR.
func (in *input) newlines() error {
	if in.format == JSONL || in.format == GoogleXML {
		return nil
	}
	sample, _ := look(in.r)
	if bytes.IndexByte(sample, '\r') >= 0 && bytes.IndexByte(sample, '\n') < 0 {
		in.r = bufio.NewReaderSize(crReader{in.r}, sampleSize)
	}
	return nil
}

type crReader struct{ r io.Reader }

func (c crReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// guesser passes ASCII on until the first other byte, and decides by what
// surrounds that whether the text is UTF-8 or Windows-1252 (of which Latin-1 is
// a part). Deciding late needs no more memory, and a feed whose first accent
// is a gigabyte away is read right.
type guesser struct {
	r       *bufio.Reader
	in      *input
	o       Options
	decided io.Reader
}

func (g *guesser) Read(p []byte) (int, error) {
	if g.decided != nil {
		return g.decided.Read(p)
	}
	if _, err := g.r.Peek(1); err != nil {
		return 0, err
	}
	buffered, _ := g.r.Peek(g.r.Buffered())
	n := min(ascii(buffered), len(p))
	if n > 0 {
		copy(p, buffered[:n])
		return n, discard(g.r, n)
	}
	sample, _ := g.r.Peek(sampleSize)
	g.decided = g.r
	if isWindows1252(sample) {
		g.in.exact = false
		g.decided = transform.NewReader(g.r, charmap.Windows1252.NewDecoder())
		g.o.Log.Info("the feed's text is not UTF-8; it is read as Windows-1252. If that is wrong, give --encoding")
	}
	return g.decided.Read(p)
}

// ascii returns how many bytes at the start are.
func ascii(b []byte) int {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

// isWindows1252 wants each byte above ASCII to make sense as one: a letter
// beside letters, or a sign that shops use. One broken UTF-8 sequence in a feed
// is no proof, so that its row is reported instead of read wrong.
func isWindows1252(sample []byte) bool {
	found := false
	for i := range sample {
		if sample[i] < utf8.RuneSelf {
			continue
		}
		if _, size := utf8.DecodeRune(sample[i:]); size > 1 || !plausible(sample, i) {
			return false
		}
		found = true
	}
	return found
}

func plausible(sample []byte, i int) bool {
	r := charmap.Windows1252.DecodeByte(sample[i])
	before := i > 0 && isWordByte(sample[i-1])
	after := i+1 < len(sample) && isWordByte(sample[i+1])
	switch {
	case r == 'ÿ' || r == 'þ' || r == utf8.RuneError: // FF FE is a stray byte order mark
		return false
	case unicode.IsLower(r):
		return before || after
	case unicode.IsUpper(r):
		return after
	}
	return strings.ContainsRune("€£¥§©«®°±²³µ·¹º»¼½¾¿×¡ª–—‘’“”…•™\u00a0", r)
}

// isWordByte takes in letters of Windows-1252.
func isWordByte(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= 0xc0
}

// repair makes text of bytes that are not: what is not UTF-8 is read as
// Windows-1252, which it usually is. It is for people to look at, never for
// the index.
func repair(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			r = charmap.Windows1252.DecodeByte(b[0])
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String()
}

// badByte returns the place, from 1, of the first byte of text that is not
// UTF-8; 0 when all are.
func badByte(text string) int {
	if utf8.ValidString(text) {
		return 0
	}
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			return i + 1
		}
	}
	return 0
}
