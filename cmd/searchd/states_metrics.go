package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"sightline/cmd/internal/cli"
	"sightline/store/features"
)

// statesMetrics shows the store of patch states as a prometheus.Collector.
type statesMetrics struct {
	store cli.Features

	pictures, bytes, budget, segments                     *prometheus.Desc
	lookups, damaged, evicted, reclaimed, remote, breaker *prometheus.Desc
}

func newStatesMetrics(store cli.Features) *statesMetrics {
	name := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sightline_states_"+name, help, labels, nil)
	}
	return &statesMetrics{
		store:     store,
		pictures:  name("pictures", "Pictures whose patch states are on this disk."),
		bytes:     name("bytes", "Disk that patch states take: live ones, and dead ones that compaction will give back.", "kind"),
		budget:    name("budget_bytes", "What live and dead ones together should stay below; 0 for no bound."),
		segments:  name("segments", "Files that hold them."),
		lookups:   name("lookups_total", "Looks for patch states on this disk: hit or miss.", "result"),
		damaged:   name("damaged_total", "Records found not to be what was written, and forgotten.", "where"),
		evicted:   name("evictions_total", "Pictures whose patch states were dropped for the budget."),
		reclaimed: name("reclaimed_bytes_total", "Disk given back by compaction."),
		remote:    name("bucket_total", "What was done in the bucket: fetched, missing, uploaded, failed.", "event"),
		breaker:   name("bucket_breaker_open", "1 while the bucket is left alone after failures."),
	}
}

// Describe implements prometheus.Collector.
func (m *statesMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.pictures, m.bytes, m.budget, m.segments, m.lookups, m.damaged, m.evicted, m.reclaimed, m.remote, m.breaker} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *statesMetrics) Collect(out chan<- prometheus.Metric) {
	s := sample{out: out}
	switch store := m.store.(type) {
	case interface{ Stats() features.Stats }:
		m.local(s, store.Stats())
	case interface{ Stats() features.BucketStats }:
		now := store.Stats()
		m.local(s, now.Local)
		s.counter(m.damaged, uint64(now.Damaged), "bucket")
		for event, n := range map[string]int64{"fetched": now.Fetched, "missing": now.Missing, "uploaded": now.Uploaded, "failed": now.Failures} {
			s.counter(m.remote, uint64(n), event)
		}
		s.gauge(m.breaker, oneIf(now.Breaker != "closed"))
	}
}

func (m *statesMetrics) local(s sample, now features.Stats) {
	s.gauge(m.pictures, float64(now.Pictures))
	s.gauge(m.bytes, float64(now.Live), "live")
	s.gauge(m.bytes, float64(now.Dead), "dead")
	s.gauge(m.budget, float64(now.Budget))
	s.gauge(m.segments, float64(now.Segments))
	s.counter(m.lookups, uint64(now.Hits), "hit")
	s.counter(m.lookups, uint64(now.Misses), "miss")
	s.counter(m.damaged, uint64(now.Damaged), "disk")
	s.counter(m.evicted, uint64(now.Evictions))
	s.counter(m.reclaimed, uint64(now.Reclaimed))
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
