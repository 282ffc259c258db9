package cache

import (
	"testing"
	"time"
)

// An answer that a Bump has overtaken changes nothing.
func TestCounterSettles(t *testing.T) {
	c := &Counter{maxAge: time.Hour}
	now := time.Now()
	for _, step := range []struct {
		value uint64
		asked time.Time
		want  uint64
		known bool
	}{
		{5, now.Add(-2 * time.Hour), 5, false},
		{5, now, 5, true},
		{4, now.Add(time.Second), 5, true},
		{5, now.Add(-3 * time.Hour), 5, true}, // an older answer does not make it older
		{6, now.Add(-2 * time.Hour), 6, false},
	} {
		got, err := c.settle(step.value, step.asked, 0)
		if value, known := c.known(); got != step.want || err != nil || value != step.want || known != step.known {
			t.Errorf("after %d: got %d, %v, and %d, known %v; want %d, known %v", step.value, got, err, value, known, step.want, step.known)
		}
	}
	c.owe()
	if got, err := c.settle(7, now, 0); err == nil {
		t.Errorf("generation %d is given out although a Bump is owed", got)
	}
	if got, err := c.settle(8, now, 1); got != 8 || err != nil {
		t.Errorf("after making up: got %d, %v", got, err)
	}
}
