package wordpiece

import "unicode/utf8"

// maxWordRunes is BERT's limit: a longer word is one [UNK], whatever it holds.
const maxWordRunes = 100

// splitter turns text into normalised words and hands each to emit. It does in
// one pass what the reference does in five (clean, space CJK, decompose and
// strip accents, lower-case, split at white space and punctuation).
type splitter struct {
	chars *chars
	emit  func(word []byte, tooLong bool)

	word  [maxWordRunes * utf8.UTFMax]byte
	n     int // bytes of word
	runes int // counted on past the limit
	fence int // ordering moves no mark to before this byte
}

// split reads text, which may be invalid UTF-8: like U+FFFD, broken bytes are
// dropped.
func (s *splitter) split(text string) {
	for i := 0; i < len(text); {
		if b := text[i]; b < utf8.RuneSelf {
			s.addASCII(b)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		s.addRune(r)
		i += size
	}
	s.flush()
}

func (s *splitter) addASCII(b byte) {
	c := s.chars.ascii[b]
	switch c.class() {
	case plain:
		if s.runes++; s.runes > maxWordRunes {
			return
		}
		if v := byte(c); v != 0 {
			b = v
		}
		s.word[s.n] = b
		s.n++
	case space:
		s.flush()
	case punct:
		s.alone(rune(b))
	}
}

func (s *splitter) addRune(r rune) {
	c := s.chars.of(r)
	switch c.class() {
	case drop, mark:
	case space:
		s.flush()
	case cjk:
		s.alone(s.chars.fold(r, c))
	case block:
		s.fence = s.n
	case order:
		s.insert(r, c.value())
	default:
		s.addFolded(r, c)
	}
}

// addFolded adds a letter, or the letters that it decomposes into.
func (s *splitter) addFolded(r rune, c char) {
	switch {
	case c&folds != 0:
		for _, part := range s.chars.texts[c.value()] {
			s.place(part)
		}
	case s.chars.uncased && hangulFirst <= r && r <= hangulLast:
		s.addHangul(r)
	default:
		s.place(s.chars.fold(r, c))
	}
}

// fold returns the replacement of a code point that has at most one rune of it.
func (c *chars) fold(r rune, k char) rune {
	if v := k.value(); v != 0 {
		return rune(v)
	}
	return r
}

// place adds a rune that folding gave; it is not folded again.
func (s *splitter) place(r rune) {
	switch c := s.chars.of(r); c.class() {
	case punct:
		s.alone(r)
	case order:
		s.insert(r, c.value())
	default:
		s.append(r)
	}
}

func (s *splitter) append(r rune) {
	if s.runes++; s.runes <= maxWordRunes {
		s.n += utf8.EncodeRune(s.word[s.n:], r)
	}
}

func (s *splitter) alone(r rune) {
	s.flush()
	s.append(r)
	s.flush()
}

func (s *splitter) flush() {
	if s.runes > 0 {
		s.emit(s.word[:s.n], s.runes > maxWordRunes)
	}
	s.n, s.runes, s.fence = 0, 0, 0
}

// insert adds a combining mark of class k before those of a higher class that
// end the word: canonical ordering. Only about 80 marks need it, since the
// accents, which are most of the marks, are gone.
func (s *splitter) insert(r rune, k int) {
	at := s.n
	s.append(r)
	if s.runes > maxWordRunes {
		return
	}
	for at > s.fence {
		prev, size := utf8.DecodeLastRune(s.word[:at])
		if c := s.chars.of(prev); c.class() != order || c.value() <= k {
			break
		}
		at -= size
	}
	var moved [utf8.UTFMax]byte
	size := utf8.EncodeRune(moved[:], r)
	copy(s.word[at+size:s.n], s.word[at:])
	copy(s.word[at:], moved[:size])
}

// Hangul syllables, Unicode 3.12: 19 leading consonants × 21 vowels × 28
// trailing consonants, the first of which is "none".
const (
	hangulFirst, hangulLast = 0xAC00, 0xD7A3
	leadFirst               = 0x1100
	vowelFirst, vowels      = 0x1161, 21
	trailNone, trails       = 0x11A7, 28
)

func (s *splitter) addHangul(r rune) {
	r -= hangulFirst
	s.append(leadFirst + r/(vowels*trails))
	s.append(vowelFirst + r/trails%vowels)
	if t := r % trails; t != 0 {
		s.append(trailNone + t)
	}
}
