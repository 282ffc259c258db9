package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"
)

// NewLogger makes the program's logger on stderr.
func NewLogger(stderr io.Writer, s Settings) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, Usagef("--log-level %q: use debug, info, warn or error", s.LogLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	if s.LogJSON {
		return slog.New(slog.NewJSONHandler(stderr, options)), nil
	}
	return slog.New(slog.NewTextHandler(stderr, options)), nil
}

// IsTerminal says whether w is a terminal, where a progress bar may be drawn.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Redraw returns a printer of one progress line on a terminal, drawn over
// itself five times a second at most, and wiped when done.
func Redraw(w io.Writer) func(done bool, format string, args ...any) {
	var last time.Time
	return func(done bool, format string, args ...any) {
		if now := time.Now(); done || now.Sub(last) > 200*time.Millisecond {
			last = now
			fmt.Fprintf(w, "\r"+format, args...)
		}
		if done {
			fmt.Fprint(w, "\r\033[K")
		}
	}
}
