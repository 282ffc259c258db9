package wordpiece

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unicodeTable is what Hugging Face's tokenizers does with each code point. It
// is data and not Go's unicode package, for two reasons. The reference takes
// categories from Unicode 8 and normalisation from Unicode 9, so that newer
// tables give other words for hundreds of code points (TestGoUnicodeDiffers
// counts them). And Go's tables change with the toolchain, while the ids of a
// text must stay what the model was indexed with.
//
//go:embed unicode.txt
var unicodeTable string

// class is what happens to a code point. The names are those of unicode.txt.
type class uint8

const (
	plain class = iota // part of a word
	drop               // removed first: controls, format, private use, U+FFFD
	space              // ends a word
	cjk                // a word of its own, together with no neighbour
	punct              // a word of its own
	mark               // uncased: accent, removed after decomposition
	block              // mark that canonical ordering does not move others across
	order              // kept combining mark; rune is its combining class
)

// char packs what is known of a code point: class in the top byte, in the low
// 24 bits the rune that replaces it (0: itself) or, with folds set, an index
// into chars.texts, or the combining class of an order mark.
type char uint32

const folds char = 1 << 31

func (c char) class() class { return class(c >> 24 & 0x7f) }
func (c char) value() int   { return int(c & 0xffffff) }

const (
	pageSize = 256
	maxPages = (utf8.MaxRune + 1) / pageSize
)

type page [pageSize]char

// chars maps code points to char in two steps; equal pages are stored once
// (101 of them, 101 kB). Hangul syllables are not in it: they decompose
// by arithmetic.
type chars struct {
	ascii   page // copy of page 0: the fast path needs no second step
	index   [maxPages]uint16
	pages   []page
	texts   []string
	uncased bool
}

// newChars reads unicodeTable. Without uncased, letters keep case and accents,
// as BertNormalizer does for cased models.
func newChars(uncased bool) (*chars, error) {
	all := make([]char, utf8.MaxRune+1)
	c := &chars{uncased: uncased}
	for n, line := range strings.Split(unicodeTable, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if err := c.readLine(all, line); err != nil {
			return nil, fmt.Errorf("unicode.txt line %d: %w", n+1, err)
		}
	}
	c.pack(all)
	return c, nil
}

func (c *chars) readLine(all []char, line string) error {
	name, rest, _ := strings.Cut(line, " ")
	codes, value, _ := strings.Cut(rest, " ")
	lo, hi, err := parseSpan(codes)
	if err != nil {
		return err
	}
	switch name {
	case "drop":
		setClass(all[lo:hi+1], drop)
	case "space":
		setClass(all[lo:hi+1], space)
	case "cjk":
		setClass(all[lo:hi+1], cjk)
	case "punct":
		setClass(all[lo:hi+1], punct)
	case "mark", "block", "order", "fold":
		if c.uncased {
			return c.readUncased(all[lo:hi+1], name, value)
		}
	default:
		return fmt.Errorf("unknown word %q", name)
	}
	return nil
}

// readUncased reads the lines that only lower-casing and accent stripping use.
// Cased text is not decomposed, so that no mark moves in it either.
func (c *chars) readUncased(codes []char, name, value string) error {
	switch name {
	case "mark":
		setClass(codes, mark)
	case "block":
		setClass(codes, block)
	case "order":
		k, err := strconv.ParseUint(value, 10, 8)
		if err != nil {
			return fmt.Errorf("combining class: %w", err)
		}
		for i := range codes {
			codes[i] = char(order)<<24 | char(k)
		}
	default:
		return c.readFold(codes, value)
	}
	return nil
}

func (c *chars) readFold(codes []char, value string) error {
	var text []rune
	for f := range strings.FieldsSeq(value) {
		r, err := strconv.ParseUint(f, 16, 21)
		if err != nil {
			return fmt.Errorf("fold: %w", err)
		}
		text = append(text, rune(r))
	}
	if len(text) == 1 {
		for i := range codes {
			codes[i] |= char(text[0]) + char(i)
		}
		return nil
	}
	for i := range codes {
		codes[i] |= folds | char(len(c.texts))
	}
	c.texts = append(c.texts, string(text))
	return nil
}

func parseSpan(s string) (lo, hi int, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err := strconv.ParseUint(first, 16, 21)
	if err != nil {
		return 0, 0, fmt.Errorf("code point: %w", err)
	}
	b, err := strconv.ParseUint(last, 16, 21)
	if err != nil {
		return 0, 0, fmt.Errorf("code point: %w", err)
	}
	if a > b || b > utf8.MaxRune {
		return 0, 0, fmt.Errorf("code points %q out of order or range", s)
	}
	return int(a), int(b), nil
}

func setClass(codes []char, k class) {
	for i := range codes {
		codes[i] = char(k) << 24
	}
}

func (c *chars) pack(all []char) {
	seen := map[page]uint16{}
	for i := range c.index {
		p := page(all[i*pageSize:])
		n, ok := seen[p]
		if !ok {
			n = uint16(len(c.pages))
			seen[p] = n
			c.pages = append(c.pages, p)
		}
		c.index[i] = n
	}
	c.ascii = c.pages[c.index[0]]
}

func (c *chars) of(r rune) char {
	return c.pages[c.index[uint32(r)/pageSize]][uint32(r)%pageSize]
}
