package hub

import (
	"sync"
	"time"
)

// Progress is how far a download is.
type Progress struct {
	File  string `json:"file"`  // that gained last
	Done  int64  `json:"done"`  // bytes here, those of earlier runs included
	Total int64  `json:"total"` // bytes
	// Rate is bytes a second of this run; ETA the seconds left at that rate, 0
	// where it is not known.
	Rate float64 `json:"bytes_per_second"`
	ETA  float64 `json:"eta_seconds"`
}

const progressInterval = 200 * time.Millisecond

// meter counts for several downloads.
type meter struct {
	mu       sync.Mutex
	show     func(Progress)
	begin    time.Time
	last     time.Time
	done     int64
	received int64
	total    int64
}

func newMeter(total int64, show func(Progress)) *meter {
	return &meter{show: show, total: total, begin: time.Now()}
}

// have counts bytes that were there before, or, negative, are thrown away.
func (m *meter) have(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
}

func (m *meter) add(file string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	m.received += n
	now := time.Now()
	if m.show == nil || now.Sub(m.last) < progressInterval && m.done < m.total {
		return
	}
	m.last = now
	p := Progress{File: file, Done: m.done, Total: m.total}
	if passed := now.Sub(m.begin).Seconds(); passed > 0 {
		p.Rate = float64(m.received) / passed
	}
	if p.Rate > 0 {
		p.ETA = float64(m.total-m.done) / p.Rate
	}
	m.show(p)
}
