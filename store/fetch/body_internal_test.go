package fetch

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// trickle gives n bytes after each pause, for ever.
type trickle struct {
	n     int
	pause time.Duration
	ctx   context.Context
}

func (b trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(b.pause):
		return min(b.n, len(p)), nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (trickle) Close() error { return nil }

// TestPatience: bytes that come just before the idle time ends do not keep a
// connection for ever, and a reader that is slow itself is no reason.
func TestPatience(t *testing.T) {
	for name, tc := range map[string]struct {
		n       int
		pause   time.Duration
		reader  time.Duration // between reads
		want    Kind          // after an hour
		atLeast time.Duration
		atMost  time.Duration
	}{
		"a byte at a time": {1, 10 * time.Second, 0, KindTimeout, patience, patience + 11*time.Second},
		"silent":           {1, 16 * time.Second, 0, KindTimeout, 15 * time.Second, 16 * time.Second},
		"slow line":        {8 << 10, 5 * time.Second, 0, 0, time.Hour, 2 * time.Hour},
		"slow reader":      {512, time.Millisecond, time.Minute, 0, time.Hour, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				idle := 15 * time.Second
				body := &patientBody{body: trickle{tc.n, tc.pause, ctx}, idle: idle, timer: time.AfterFunc(idle, func() { cancel(faultf(KindTimeout, "idle")) })}
				body.timer.Stop()
				began := time.Now()
				var err error
				for p := make([]byte, 64<<10); err == nil && time.Since(began) < time.Hour; {
					_, err = body.Read(p)
					time.Sleep(tc.reader)
				}
				var kind Kind
				if err != nil {
					kind = classify(context.Cause(ctx), err).kind
				}
				if took := time.Since(began); kind != tc.want || took < tc.atLeast || took > tc.atMost {
					t.Errorf("%v (%v) after %v, want %v", kind, err, took, tc.want)
				}
			})
		})
	}
}

// TestBoundedReader: the limit is exact, and the error stays.
func TestBoundedReader(t *testing.T) {
	for _, size := range []int64{0, 1, 99, 100, 101, 1000} {
		r := &boundedReader{from: io.LimitReader(zeros{}, size), limit: 100, left: 100}
		n, err := io.Copy(io.Discard, r)
		if n != min(size, 100) || (err != nil) != (size > 100) {
			t.Errorf("%d bytes: read %d, %v", size, n, err)
		}
		if f, ok := errors.AsType[*fault](err); ok && f.kind != KindTooLarge {
			t.Errorf("%d bytes: %v", size, f.kind)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
