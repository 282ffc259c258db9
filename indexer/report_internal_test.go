package indexer

import (
	"math"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	start := time.Unix(1000, 0)
	var m meter
	var now time.Time
	for i := range 400 { // 100 a second for 4 s
		now = start.Add(time.Duration(i) * 10 * time.Millisecond)
		m.add(now)
	}
	near(t, "in the fourth second", m.perSecond(now, start), 100)
	for i := range 300 { // then 10 a second for 30 s
		now = start.Add(4*time.Second + time.Duration(i)*100*time.Millisecond)
		m.add(now)
	}
	near(t, "after a slow half minute", m.perSecond(now, start), 10)
	now = now.Add(time.Hour)
	m.add(now)
	near(t, "after an idle hour", m.perSecond(now, start), 0.1)
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > want/8 {
		t.Errorf("%s: rate %.2f, want about %.2f", what, got, want)
	}
}
