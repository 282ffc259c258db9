package wordpiece_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sightline/encoder/wordpiece"
)

const four = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"

func read(text string) (wordpiece.Vocabulary, error) {
	return wordpiece.ReadVocabulary("vocab", strings.NewReader(text))
}

func TestReadVocabularyLines(t *testing.T) {
	tests := []struct {
		name, text string
		tokens     []string
		special    wordpiece.Special
	}{
		{"plain", four + "a\n", []string{"a"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 5, Enc: 6}},
		{"no last line end", four + "a", []string{"a"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 5, Enc: 6}},
		{"empty lines are tokens", four + "\n\na\n\n", []string{"", "", "a", ""}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 8, Enc: 9}},
		{"Windows", strings.ReplaceAll(four+"a\nb\n", "\n", "\r\n"), []string{"a", "b"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 6, Enc: 7}},
		{"white space at line ends", four + " a \nb\t\u00a0\u2028\nc\rd\r\n", []string{" a", "b", "c\rd"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 7, Enc: 8}},
		{"mask, dec and enc inside", four + "[ENC]\n[MASK]\n[DEC]\n", []string{"[ENC]", "[MASK]", "[DEC]"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: 5, Dec: 6, Enc: 4}},
		{"enc alone is appended", four + "[DEC]\na\n", []string{"[DEC]", "a"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 4, Enc: 6}},
		{"dec alone is appended", four + "[ENC]\na\n", []string{"[ENC]", "a"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 6, Enc: 4}},
		{"the last of two counts", four + "a\n[PAD]\n", []string{"a", "[PAD]"}, wordpiece.Special{Pad: 5, Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 6, Enc: 7}},
		{"braces", four + "{\n}\n", []string{"{", "}"}, wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 6, Enc: 7}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := read(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(v.Tokens[4:], tt.tokens) || v.Special != tt.special || !v.Lowercase {
				t.Errorf("got %q %+v lowercase %v, want %q %+v", v.Tokens[4:], v.Special, v.Lowercase, tt.tokens, tt.special)
			}
		})
	}
}

func TestReadVocabularyOpeningBrace(t *testing.T) {
	v, err := read("{\n}\n" + four)
	if err != nil || v.Tokens[0] != "{" || v.Special.Pad != 2 {
		t.Errorf("got %q %+v, %v", v.Tokens, v.Special, err)
	}
}

func TestEncodeDuplicatesTakeTheLastID(t *testing.T) {
	v, err := read(four + "a\nb\na\n")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "duplicates", "a b", newTokenizer(t, v, wordpiece.Options{MaxTokens: 8}).Encode("a b").IDs, []int64{2, 6, 5, 3})
}

// fields is a tokenizer.json as BERT's, changed by the tests.
type fields = map[string]any

