package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sightline/store"
)

// problems are what is wrong with settings: all of it, so that nobody mends one
// only to be told of the next.
type problems []error

// add notes a problem if wrong holds.
func (p *problems) add(wrong bool, format string, args ...any) {
	if wrong {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

func (p *problems) note(err error) {
	if err != nil {
		*p = append(*p, err)
	}
}

// err is one usage error, on one line.
func (p problems) err() error { return Problems(p...) }

// several are errors that are shown on one line.
type several []error

// Error is one line.
func (s several) Error() string {
	return s.join("; ")
}

func (s several) join(between string) string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, between)
}

// Unwrap gives the single errors.
func (s several) Unwrap() []error { return s }

// Problems makes one error of all those that are not nil, which is shown on one
// line and exits with ExitUsage.
func Problems(errs ...error) error {
	switch flat := Each(errs...); len(flat) {
	case 0:
		return nil
	case 1:
		return Usage(flat[0])
	default:
		return Usage(several(flat))
	}
}

// Each takes apart what Problems and errors.Join have put together, and leaves
// out errors that are nil.
func Each(errs ...error) []error {
	var flat []error
	for _, err := range errs {
		if usage, ok := err.(usageError); ok { //nolint:errorlint // of what is wrapped by more, the text is needed
			err = usage.error
		}
		joined, ok := err.(interface{ Unwrap() []error })
		switch {
		case err == nil:
		case ok && onlyJoined(err, joined.Unwrap()):
			flat = append(flat, Each(joined.Unwrap()...)...)
		default:
			flat = append(flat, err)
		}
	}
	return flat
}

// onlyJoined tells errors that were put together from those that say something
// of their own beside.
func onlyJoined(err error, parts []error) bool {
	text := err.Error()
	return text == several(parts).join("; ") || text == several(parts).join("\n")
}

func oneOf(text string, allowed ...string) bool { return slices.Contains(allowed, text) }

// CheckSecrets reads every secret that a SIGHTLINE_*_FILE variable leads to, and
// names those that cannot be read.
func CheckSecrets(environ []string) error {
	var problems []error
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		variable, ok := strings.CutSuffix(name, "_FILE")
		if !ok || !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		if _, err := store.ReadSecret(Getenv(environ), variable); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
