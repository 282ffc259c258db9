package wordpiece_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sightline/encoder/wordpiece"
)

// FuzzEncode checks what must hold for every text.
func FuzzEncode(f *testing.F) {
	v := readVocabulary(f, "testdata/vocab.txt")
	for _, text := range []string{"", tenWords, "[CLS] a[SEP", "ΑΣ. İ", "é\u0301\u302e\u1b44", "\xff\x00", strings.Repeat("한", 40), "x \n. y"} {
		f.Add(text)
	}
	keep := v
	keep.Lowercase = false
	var under []subject
	for _, limit := range []int{3, 12, 1 << 20} {
		for _, clean := range []bool{false, true} {
			under = append(under, newSubject(f, v, limit, clean), newSubject(f, keep, limit, clean))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range under {
			s.check(t, text)
		}
		checkClean(t, text)
	})
}

// subject is a tokenizer with what a test must know of it.
type subject struct {
	tok   *wordpiece.Tokenizer
	v     wordpiece.Vocabulary
	limit int
}

func newSubject(t testing.TB, v wordpiece.Vocabulary, limit int, clean bool) subject {
	return subject{newTokenizer(t, v, wordpiece.Options{MaxTokens: limit, Clean: clean}), v, limit}
}

func (s subject) check(t *testing.T, text string) {
	e := s.tok.Encode(text)
	last := len(e.IDs) - 1
	if last < 1 || last >= s.limit || e.IDs[0] != s.v.Special.Cls || e.IDs[last] != s.v.Special.Sep {
		t.Fatalf("%q, limit %d: ids %v", text, s.limit, e.IDs)
	}
	if e.Cut < 0 || e.Cut > 0 && len(e.IDs) != s.limit {
		t.Fatalf("%q, limit %d: %d ids but Cut is %d", text, s.limit, len(e.IDs), e.Cut)
	}
	for _, id := range e.IDs {
		if id < 0 || id >= int64(len(s.v.Tokens)) {
			t.Fatalf("%q: id %d", text, id)
		}
	}
	if again := s.tok.Encode(text); !slices.Equal(again.IDs, e.IDs) || again.Cut != e.Cut {
		t.Fatalf("%q: first %+v, then %+v", text, e, again)
	}
	if got := s.tok.Encode(strings.ToValidUTF8(text, "\ufffd")); !slices.Equal(got.IDs, e.IDs) {
		t.Fatalf("%q: broken bytes give %v, U+FFFD gives %v", text, e.IDs, got.IDs)
	}
	if out := s.tok.Decode(e.IDs); !utf8.ValidString(out) {
		t.Fatalf("%q decodes to %q", text, out)
	}
}

func checkClean(t *testing.T, text string) {
	once := wordpiece.CleanCaption(text)
	if again := wordpiece.CleanCaption(once); again != once {
		t.Fatalf("%q is cleaned to %q, that to %q", text, once, again)
	}
	if strings.ContainsAny(once, `.!"()*#:;~`) || strings.Contains(once, "  ") || strings.Count(once, " ") > 29 {
		t.Fatalf("%q is cleaned to %q", text, once)
	}
	question := wordpiece.CleanQuestion(text)
	if strings.ContainsAny(question, `.!"()*#:;~`) || strings.Count(question, " ") > 49 {
		t.Fatalf("question %q is cleaned to %q", text, question)
	}
}

// FuzzVocabulary feeds broken and hostile vocabularies. What is accepted must
// encode, and come back the same from a vocab.txt.
func FuzzVocabulary(f *testing.F) {
	for _, data := range []string{
		four, four + "a\n##b\n\n{\n", strings.ReplaceAll(four, "\n", "\r\n"), "{\n" + four, `{"model":{"vocab":{}}}`,
		`{"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"a":4}},"added_tokens":[{"id":5,"content":"[ENC]"}]}`,
	} {
		f.Add([]byte(data), "a ab [SEP]")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		v, err := wordpiece.ReadVocabulary("fuzz", bytes.NewReader(data))
		if err != nil {
			return
		}
		newSubject(t, v, 9, false).check(t, text)
		if v.Special.Dec == v.Special.Enc || max(v.Special.Dec, v.Special.Enc) > int64(len(v.Tokens))+1 {
			t.Fatalf("[DEC] and [ENC] are %+v of %d tokens", v.Special, len(v.Tokens))
		}
		again, err := wordpiece.ReadVocabulary("again", strings.NewReader(strings.Join(v.Tokens, "\n")+"\n"))
		if err != nil || !slices.Equal(again.Tokens, v.Tokens) || again.Special != v.Special {
			t.Fatalf("%q came back as %q, %v", v.Tokens, again.Tokens, err)
		}
	})
}
