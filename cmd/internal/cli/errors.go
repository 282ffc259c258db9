package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Exit codes of both programs.
const (
	ExitOK          = 0
	ExitFailed      = 1   // the command could not be done
	ExitUsage       = 2   // flags, arguments or settings are wrong
	ExitSomeFailed  = 3   // an import went through, but some items failed
	ExitInterrupted = 130 // Ctrl-C or SIGTERM
)

// usageError is the user's to mend; nothing was done.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usagef makes an error that exits with ExitUsage.
func Usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// Usage marks err as one that exits with ExitUsage.
func Usage(err error) error { return usageError{err} }

// ErrSomeFailed exits with ExitSomeFailed. The command has reported the items.
var ErrSomeFailed = errors.New("some items failed")

// ExitCode is the one table from error to exit code. Of several errors that
// were joined the most serious counts, the one with the lowest code: data that
// could not be closed after Ctrl-C is a failure.
func ExitCode(err error) int {
	var usage usageError
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &joined):
		code := ExitInterrupted
		for _, part := range joined.Unwrap() {
			code = min(code, ExitCode(part))
		}
		return code
	case errors.Is(err, ErrSomeFailed):
		return ExitSomeFailed
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitFailed
}

// Report prints err for a person and returns its exit code.
func Report(stderr io.Writer, program string, err error) int {
	code := ExitCode(err)
	switch code {
	case ExitOK:
	case ExitInterrupted:
		fmt.Fprintf(stderr, "%s: interrupted\n", program)
	default:
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
	}
	return code
}
