package wordpiece

import (
	"strings"
	"unicode/utf8"
)

// encoder is the working memory of one Encode call, reused by a pool.
type encoder struct {
	t     *Tokenizer
	words splitter
	ids   []int64
	found []int64 // pieces of the current word; at most one a byte
	cut   int
}

func newEncoder(t *Tokenizer) *encoder {
	e := &encoder{t: t, ids: make([]int64, 0, min(t.options.MaxTokens, 64))}
	e.words = splitter{chars: t.chars, emit: e.word}
	return e
}

// EncodeRaw is Encode without cleaning, whatever the Options say: for what a
// decoder is to go on from, and for answers, which BLIP does not clean.
func (t *Tokenizer) EncodeRaw(text string) Encoding {
	e := t.scratch.Get().(*encoder)
	defer t.scratch.Put(e)
	return e.encode(text)
}

func (e *encoder) encode(text string) Encoding {
	e.ids, e.cut = append(e.ids[:0], e.t.special.Cls), 0
	for {
		at, token := e.t.nextReserved(text)
		if at < 0 {
			break
		}
		e.words.split(text[:at])
		e.add(token.id)
		text = text[at+len(token.text):]
	}
	e.words.split(text)
	return Encoding{IDs: append(append(make([]int64, 0, len(e.ids)+1), e.ids...), e.t.special.Sep), Cut: e.cut}
}

// add appends a piece while there is room for it and [SEP].
func (e *encoder) add(id int64) {
	if len(e.ids) < e.t.options.MaxTokens-1 {
		e.ids = append(e.ids, id)
	} else {
		e.cut++
	}
}

// nextReserved finds the first special token written out in the text. The
// reference looks before it normalises, so that "[sep]" is three words.
func (t *Tokenizer) nextReserved(text string) (int, reserved) {
	for from := 0; ; from++ {
		i := strings.IndexByte(text[from:], '[')
		if i < 0 {
			return -1, reserved{}
		}
		from += i
		for _, r := range t.reserved {
			if strings.HasPrefix(text[from:], r.text) {
				return from, r
			}
		}
	}
}

// word adds the pieces of a word: always the longest that fits, and one [UNK]
// for the whole word when some rest of it has no piece.
func (e *encoder) word(word []byte, tooLong bool) {
	e.found = e.found[:0]
	place := &e.t.starts
	for from := 0; from < len(word) && !tooLong; {
		id, size := place.match(word[from:])
		if size == 0 {
			tooLong = true
		}
		e.found = append(e.found, int64(id))
		from += size
		place = &e.t.rest
	}
	if tooLong {
		e.add(e.t.special.Unk)
		return
	}
	for _, id := range e.found {
		e.add(id)
	}
}

// match finds the longest entry that word starts with; size 0 means none.
func (p *pieces) match(word []byte) (id int32, size int) {
	for size = min(len(word), p.longest); size > 0; size-- {
		if size < len(word) && !utf8.RuneStart(word[size]) {
			continue
		}
		if id, ok := p.ids[string(word[:size])]; ok {
			return id, size
		}
	}
	return 0, 0
}
