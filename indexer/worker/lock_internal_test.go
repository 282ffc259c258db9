package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// TestLocks: one at a time has an item, and nothing is left of those that
// nobody has.
func TestLocks(t *testing.T) {
	var l locks
	var group sync.WaitGroup
	inside := make([]int, 3)
	for i := range 60 {
		group.Go(func() {
			unlock, err := l.lock(t.Context(), fmt.Sprint(i%3))
			if err != nil {
				t.Error(err)
				return
			}
			inside[i%3]++ // the race detector sees two
			unlock()
		})
	}
	group.Wait()
	if inside[0]+inside[1]+inside[2] != 60 || len(l.held) != 0 {
		t.Errorf("%v, %d left", inside, len(l.held))
	}
}

func TestLocksGiveUp(t *testing.T) {
	var l locks
	unlock, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := l.lock(ctx, "a"); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if unlock(); len(l.held) != 0 {
		t.Errorf("%d left", len(l.held))
	}
}
