package wordpiece

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// tokenizerJSON is the part of a tokenizer.json that decides ids. The file can
// describe many tokenizers; what is not BERT's is refused rather than ignored.
type tokenizerJSON struct {
	AddedTokens []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
	} `json:"added_tokens"`
	Normalizer *struct {
		Type         string `json:"type"`
		CleanText    *bool  `json:"clean_text"`
		CJK          *bool  `json:"handle_chinese_chars"`
		StripAccents *bool  `json:"strip_accents"`
		Lowercase    *bool  `json:"lowercase"`
	} `json:"normalizer"`
	PreTokenizer *struct {
		Type string `json:"type"`
	} `json:"pre_tokenizer"`
	Model struct {
		Type     string          `json:"type"`
		Unknown  *string         `json:"unk_token"`
		Prefix   *string         `json:"continuing_subword_prefix"`
		MaxRunes *int            `json:"max_input_chars_per_word"`
		Vocab    json.RawMessage `json:"vocab"`
	} `json:"model"`
}

func readTokenizerJSON(data []byte) (Vocabulary, error) {
	var f tokenizerJSON
	if err := json.Unmarshal(data, &f); err != nil {
		return Vocabulary{}, fmt.Errorf("parse tokenizer.json: %w", err)
	}
	for _, check := range []func() error{f.checkModel, f.checkText} {
		if err := check(); err != nil {
			return Vocabulary{}, fmt.Errorf("%w; only BERT's WordPiece tokenizer is supported", err)
		}
	}
	tokens, err := f.tokens()
	if err != nil {
		return Vocabulary{}, err
	}
	return Vocabulary{Tokens: tokens, Lowercase: isTrue(f.Normalizer.Lowercase)}, nil
}

// isTrue reads a flag whose default in BertNormalizer is true.
func isTrue(b *bool) bool { return b == nil || *b }

func (f *tokenizerJSON) checkModel() error {
	m := f.Model
	switch {
	case m.Type != "" && m.Type != "WordPiece":
		return fmt.Errorf("its model is %q", m.Type)
	case len(m.Vocab) == 0:
		return errors.New("it has no model.vocab")
	case m.Unknown != nil && *m.Unknown != unkToken:
		return fmt.Errorf("its unknown token is %q", *m.Unknown)
	case m.Prefix != nil && *m.Prefix != continuation:
		return fmt.Errorf("its pieces continue words with %q", *m.Prefix)
	case m.MaxRunes != nil && *m.MaxRunes != maxWordRunes:
		return fmt.Errorf("its longest word is %d characters", *m.MaxRunes)
	}
	return nil
}

func (f *tokenizerJSON) checkText() error {
	n := f.Normalizer
	switch {
	case n == nil || n.Type != "BertNormalizer":
		return errors.New("its normalizer is not BertNormalizer")
	case !isTrue(n.CleanText) || !isTrue(n.CJK):
		return errors.New("its normalizer has clean_text or handle_chinese_chars off")
	case n.StripAccents != nil && *n.StripAccents != isTrue(n.Lowercase):
		return errors.New("its normalizer has strip_accents and lowercase set differently")
	case f.PreTokenizer == nil || f.PreTokenizer.Type != "BertPreTokenizer":
		return errors.New("its pre_tokenizer is not BertPreTokenizer")
	}
	return nil
}

func (f *tokenizerJSON) tokens() ([]string, error) {
	var ids map[string]int64
	if err := json.Unmarshal(f.Model.Vocab, &ids); err != nil {
		return nil, fmt.Errorf("parse model.vocab: %w", err)
	}
	if ids == nil {
		return nil, errors.New("its model.vocab is null")
	}
	for _, a := range f.AddedTokens {
		if id, ok := ids[a.Content]; ok && id != a.ID {
			return nil, fmt.Errorf("added token %q has id %d, but id %d in model.vocab", a.Content, a.ID, id)
		}
		ids[a.Content] = a.ID
	}
	return byID(ids)
}

// byID turns the map round. Ids must be 0 … n-1, each once, because they are
// rows of the model's word embedding.
func byID(ids map[string]int64) ([]string, error) {
	tokens := make([]string, len(ids))
	taken := make([]bool, len(ids))
	for tok, id := range ids {
		switch {
		case id < 0 || id >= int64(len(ids)):
			return nil, fmt.Errorf("token %q has id %d, but %d tokens must have the ids 0 to %d without holes", tok, id, len(ids), len(ids)-1)
		case taken[id]:
			return nil, fmt.Errorf("tokens %q and %q have the same id %d", min(tok, tokens[id]), max(tok, tokens[id]), id)
		case strings.Contains(tok, "\n") || trimEnd(tok) != tok:
			return nil, fmt.Errorf("token %q of id %d has a line end in it or white space at its end", tok, id)
		}
		tokens[id], taken[id] = tok, true
	}
	return tokens, nil
}
