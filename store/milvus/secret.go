package milvus

import "fmt"

const shownSecret = "(secret)"

// Secret is a password or token that shows itself to nobody: neither fmt, nor
// slog, nor encoding/json print it. string(s) is the secret.
type Secret string

// Format prints "(secret)", whatever the verb, and nothing for no secret.
func (s Secret) Format(f fmt.State, _ rune) {
	text, _ := s.MarshalText()
	_, _ = f.Write(text) // as fmt's own formatters, which drop it too
}

// MarshalText gives "(secret)" to encoders, and nothing for no secret.
func (s Secret) MarshalText() ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	return []byte(shownSecret), nil
}
