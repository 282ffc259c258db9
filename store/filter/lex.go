package filter

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a keyword or a bare name
	tokenName             // a name in back quotes
	tokenText             // in quotes
	tokenNumber           // in the syntax of JSON
	tokenSymbol           // an operator, a parenthesis or a comma
	tokenBad              // text says what is wrong
)

type token struct {
	kind tokenKind
	text string // without quotes and escapes
	at   int    // byte offset
}

// scan reads the token at or behind an offset, and returns the offset behind it.
func scan(src string, at int) (token, int) {
	at = len(src) - len(strings.TrimLeftFunc(src[at:], unicode.IsSpace))
	if at == len(src) {
		return token{at: at}, at
	}
	switch c := src[at]; {
	case c == '(' || c == ')' || c == ',':
		return token{tokenSymbol, src[at : at+1], at}, at + 1
	case c == '"' || c == '\'' || c == '`':
		return scanQuoted(src, at)
	case isDigit(c) || c == '-' || c == '+' || c == '.':
		return scanNumber(src, at)
	case isLetter(c):
		end := at + span(src[at:], isNameByte)
		return token{tokenWord, src[at:end], at}, end
	case isOperatorByte(c):
		return scanOperator(src, at)
	}
	r, size := utf8.DecodeRuneInString(src[at:])
	return bad(at, "%q has no meaning here: put texts in quotes and names with such characters in back quotes", r), at + size
}

func bad(at int, format string, args ...any) token {
	return token{tokenBad, fmt.Sprintf(format, args...), at}
}

// span is the length of what consists of bytes of a kind.
func span(src string, is func(byte) bool) int {
	n := 0
	for n < len(src) && is(src[n]) {
		n++
	}
	return n
}

func scanQuoted(src string, at int) (token, int) {
	kind, quote := tokenText, src[at]
	if quote == '`' {
		kind = tokenName
	}
	var text strings.Builder
	for i := at + 1; i < len(src); {
		switch src[i] {
		case quote:
			return token{kind, text.String(), at}, i + 1
		case '\\':
			r, size := unescape(src[i:])
			if size == 0 {
				return bad(i, `this \ begins no escape: write \\ for a backslash; \" \' \b \f \n \r \t and \uXXXX are the others`), len(src)
			}
			text.WriteRune(r)
			i += size
		default:
			text.WriteByte(src[i])
			i++
		}
	}
	return bad(at, "this %c is never closed: end the text with another %c", quote, quote), len(src)
}

// unescape reads an escape of JSON, or one of another quote; size is 0 for
// anything else.
func unescape(src string) (r rune, size int) {
	if len(src) < 2 {
		return 0, 0
	}
	switch c := src[1]; c {
	case '"', '\'', '`', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := hexRune(src)
	if ok && utf16.IsSurrogate(r) {
		low, _ := hexRune(src[6:])
		r = utf16.DecodeRune(r, low)
		return r, 12 * bit(r != unicode.ReplacementChar)
	}
	return r, 6 * bit(ok)
}

// hexRune reads \uXXXX.
func hexRune(src string) (rune, bool) {
	if len(src) < 6 || src[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(src[2:6], 16, 16)
	return rune(n), err == nil
}

// scanNumber takes all letters along, so that 50EUR is one mistake.
func scanNumber(src string, at int) (token, int) {
	end := at + 1
	for end < len(src) && (isDigit(src[end]) || isLetter(src[end]) || src[end] == '.' || isExponentSign(src, end)) {
		end++
	}
	text := src[at:end]
	if !isNumber(text) {
		return bad(at, "%s is not a number: write it like -12, 0.5 or 1e6, or in quotes if it is text", shorten(text)), end
	}
	return token{tokenNumber, text, at}, end
}

func isExponentSign(src string, i int) bool {
	return (src[i] == '+' || src[i] == '-') && (src[i-1] == 'e' || src[i-1] == 'E')
}

// isNumber holds for numbers as JSON writes them: not NaN, Inf, .5, 007 or +1.
func isNumber(text string) bool {
	return text != "" && (isDigit(text[0]) || text[0] == '-') && isDigit(text[len(text)-1]) && json.Valid([]byte(text))
}

func isOperatorByte(c byte) bool { return strings.IndexByte("=!<>&|:~", c) >= 0 }

func scanOperator(src string, at int) (token, int) {
	end := at + span(src[at:], isOperatorByte)
	text := src[at:end]
	if comparison(text) != "" {
		return token{tokenSymbol, text, at}, end
	}
	if meant := foreignOperator(text); meant != "" {
		return bad(at, "%s is not an operator: write %s", text, meant), end
	}
	return bad(at, "%s is not an operator: there are =, !=, <, <=, > and >=", shorten(text)), end
}

// comparison is the operator that a symbol stands for, if any.
func comparison(symbol string) op {
	for _, o := range []op{opEq, opNe, opLt, opLte, opGt, opGte} {
		if o.text() == symbol {
			return o
		}
	}
	return ""
}

// foreignOperator is our word for an operator of other languages.
func foreignOperator(text string) string {
	switch text {
	case "==", "===", ":", ":=":
		return "="
	case "<>", "!==", "~=":
		return "!="
	case "=<":
		return "<="
	case "=>":
		return ">="
	case "&", "&&":
		return "AND"
	case "|", "||":
		return "OR"
	case "!":
		return "NOT"
	}
	return ""
}
