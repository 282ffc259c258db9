package store

import (
	"fmt"
	"os"
	"strings"
)

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

// ReadSecret reads a secret from a variable, or from the file that the variable
// with _FILE at its end names (less one line break at its end). With neither
// there is none.
func ReadSecret(getenv func(string) string, variable string) (Secret, error) {
	value, file := getenv(variable), getenv(variable+"_FILE")
	if file == "" {
		return Secret(value), nil
	}
	if value != "" {
		return "", fmt.Errorf("both %s and %s_FILE are set: keep one", variable, variable)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", variable, err)
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("%s_FILE: %s is empty", variable, file)
	}
	return Secret(value), nil
}
