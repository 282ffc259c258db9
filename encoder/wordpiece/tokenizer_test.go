package wordpiece_test

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"sightline/encoder/wordpiece"
)

const noLimit = 1 << 20

func readVocabulary(t testing.TB, path string) wordpiece.Vocabulary {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := wordpiece.ReadVocabulary(path, f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newTokenizer(t testing.TB, v wordpiece.Vocabulary, o wordpiece.Options) *wordpiece.Tokenizer {
	t.Helper()
	tok, err := wordpiece.New(v, o)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func uncased(t testing.TB, o wordpiece.Options) *wordpiece.Tokenizer {
	return newTokenizer(t, readVocabulary(t, "testdata/vocab.txt"), o)
}

func cased(t testing.TB, o wordpiece.Options) *wordpiece.Tokenizer {
	v := readVocabulary(t, "testdata/vocab.txt")
	v.Lowercase = false
	return newTokenizer(t, v, o)
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// wanted is a row of the files that testdata/generate.py makes.
type wanted struct {
	Text    string
	Hex     string
	Uncased []int64
	Cased   []int64
	First12 []int64
	Decoded string
}

func (w wanted) text(t *testing.T) string {
	if w.Hex == "" {
		return w.Text
	}
	raw, err := hex.DecodeString(w.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestEncodeEqualsBertTokenizer(t *testing.T) {
	var cases []wanted
	readJSON(t, "testdata/cases.json", &cases)
	if len(cases) < 120 {
		t.Fatalf("only %d cases", len(cases))
	}
	lower, keep := uncased(t, wordpiece.Options{MaxTokens: noLimit}), cased(t, wordpiece.Options{MaxTokens: noLimit})
	first12 := uncased(t, wordpiece.Options{MaxTokens: 12})
	for _, c := range cases {
		text := c.text(t)
		equal(t, "uncased", text, lower.Encode(text).IDs, c.Uncased)
		equal(t, "cased", text, keep.Encode(text).IDs, c.Cased)
		short := first12.Encode(text)
		equal(t, "first 12", text, short.IDs, c.First12)
		if want := len(c.Uncased) - len(c.First12); short.Cut != want {
			t.Errorf("%.60q: Cut is %d, want %d", text, short.Cut, want)
		}
		if got := lower.Decode(c.Uncased); got != c.Decoded {
			t.Errorf("%.60q decodes to %.80q, want %.80q", text, got, c.Decoded)
		}
	}
}

func equal(t *testing.T, what, text string, got, want []int64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s %.60q: got %v, want %v", what, text, head(got), head(want))
	}
}

func head(ids []int64) []int64 { return ids[:min(len(ids), 40)] }

func TestEncodeWithTinyVocabulary(t *testing.T) {
	var cases []wanted
	readJSON(t, "testdata/tiny.json", &cases)
	v := readVocabulary(t, "testdata/tiny.txt")
	want := wordpiece.Special{Pad: 0, Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 4, Enc: 5}
	if v.Special != want || len(v.Tokens) != 71 {
		t.Fatalf("special tokens are %+v of %d, want %+v of 71", v.Special, len(v.Tokens), want)
	}
	tok := newTokenizer(t, v, wordpiece.Options{MaxTokens: noLimit})
	for _, c := range cases {
		equal(t, "tiny", c.Text, tok.Encode(c.Text).IDs, c.Uncased)
	}
	// Where the vocabulary lacks [MASK], it is the three words [, mask and ].
	equal(t, "tiny", "[MASK]", tok.Encode("[MASK]").IDs, []int64{2, 1, 1, 1, 3})
}

// randomTexts reads texts with uncased and cased ids.
func randomTexts(t testing.TB) (texts []string, ids [][2][]int64) {
	t.Helper()
	f, err := os.Open("testdata/random.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(z)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var text string
		var want [2][]int64
		if err := json.Unmarshal(scan.Bytes(), &[]any{&text, &want[0], &want[1]}); err != nil {
			t.Fatal(err)
		}
		texts, ids = append(texts, text), append(ids, want)
	}
	if scan.Err() != nil || len(texts) != 2000 {
		t.Fatalf("read %d random texts, want 2000: %v", len(texts), scan.Err())
	}
	return texts, ids
}

func TestEncodeRandomTexts(t *testing.T) {
	texts, want := randomTexts(t)
	lower, keep := uncased(t, wordpiece.Options{MaxTokens: noLimit}), cased(t, wordpiece.Options{MaxTokens: noLimit})
	for i, text := range texts {
		equal(t, "uncased", text, lower.Encode(text).IDs, want[i][0])
		equal(t, "cased", text, keep.Encode(text).IDs, want[i][1])
	}
}

func TestEncodeConcurrently(t *testing.T) {
	texts, want := randomTexts(t)
	tok := uncased(t, wordpiece.Options{MaxTokens: noLimit})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < len(texts); i += 2 {
				equal(t, "uncased", texts[i], tok.Encode(texts[i]).IDs, want[i][0])
			}
		})
	}
	wg.Wait()
}

// TestEncodeResultIsTheCallers makes sure that pooled memory does not leak out.
func TestEncodeResultIsTheCallers(t *testing.T) {
	tok := uncased(t, wordpiece.Options{MaxTokens: 16})
	first := tok.Encode("red shirt").IDs
	kept := slices.Clone(first)
	tok.Encode("a woman sitting on the beach with a dog")
	equal(t, "earlier result", "red shirt", first, kept)
}

func TestEncodeLengthLimit(t *testing.T) {
	full := uncased(t, wordpiece.Options{MaxTokens: noLimit}).Encode("a woman sitting on the beach").IDs
	for limit := 3; limit <= len(full)+1; limit++ {
		got := uncased(t, wordpiece.Options{MaxTokens: limit}).Encode("a woman sitting on the beach")
		n := min(limit, len(full))
		want := append(slices.Clone(full[:n-1]), full[len(full)-1])
		equal(t, "limited", "", got.IDs, want)
		if got.Cut != len(full)-n {
			t.Errorf("limit %d: Cut is %d, want %d", limit, got.Cut, len(full)-n)
		}
	}
}

func TestEncodeCleans(t *testing.T) {
	plain, clean := uncased(t, wordpiece.Options{MaxTokens: 64}), uncased(t, wordpiece.Options{MaxTokens: 64, Clean: true})
	text := "A dog; \"red\" (and) blue! [SEP]"
	equal(t, "cleaned", text, clean.Encode(text).IDs, plain.Encode("a dog red and blue [sep]").IDs)
	long := strings.Repeat("dog ", 40)
	if got := len(clean.Encode(long).IDs); got != 32 {
		t.Errorf("40 words give %d ids, want 30 and [CLS] and [SEP]", got)
	}
	final := "ΣΑΣ"
	if slices.Equal(clean.Encode(final).IDs, plain.Encode(final).IDs) {
		t.Error("final sigma: Python's lower and BERT's give different letters, but the ids are equal")
	}
}

func TestDecode(t *testing.T) {
	v := wordpiece.Vocabulary{
		Tokens:  []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", "he", "##n", ".", "'s", "'", "n't", "x ' y", "do not", "", "'ve?"},
		Special: wordpiece.Special{Pad: 0, Unk: 1, Cls: 2, Sep: 3, Mask: 4, Dec: 5, Enc: 6},
	}
	tok := newTokenizer(t, v, wordpiece.Options{MaxTokens: 8})
	tests := []struct {
		name string
		ids  []int64
		want string
	}{
		{"nothing", nil, ""},
		{"special tokens", []int64{2, 5, 6, 7, 0, 1, 4, 3}, "he"},
		{"pieces", []int64{7, 8, 8}, "henn"},
		{"piece first", []int64{2, 8, 7}, "##n he"},
		{"marks", []int64{9, 7, 9, 10, 11, 12}, ". he.'s 'n't"},
		{"rules over spaces", []int64{7, 13, 14, 14}, "he x'y don't don't"},
		{"not after the first", []int64{14, 7}, "do not he"},
		{"empty token", []int64{7, 15, 7}, "he  he"},
		{"two rules", []int64{7, 16}, "he've?"},
		{"outside the vocabulary", []int64{-1, 7, 17, 1 << 40}, "he"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tok.Decode(tt.ids); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	good := func() wordpiece.Vocabulary {
		return wordpiece.Vocabulary{
			Tokens:  []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]"},
			Special: wordpiece.Special{Pad: 0, Unk: 1, Cls: 2, Sep: 3, Mask: -1, Dec: 4, Enc: 5},
		}
	}
	newTokenizer(t, good(), wordpiece.Options{MaxTokens: 3})
	tests := []struct {
		name  string
		limit int
		spoil func(*wordpiece.Vocabulary)
		want  string
	}{
		{"limit", 2, func(*wordpiece.Vocabulary) {}, "the length limit is 2 tokens"},
		{"negative limit", -1, func(*wordpiece.Vocabulary) {}, "the length limit is -1 tokens"},
		{"pad", 8, func(v *wordpiece.Vocabulary) { v.Special.Pad = -1 }, "[PAD] is -1"},
		{"unk", 8, func(v *wordpiece.Vocabulary) { v.Special.Unk = 4 }, "[UNK] is 4"},
		{"cls", 8, func(v *wordpiece.Vocabulary) { v.Special.Cls = 1 << 40 }, "[CLS] is 1099511627776"},
		{"sep", 8, func(v *wordpiece.Vocabulary) { v.Tokens = v.Tokens[:3] }, "[SEP] is 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := good()
			tt.spoil(&v)
			_, err := wordpiece.New(v, wordpiece.Options{MaxTokens: tt.limit})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

const tenWords = "red dotted summer dress with long sleeves for a wedding"

func BenchmarkEncode(b *testing.B) {
	texts := []struct{ name, text string }{
		{"10 words", tenWords},
		{"10 words, capitals and marks", "Red dotted summer dress, with long sleeves (for a wedding)."},
		{"10 words, accents", "Élégante robe d’été à pois rouge avec manches longues dorées"},
		{"10 words, Hangul", "결혼식 하객용 긴 소매 빨간 물방울 무늬 여름 드레스 추천"},
		{"one unknown word of 100", strings.Repeat("q", 100)},
		{"10 kB", strings.Repeat(tenWords+" ", 10240/len(tenWords))},
	}
	for _, clean := range []string{"", "clean/"} {
		tok := uncased(b, wordpiece.Options{MaxTokens: 35, Clean: clean != ""})
		for _, tt := range texts {
			b.Run(clean+tt.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(tt.text)))
				for b.Loop() {
					tok.Encode(tt.text)
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := uncased(b, wordpiece.Options{MaxTokens: 35})
	ids := tok.Encode(tenWords).IDs
	b.ReportAllocs()
	for b.Loop() {
		tok.Decode(ids)
	}
}

func BenchmarkNew(b *testing.B) {
	v := readVocabulary(b, "testdata/vocab.txt")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wordpiece.New(v, wordpiece.Options{MaxTokens: 35}); err != nil {
			b.Fatal(err)
		}
	}
}
