package feed

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// plainText makes plain text of what may be HTML: descriptions are in most
// shops, and the tags would be searched for and shown as words.
func plainText(given string) string {
	if !looksHTML(given) {
		return unescape(given)
	}
	return htmlText(given)
}

// unescape decodes "Salt &amp; Pepper", which exports often leave.
func unescape(given string) string {
	if at := strings.IndexByte(given, '&'); at < 0 || strings.IndexByte(given[at:], ';') < 0 {
		return given
	}
	return html.UnescapeString(given)
}

// looksHTML wants a tag that HTML has, since "size <M>" is none.
func looksHTML(given string) bool {
	for {
		at := strings.IndexByte(given, '<')
		if at < 0 {
			return false
		}
		given = strings.TrimPrefix(given[at+1:], "/")
		end := strings.IndexFunc(given, func(r rune) bool { return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '1' || r > '6') })
		if end > 0 && end < 12 && strings.IndexByte(given[end:], '>') >= 0 && atom.Lookup([]byte(strings.ToLower(given[:end]))) != 0 {
			return true
		}
		if strings.HasPrefix(given, "!--") {
			return true
		}
	}
}

// htmlText returns the text of HTML: blocks are lines, spaces are single, and
// what is not shown (styles, scripts) is left out.
func htmlText(given string) string {
	z := html.NewTokenizer(strings.NewReader(given))
	var out lines
	hidden := 0
	for {
		switch z.Next() {
		case html.ErrorToken: // the end: a reader of a string fails in no other way
			return strings.TrimSpace(out.String())
		case html.TextToken:
			if hidden == 0 {
				out.text(string(z.Text()))
			}
		case html.StartTagToken:
			hidden += out.tag(z, 1)
		case html.EndTagToken:
			hidden = max(0, hidden+out.tag(z, -1))
		case html.SelfClosingTagToken:
			out.tag(z, 0)
		}
	}
}

// lines collects text with single spaces and line ends.
type lines struct {
	strings.Builder
	gap byte // what goes before the next word: 0, a space or a line end
}

func (l *lines) text(t string) {
	for _, r := range t {
		if unicode.IsSpace(r) {
			l.space()
			continue
		}
		if l.gap != 0 && l.Len() > 0 {
			l.WriteByte(l.gap)
		}
		l.gap = 0
		l.WriteRune(r)
	}
}

// tag breaks the line at blocks and returns the change in hidden depth.
func (l *lines) tag(z *html.Tokenizer, depth int) int {
	name, _ := z.TagName()
	switch atom.Lookup(name) {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Title, atom.Iframe:
		return depth
	case atom.P, atom.Div, atom.Br, atom.Li, atom.Ul, atom.Ol, atom.Tr, atom.Table, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
		atom.Blockquote, atom.Pre, atom.Section, atom.Article, atom.Dt, atom.Dd, atom.Hr, atom.Header, atom.Footer, atom.Figcaption:
		l.gap = '\n'
	case atom.Td, atom.Th, atom.Img:
		l.space()
	}
	return 0
}

func (l *lines) space() {
	if l.gap == 0 {
		l.gap = ' '
	}
}