func bertJSON() (file, normalizer, model fields) {
	normalizer = fields{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil, "lowercase": true}
	model = fields{
		"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
		"vocab": fields{"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "red": 4, "##s": 5},
	}
	file = fields{
		"version": "1.0", "truncation": nil, "normalizer": normalizer, "model": model,
		"added_tokens":  []any{fields{"id": 0, "content": "[PAD]", "special": true}, fields{"id": 6, "content": "[DEC]"}},
		"pre_tokenizer": fields{"type": "BertPreTokenizer"},
	}
	return file, normalizer, model
}

func text(t *testing.T, file fields) string {
	t.Helper()
	data, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestReadVocabularyTokenizerJSON(t *testing.T) {
	file, normalizer, model := bertJSON()
	for _, lower := range []bool{true, false} {
		normalizer["lowercase"], normalizer["strip_accents"] = lower, lower
		v, err := read(text(t, file))
		if err != nil {
			t.Fatal(err)
		}
		want := wordpiece.Special{Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 6, Enc: 7}
		tokens := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "##s", "[DEC]"}
		if !slices.Equal(v.Tokens, tokens) || v.Special != want || v.Lowercase != lower {
			t.Errorf("got %q %+v lowercase %v, want %q %+v lowercase %v", v.Tokens, v.Special, v.Lowercase, tokens, want, lower)
		}
	}
	for _, optional := range []string{"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"} {
		delete(model, optional)
	}
	if _, err := read(text(t, file)); err != nil {
		t.Errorf("older files leave settings out: %v", err)
	}
}

func TestReadVocabularyRefusesTokenizerJSON(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(file, normalizer, model fields)
		want  string
	}{
		{"other model", func(_, _, m fields) { m["type"] = "BPE" }, `its model is "BPE"`},
		{"list for a vocabulary", func(_, _, m fields) { m["vocab"] = []any{} }, "parse model.vocab"},
		{"no vocabulary", func(_, _, m fields) { delete(m, "vocab") }, "no model.vocab"},
		{"null vocabulary", func(_, _, m fields) { m["vocab"] = nil }, "model.vocab"},
		{"unknown token", func(_, _, m fields) { m["unk_token"] = "<unk>" }, `"<unk>"`},
		{"prefix", func(_, _, m fields) { m["continuing_subword_prefix"] = "@@" }, `"@@"`},
		{"word limit", func(_, _, m fields) { m["max_input_chars_per_word"] = 50 }, "50 characters"},
		{"hole", func(_, _, m fields) { m["vocab"].(fields)["##s"] = 9 }, "without holes"},
		{"negative id", func(_, _, m fields) { m["vocab"].(fields)["##s"] = -1 }, "without holes"},
		{"fraction", func(_, _, m fields) { m["vocab"].(fields)["##s"] = 4.5 }, "parse model.vocab"},
		{"same id", func(_, _, m fields) { m["vocab"].(fields)["##s"] = 4 }, `tokens "##s" and "red" have the same id 4`},
		{"line end", func(_, _, m fields) { m["vocab"].(fields)["x\ny"] = 7 }, "line end"},
		{"space at the end", func(_, _, m fields) { m["vocab"].(fields)["x "] = 7 }, "white space"},
		{"no special token", func(_, _, m fields) {
			v := m["vocab"].(fields)
			delete(v, "[SEP]")
			v["x"] = 3
		}, "is [SEP]"},
		{"added token moved", func(f, _, _ fields) { f["added_tokens"] = []any{fields{"id": 6, "content": "red"}} }, `added token "red" has id 6, but id 4`},
		{"added token behind a hole", func(f, _, _ fields) { f["added_tokens"] = []any{fields{"id": 7, "content": "[DEC]"}} }, "without holes"},
		{"normalizer", func(_, n, _ fields) { n["type"] = "NFC" }, "BertNormalizer"},
		{"no normalizer", func(f, _, _ fields) { f["normalizer"] = nil }, "BertNormalizer"},
		{"no cleaning", func(_, n, _ fields) { n["clean_text"] = false }, "clean_text"},
		{"no CJK spacing", func(_, n, _ fields) { n["handle_chinese_chars"] = false }, "handle_chinese_chars"},
		{"accents kept", func(_, n, _ fields) { n["strip_accents"] = false }, "strip_accents"},
		{"pre-tokenizer", func(f, _, _ fields) { f["pre_tokenizer"] = fields{"type": "Whitespace"} }, "BertPreTokenizer"},
		{"no pre-tokenizer", func(f, _, _ fields) { delete(f, "pre_tokenizer") }, "BertPreTokenizer"},
		{"wrong type", func(f, _, _ fields) { f["added_tokens"] = 5 }, "parse tokenizer.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, normalizer, model := bertJSON()
			tt.spoil(file, normalizer, model)
			v, err := read(text(t, file))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "read vocabulary vocab: ") {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
			if v.Tokens != nil {
				t.Errorf("tokens with an error: %q", v.Tokens)
			}
		})
	}
}

func TestReadVocabularyRefuses(t *testing.T) {
	tests := []struct {
		name, want string
		r          io.Reader
	}{
		{"empty", "none of its 0 tokens is [PAD] or [UNK] or [CLS] or [SEP]", strings.NewReader("")},
		{"special token missing", "none of its 3 tokens is [UNK] or [SEP]", strings.NewReader("[PAD]\n[CLS]\na\n")},
		{"not UTF-8", "not UTF-8", strings.NewReader(four + "a\xff\n")},
		{"too large", "larger than 64 MB", io.MultiReader(strings.NewReader(four), io.LimitReader(letters{}, 64<<20))},
		{"broken JSON", "unexpected end of JSON", strings.NewReader(`{"model": {`)},
		{"JSON of something else", "normalizer", strings.NewReader(` {"model": {"vocab": {}}}`)},
		{"empty JSON", "none of its 1 tokens is [PAD]", strings.NewReader(`{}`)},
		{"broken reader", "disk on fire", iotest.ErrReader(errors.New("disk on fire"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := wordpiece.ReadVocabulary("vocab", tt.r)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

// letters never ends.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// TestVocabularySurvivesVocabTxt: a model folder keeps a vocabulary as
// vocab.txt, wherever it was read from.
func TestVocabularySurvivesVocabTxt(t *testing.T) {
	file, _, model := bertJSON()
	model["vocab"].(fields)[""] = 7
	v, err := read(text(t, file))
	if err != nil {
		t.Fatal(err)
	}
	again, err := read(strings.Join(v.Tokens, "\n") + "\n")
	if err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
		t.Errorf("got %+v, %v, want %+v", again, err, v)
	}
}
