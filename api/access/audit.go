package access

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Audit is the record of who wrote what: one line of JSON for each write. It is
// safe for concurrent use.
type Audit struct {
	handler    slog.Handler
	log        *slog.Logger // told of lines that could not be written
	close      io.Closer    // nil for none
	complained atomic.Int64 // Unix seconds
}

// OpenAudit appends to a file, which it makes readable for its owner only; with
// path "" the lines go into log. The file is opened for appending, so tools that
// copy and truncate it may do so.
func OpenAudit(path string, log *slog.Logger) (*Audit, error) {
	if path == "" {
		return &Audit{handler: log.Handler(), log: log}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	return &Audit{handler: slog.NewJSONHandler(f, nil), log: log, close: f}, nil
}

// Write adds a line. Failing to do so does not undo the write, which is done; it
// is logged as an error, once a minute at most.
func (a *Audit) Write(ctx context.Context, attrs ...slog.Attr) {
	if !a.handler.Enabled(ctx, slog.LevelInfo) {
		return
	}
	now := time.Now()
	record := slog.NewRecord(now, slog.LevelInfo, "audit", 0)
	record.AddAttrs(attrs...)
	err := a.handler.Handle(ctx, record)
	if last := a.complained.Load(); err != nil && now.Unix()-last >= 60 && a.complained.CompareAndSwap(last, now.Unix()) {
		a.log.ErrorContext(ctx, "the audit log cannot be written", "error", err)
	}
}

// Close closes the file. What is written afterwards fails.
func (a *Audit) Close() error {
	if a.close == nil {
		return nil
	}
	if err := a.close.Close(); err != nil {
		return fmt.Errorf("close audit log: %w", err)
	}
	return nil
}
