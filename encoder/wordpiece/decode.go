package wordpiece

import "strings"

// Decode joins the tokens of ids to a text. Special tokens and ids outside the
// vocabulary are left out. It is BertTokenizer.decode with
// skip_special_tokens=True: a piece ##x is glued to what is before it, and so
// are the marks . ? ! , but "don ' t" stays as it is.
func (t *Tokenizer) Decode(ids []int64) string {
	var b strings.Builder
	first := true
	for _, id := range ids {
		if id < 0 || id >= int64(len(t.tokens)) || t.special.has(id) {
			continue
		}
		b.WriteString(tidy(t.tokens[id], first))
		first = false
	}
	return b.String()
}

func (s Special) has(id int64) bool {
	switch id {
	case s.Pad, s.Unk, s.Cls, s.Sep, s.Mask, s.Dec, s.Enc:
		return true
	}
	return false
}

// tidy is what the reference's decoder makes of one token. It tidies token by
// token, so that rules over two tokens (" ' ") never apply; they are kept for
// vocabularies whose entries hold spaces.
func tidy(token string, first bool) string {
	if !first {
		if tail, ok := strings.CutPrefix(token, continuation); ok {
			token = tail
		} else {
			token = " " + token
		}
	}
	if !strings.Contains(token, " ") {
		return token
	}
	for _, rule := range [...][2]string{
		{" .", "."},
		{" ?", "?"},
		{" !", "!"},
		{" ,", ","},
		{" ' ", "'"},
		{" n't", "n't"},
		{" 'm", "'m"},
		{" do not", " don't"},
		{" 's", "'s"},
		{" 've", "'ve"},
		{" 're", "'re"},
	} {
		token = strings.ReplaceAll(token, rule[0], rule[1])
	}
	return token
}
