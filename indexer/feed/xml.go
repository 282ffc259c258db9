package feed

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	googleSpace = "http://base.google.com/ns/1.0"
	maxDepth    = 64   // of elements: a stack of the decoder's grows with it
	maxElements = 2000 // of one item
	maxNames    = 4096 // of elements whose meaning is remembered
)

// xmlReader reads the items of RSS and entries of Atom. encoding/xml expands
// no entities that a feed declares, so those can neither read files nor grow.
type xmlReader struct {
	s      *sink
	d      *xml.Decoder
	guard  *guard
	build  *builder
	known  map[xml.Name]column
	depth  int
	number int // of the latest item
	rooted bool
}

func readXML(s *sink) {
	g := &guard{r: s.in.r}
	x := &xmlReader{s: s, guard: g, d: xml.NewDecoder(g), build: &builder{currency: s.o.Currency}, known: map[xml.Name]column{}}
	x.d.Entity = xml.HTMLEntity                                                          // feeds have &nbsp;
	x.d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // decoded already
	for {
		token, err := x.token()
		switch {
		case errors.Is(err, io.EOF) && x.rooted:
			return
		case errors.Is(err, io.EOF):
			s.end(Record{}, errors.New("the feed is empty; want XML with <rss> or <feed>"))
			return
		case err != nil:
			s.end(x.record(), err)
			return
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if err := x.root(start); err != nil {
			s.end(x.record(), err)
			return
		}
		if isItem(start.Name) && !x.item() {
			return
		}
	}
}

// root refuses XML that is something else.
func (x *xmlReader) root(start xml.StartElement) error {
	if x.rooted {
		return nil
	}
	x.rooted = true
	switch strings.ToLower(start.Name.Local) {
	case "rss", "feed", "rdf", "channel":
		return nil
	}
	return fmt.Errorf("the XML is <%s>, not a Google Merchant feed (<rss> or <feed>); other XML cannot be read, write it as CSV or JSONL", shorten(start.Name.Local, 60))
}

func isItem(name xml.Name) bool { return name.Local == "item" || name.Local == "entry" }

// token is the decoder's next, with its errors in words and its depth bounded.
func (x *xmlReader) token() (xml.Token, error) {
	x.guard.left = maxRow
	token, err := x.d.Token()
	if err != nil {
		return nil, x.explain(err)
	}
	switch token.(type) {
	case xml.StartElement:
		x.depth++
	case xml.EndElement:
		x.depth--
	}
	if x.depth > maxDepth {
		line, column := x.d.InputPos()
		return nil, fmt.Errorf("the elements at line %d, column %d are nested more than %d deep", line, column, maxDepth)
	}
	return token, nil
}

func (x *xmlReader) explain(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	line, column := x.d.InputPos()
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errLong):
		return fmt.Errorf("an element, comment or attribute at line %d is longer than %d MB; shorten it, and give pictures as addresses", line, maxRow>>20)
	case errors.As(err, &syntax):
		return fmt.Errorf("the XML is broken at line %d, column %d: %s; what follows cannot be read, correct it and import again", line, column, syntax.Msg)
	}
	return fmt.Errorf("at line %d: %w", line, err)
}

func (x *xmlReader) record() Record {
	line, _ := x.d.InputPos()
	return x.s.record(x.number, fmt.Sprintf("item %d, line %d", x.number, line), x.d.InputOffset())
}

// column says what an element means. Google's name beats the same of RSS.
func (x *xmlReader) column(name xml.Name) column {
	if c, ok := x.known[name]; ok {
		return c
	}
	c := x.s.in.fields.column(name.Local)
	if c.rank >= 0 && c.rank < lastResort {
		c.rank *= 2
		if !isGoogle(name) {
			c.rank++
		}
	}
	if len(x.known) < maxNames {
		x.known[name] = c
	}
	return c
}

// isGoogle takes the prefix too, for feeds that forget to declare it.
func isGoogle(name xml.Name) bool { return name.Space == googleSpace || name.Space == "g" }

// sentinel stands for what XML cannot hold (broken UTF-8, control characters):
// encoding/xml would end the feed there, and it is a fault of one item only.
// It is of a private plane, where no shop writes.
const sentinel = '\U0010FFFD'

// guard hands bytes to the decoder, replaces what it would stumble over, and
// bounds how many one token may take.
type guard struct {
	r       *bufio.Reader
	left    int
	pending []byte // of a character that is handed out
	buf     [utf8.UTFMax]byte
}

// ReadByte makes the decoder read without a buffer of its own.
func (g *guard) ReadByte() (byte, error) {
	if g.left--; g.left < 0 {
		return 0, errLong
	}
	if len(g.pending) == 0 {
		b, err := g.r.ReadByte()
		if err != nil || b < utf8.RuneSelf && (b >= ' ' || b == '\n' || b == '\t' || b == '\r') {
			return b, err
		}
		if err := g.r.UnreadByte(); err != nil {
			return 0, err
		}
		r, size, err := g.r.ReadRune()
		if err != nil {
			return 0, err
		}
		if r < ' ' || r == utf8.RuneError && size == 1 || r == 0xFFFE || r == 0xFFFF {
			r = sentinel
		}
		g.pending = utf8.AppendRune(g.buf[:0], r)
	}
	b := g.pending[0]
	g.pending = g.pending[1:]
	return b, nil
}

func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := g.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}
