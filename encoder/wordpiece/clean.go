package wordpiece

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Word limits of BLIP's retrieval and VQA data sets.
const (
	captionWords  = 30
	questionWords = 50
)

// CleanCaption is BLIP's pre_caption (data/utils.py) with at most 30 words:
// lower case, each of . ! " ( ) * # : ; ~ becomes a space, runs of white space
// become one space, the rest is trimmed and cut. Commas, hyphens, apostrophes
// and question marks stay. Cleaning twice changes nothing. Bytes that are not
// UTF-8 become U+FFFD.
func CleanCaption(text string) string {
	if isClean(text) {
		return text
	}
	text = collapse(strings.Map(captionRune, lower(text)))
	text = strings.Trim(strings.TrimRight(text, "\n"), " ")
	return firstWords(text, captionWords)
}

// CleanQuestion is BLIP's pre_question: lower case, each of
// . ! " ( ) * # : ; ~ removed, spaces trimmed at the end, at most 50 words.
// White space is not collapsed, and so empty words count, as in the original.
func CleanQuestion(text string) string {
	text = strings.TrimRight(strings.Map(questionRune, lower(text)), " ")
	return firstWords(text, questionWords)
}

// isClean spares the usual query, lower-case ASCII words with single spaces,
// any copying. It may say no to a clean text.
func isClean(text string) bool {
	words, last := 1, byte(' ')
	for i := range len(text) {
		b := text[i]
		switch {
		case 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == ',' || b == '-' || b == '\'' || b == '?':
		case b == ' ' && last != ' ':
			words++
		default:
			return false
		}
		last = b
	}
	return last != ' ' && words <= captionWords
}

func isCleaned(r rune) bool {
	switch r {
	case '.', '!', '"', '(', ')', '*', '#', ':', ';', '~':
		return true
	}
	return false
}

func captionRune(r rune) rune {
	if isCleaned(r) {
		return ' '
	}
	return r
}

func questionRune(r rune) rune {
	if isCleaned(r) {
		return -1
	}
	return r
}

// isPythonSpace is \s of Python's re: Unicode white space and four separators.
func isPythonSpace(r rune) bool {
	return isWhite(r) || 0x1C <= r && r <= 0x1F
}

// isWhite is Unicode's White_Space, unchanged since Unicode 6.3.
func isWhite(r rune) bool { return unicode.IsSpace(r) }

// collapse makes one space of two or more white space characters. A single
// character stays, even a tab or line end.
func collapse(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for len(text) > 0 {
		end := strings.IndexFunc(text, isPythonSpace)
		if end < 0 {
			end = len(text)
		}
		b.WriteString(text[:end])
		text = text[end:]
		rest := strings.TrimLeftFunc(text, isPythonSpace)
		white := text[:len(text)-len(rest)]
		if utf8.RuneCountInString(white) > 1 {
			white = " "
		}
		b.WriteString(white)
		text = rest
	}
	return b.String()
}

// firstWords keeps n words, each ended by one space.
func firstWords(text string, n int) string {
	at := 0
	for range n {
		i := strings.IndexByte(text[at:], ' ')
		if i < 0 {
			return text
		}
		at += i + 1
	}
	return text[:at-1]
}

// lower is Python's str.lower. It differs from strings.ToLower in two letters:
// İ becomes i and a dot above, and Σ at the end of a word becomes ς. Letters that
// are newer than the Unicode of one side may differ; of Python 3.11 (Unicode 14)
// and Go 1.26 (15), that is only whether six Latin letters from U+1DF25 end a
// word for Σ.
func lower(text string) string {
	if !strings.ContainsAny(text, "Σİ") {
		return strings.ToLower(text)
	}
	var b strings.Builder
	b.Grow(len(text) + 8)
	for i, r := range text {
		switch r {
		case 'İ':
			b.WriteString("i\u0307")
		case 'Σ':
			b.WriteRune(sigma(text[:i], text[i+len("Σ"):]))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// sigma is Unicode's Final_Sigma: a letter before, none after, where marks and
// the like between do not count.
func sigma(before, after string) rune {
	before = strings.TrimRightFunc(before, isCaseIgnorable)
	after = strings.TrimLeftFunc(after, isCaseIgnorable)
	prev, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	if isCased(prev) && !isCased(next) {
		return 'ς'
	}
	return 'σ'
}

// isCased is Unicode's Cased (DerivedCoreProperties).
func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// isCaseIgnorable is Unicode's Case_Ignorable: general categories, and Word_Break
// MidLetter, MidNumLet and Single_Quote written out.
func isCaseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', 0xB7, 0x387, 0x55F, 0x5F4, 0x2018, 0x2019, 0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A:
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}
