package milvus

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// cond is a condition in Milvus's expression language. It is only ever made of
// our own column names and of literals that quote wrote, so no text of a user
// can become a part of its grammar.
type cond string

// No id is empty, so these are true of every row and of none. Written out where
// a condition must be sent, folded away elsewhere.
const (
	always cond = colID + ` != ""`
	never  cond = colID + ` == ""`
)

func not(c cond) cond {
	switch c {
	case always:
		return never
	case never:
		return always
	}
	return "not (" + c + ")"
}

func and(parts ...cond) cond { return join(" and ", always, never, parts) }

func or(parts ...cond) cond { return join(" or ", never, always, parts) }

// join leaves out the parts that change nothing, and is the absorbing one where
// that is among them.
func join(word string, neutral, absorbing cond, parts []cond) cond {
	var kept []string
	for _, part := range parts {
		switch part {
		case neutral:
		case absorbing:
			return absorbing
		default:
			kept = append(kept, string(part))
		}
	}
	switch len(kept) {
	case 0:
		return neutral
	case 1:
		return cond(kept[0])
	}
	return cond("(" + strings.Join(kept, word) + ")")
}

// quote writes a text as a literal. It uses only the escapes that Milvus Lite's
// lexer and the servers' (Go's strconv.Unquote) both know; everything else
// stands for itself in both. text must be valid UTF-8, or gRPC refuses the call.
func quote(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 2)
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// in wants one of the texts; those that are not UTF-8 no row can hold.
func in(column string, texts []string) cond {
	literals := make([]string, 0, len(texts))
	for _, text := range texts {
		if utf8.ValidString(text) {
			literals = append(literals, quote(text))
		}
	}
	return among(column, literals)
}

func among(column string, literals []string) cond {
	if len(literals) == 0 {
		return never
	}
	return cond(column + " in [" + strings.Join(literals, ", ") + "]")
}

func compare(column, operator, literal string) cond {
	return cond(column + " " + operator + " " + literal)
}

// startsWith is a range, since the wildcards of LIKE cannot be escaped on Lite.
// Texts are ordered byte by byte, which for UTF-8 is the order of characters.
func startsWith(column, prefix string) cond {
	from := compare(column, ">=", quote(prefix))
	end, ok := behind(prefix)
	if !ok {
		return from
	}
	return and(from, compare(column, "<", quote(end)))
}

// behind returns the smallest text above all those that begin with prefix, and
// false where there is none.
func behind(prefix string) (string, bool) {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		if next := last + 1; next <= utf8.MaxRune {
			if next == 0xd800 { // surrogates are no characters
				next = 0xe000
			}
			return prefix + string(next), true
		}
	}
	return "", false
}

// floatLiteral always has an exponent, so that it is never read as a whole
// number, and never a sign: prices are 0 or more.
func floatLiteral(v float64) string { return strconv.FormatFloat(v, 'e', -1, 64) }

func intLiteral(v int64) string { return strconv.FormatInt(v, 10) }
