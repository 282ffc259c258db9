package cache

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Where RedisPassword looks.
const (
	PasswordVariable     = "SIGHTLINE_REDIS_PASSWORD"      //nolint:gosec // a name
	PasswordFileVariable = "SIGHTLINE_REDIS_PASSWORD_FILE" //nolint:gosec // a name
)

const shownSecret = "(secret)"

// Secret is a password that shows itself to nobody: neither fmt, nor slog, nor
// encoding/json print it. string(s) is the password.
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

// RedisPassword reads the password from the variable SIGHTLINE_REDIS_PASSWORD
// or from the file that SIGHTLINE_REDIS_PASSWORD_FILE names (less one line
// break at its end). With neither there is none. There is no flag and no
// setting for it: these show in process lists and in copies of files.
func RedisPassword(getenv func(string) string) (Secret, error) {
	password, file := getenv(PasswordVariable), getenv(PasswordFileVariable)
	if file == "" {
		return Secret(password), nil
	}
	if password != "" {
		return "", fmt.Errorf("both %s and %s are set: keep one", PasswordVariable, PasswordFileVariable)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", PasswordFileVariable, err)
	}
	password = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if password == "" {
		return "", fmt.Errorf("%s: %w", PasswordFileVariable, errors.New(file+" is empty"))
	}
	return Secret(password), nil
}
