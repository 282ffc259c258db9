package wordpiece

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxVocabularyBytes is about 90 times BERT's vocab.txt and its tokenizer.json
// together.
const maxVocabularyBytes = 64 << 20

const (
	padToken  = "[PAD]"
	unkToken  = "[UNK]"
	clsToken  = "[CLS]"
	sepToken  = "[SEP]"
	maskToken = "[MASK]"
	decToken  = "[DEC]"
	encToken  = "[ENC]"
)

// Special are the ids of the special tokens. Mask is -1 where the vocabulary
// has none. Dec and Enc may lie behind the vocabulary: BLIP appends [DEC] and
// [ENC] to BERT's without writing them down.
type Special struct{ Pad, Unk, Cls, Sep, Mask, Dec, Enc int64 }

// Vocabulary is the tokens by id.
type Vocabulary struct {
	Tokens  []string
	Special Special
	// Lowercase means that texts are lower-cased and lose their accents.
	Lowercase bool
}

// ReadVocabulary reads a vocab.txt (one token a line; the line is the id) or a
// Hugging Face tokenizer.json with a WordPiece model, told apart by content;
// name is used in errors only. At most 64 MB are read. A vocab.txt does not say
// whether it is uncased: Lowercase is true, and the caller corrects it by
// do_lower_case in tokenizer_config.json.
func ReadVocabulary(name string, r io.Reader) (Vocabulary, error) {
	v, err := readVocabulary(r)
	if err != nil {
		return Vocabulary{}, fmt.Errorf("read vocabulary %s: %w", name, err)
	}
	return v, nil
}

func readVocabulary(r io.Reader) (Vocabulary, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxVocabularyBytes+1))
	if err != nil {
		return Vocabulary{}, err
	}
	if len(data) > maxVocabularyBytes {
		return Vocabulary{}, fmt.Errorf("it is larger than %d MB: give the model's vocab.txt or tokenizer.json", maxVocabularyBytes>>20)
	}
	if !utf8.Valid(data) {
		return Vocabulary{}, errors.New("it is not UTF-8 text: give the model's vocab.txt or tokenizer.json")
	}
	v := Vocabulary{Lowercase: true}
	if isJSON(data) {
		v, err = readTokenizerJSON(data)
	} else {
		v.Tokens = readLines(string(data))
	}
	if err != nil {
		return Vocabulary{}, err
	}
	v.Special, err = findSpecial(v.Tokens)
	return v, err
}

// isJSON says whether data opens a JSON object. A lone "{" is a possible first
// line of a vocab.txt, and the next line then does not start with a quote.
func isJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 || data[0] != '{' {
		return false
	}
	data = bytes.TrimLeft(data[1:], " \t\r\n")
	return len(data) > 0 && data[0] == '"'
}

// readLines follows the reference: white space at the end of a line is not part
// of the token, an empty line takes an id, and the last line may lack its end.
func readLines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	tokens := strings.Split(text, "\n")
	for i, line := range tokens {
		tokens[i] = trimEnd(line)
	}
	return tokens
}

// trimEnd drops trailing Unicode white space.
func trimEnd(s string) string { return strings.TrimRightFunc(s, isWhite) }

// findSpecial looks the special tokens up; of two equal ones the last counts.
func findSpecial(tokens []string) (Special, error) {
	none := int64(-1)
	s := Special{Pad: none, Unk: none, Cls: none, Sep: none, Mask: none, Dec: none, Enc: none}
	places := map[string]*int64{
		padToken: &s.Pad, unkToken: &s.Unk, clsToken: &s.Cls, sepToken: &s.Sep,
		maskToken: &s.Mask, decToken: &s.Dec, encToken: &s.Enc,
	}
	for id, tok := range tokens {
		if at, ok := places[tok]; ok {
			*at = int64(id)
		}
	}
	if err := s.missing(len(tokens)); err != nil {
		return Special{}, err
	}
	end := int64(len(tokens))
	for _, at := range []*int64{&s.Dec, &s.Enc} {
		if *at == none {
			*at = end
			end++
		}
	}
	return s, nil
}

func (s Special) missing(tokens int) error {
	var names []string
	for _, t := range []reserved{{padToken, s.Pad}, {unkToken, s.Unk}, {clsToken, s.Cls}, {sepToken, s.Sep}} {
		if t.id < 0 {
			names = append(names, t.text)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("none of its %d tokens is %s: a BERT WordPiece vocabulary has [PAD], [UNK], [CLS] and [SEP]",
		tokens, strings.Join(names, " or "))
}
