package harness

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Sample is what a process holds at a time, in seconds since the begin.
type Sample struct {
	At         float64 `json:"at"`
	RSS        float64 `json:"rss_bytes"`
	Heap       float64 `json:"go_heap_bytes"` // in use, with what is not collected yet
	Live       float64 `json:"go_live_bytes"` // of the heap, right after a collection; 0 where it was not looked at
	Cache      float64 `json:"cache_bytes"`   // of answers that are kept
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"file_descriptors"`
	Disk       float64 `json:"disk_bytes"` // of the data folder without the queue
	Queue      float64 `json:"queue_bytes"`
}

// Take samples a searchd and its data folder. It reads /proc, so it needs Linux.
func Take(ctx context.Context, p *Process, c *Client, data string) (s Sample, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return s, err
	}
	_, after, _ := strings.Cut(string(status), "\nVmRSS:")
	line, _, _ := strings.Cut(after, "\n")
	kB, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(line, " kB")), 64) // digits
	s.RSS = kB * 1024
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	if err != nil {
		return s, err
	}
	s.Files = float64(len(files))
	for name, into := range map[string]*float64{
		"go_goroutines": &s.Goroutines, "go_memstats_heap_inuse_bytes": &s.Heap, `sightline_cache_bytes{cache="memory"}`: &s.Cache,
	} {
		if *into, err = c.Metric(ctx, name); err != nil {
			return s, err
		}
	}
	s.Disk, s.Queue = Disk(data)
	return s, nil
}

// Collect has a searchd with --pprof collect its garbage and returns what is left
// of the heap, in bytes, with a profile of it.
func Collect(ctx context.Context, c *Client) (live float64, profile []byte, err error) {
	status, profile, err := c.Do(ctx, http.MethodGet, "/debug/pprof/heap?gc=1", nil)
	if err != nil || status != http.StatusOK {
		return 0, nil, fmt.Errorf("profile of the heap: %d: %w", status, err)
	}
	live, err = c.Metric(ctx, "go_memstats_heap_alloc_bytes")
	return live, profile, err
}

// Disk is what files take, the queue's apart. Files that go meanwhile count
// nothing.
func Disk(data string) (others, queue float64) {
	_ = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error { // as above
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // it is gone
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		if strings.HasPrefix(d.Name(), "queue.db") {
			queue += float64(info.Size())
		} else {
			others += float64(info.Size())
		}
		return nil
	})
	return others, queue
}

// Trend is a straight line through samples, by least squares.
type Trend struct {
	Name   string  `json:"name"`
	Mean   float64 `json:"mean"`
	First  float64 `json:"first"`
	Last   float64 `json:"last"`
	Growth float64 `json:"growth"` // of the line, over the whole time
	Limit  float64 `json:"limit"`
}

// Flat tells whether the line grows by no more than its limit.
func (t Trend) Flat() bool { return t.Growth <= t.Limit }

// TrendOf fits the line. The limit is a part of the mean, or least if that is
// more.
func TrendOf(name string, all []Sample, of func(Sample) float64, part, least float64) Trend {
	t := Trend{Name: name}
	var n, sx, sy, sxx, sxy float64
	for _, s := range all {
		x, y := s.At, of(s)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if n == 0 {
		return t
	}
	t.Mean, t.First, t.Last = sy/n, of(all[0]), of(all[len(all)-1])
	t.Limit = max(part*t.Mean, least)
	if d := n*sxx - sx*sx; d > 0 {
		t.Growth = (n*sxy - sx*sy) / d * (all[len(all)-1].At - all[0].At)
	}
	return t
}
