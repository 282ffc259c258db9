package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sightline/cmd/internal/cli"
	"sightline/store"
	"sightline/store/cache"
)

// metrics are what /metrics shows: the process, and from watch on the index and
// the caches, read when they are asked for.
type metrics struct {
	registry *prometheus.Registry
	requests *requests
	searched *searched
	written  *written // registered where there is something that writes
	log      *slog.Logger
	watched  atomic.Pointer[watched]
	shrunk   *cache.Memory // pictures that were made smaller; nil for none

	items, generation                      *prometheus.Desc
	hits, misses, failed, dropped, evicted *prometheus.Desc
	bytes, breaker, events                 *prometheus.Desc
}

type watched struct {
	index  store.Index
	caches *cli.Caches
}

func newMetrics(log *slog.Logger) *metrics {
	name := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sightline_"+name, help, labels, nil)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(), log: log,
		items:      name("index_items", "Items in the catalogue."),
		generation: name("index_generation", "Number of the last write that searches can see."),
		hits:       name("cache_hits_total", "Lookups that found a value.", "cache"),
		misses:     name("cache_misses_total", "Lookups that found none, for whatever reason.", "cache"),
		failed:     name("cache_errors_total", "Operations that Redis failed or answered with something foreign.", "cache"),
		dropped:    name("cache_dropped_total", "Values not kept: too large, queue full, breaker open.", "cache"),
		evicted:    name("cache_evictions_total", "Entries that left by age or for lack of room.", "cache"),
		bytes:      name("cache_bytes", "Memory held by entries.", "cache"),
		breaker:    name("cache_breaker_open", "1 while Redis is left alone after failures.", "cache"),
		events:     name("result_cache_events_total", "What the result cache did: run (a search of its own), not_kept (cut short, so not kept), failed, joined (a caller shared a search under way), stale (given out past --cache-fresh), abandoned (the caller left).", "event"),
	}
	m.registry.MustRegister(m, cli.BuildInfo().Metric(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.requests, m.searched, m.written = newRequests(m.registry), newSearched(m.registry), newWritten()
	return m
}

// watch shows an opened index and its caches from now on.
func (m *metrics) watch(x store.Index, c *cli.Caches) { m.watched.Store(&watched{index: x, caches: c}) }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: 5 * time.Second,
	})
}

// Describe sends nothing: which caches there are is known only after the start.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads everything that watch was told of.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	w := m.watched.Load()
	if w == nil {
		return
	}
	s := sample{out: out}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) //nolint:forbidigo // Collect has no context
	defer cancel()
	if stats, err := w.index.Stats(ctx); err == nil {
		s.gauge(m.items, float64(stats.Items))
		s.gauge(m.generation, float64(stats.Generation))
	}
	if m.shrunk != nil {
		m.collectCache(s, "pictures", m.shrunk.Stats())
	}
	if w.caches.Answers == nil {
		return
	}
	m.collectCache(s, "memory", w.caches.Memory.Stats())
	m.collectCache(s, "embeddings", w.caches.Embeddings.Stats())
	if w.caches.Redis != nil {
		m.collectCache(s, "redis", w.caches.Redis.Stats())
	}
	m.collectFetches(s, w.caches.Answers.Stats())
}

func (m *metrics) collectCache(s sample, name string, stats cache.Stats) {
	s.counter(m.hits, stats.Hits, name)
	s.counter(m.misses, stats.Misses, name)
	s.counter(m.failed, stats.Errors, name)
	s.counter(m.dropped, stats.Dropped, name)
	s.counter(m.evicted, stats.Evictions, name)
	if stats.Breaker == "" {
		s.gauge(m.bytes, float64(stats.Bytes), name)
		return
	}
	s.gauge(m.breaker, oneIf(stats.Breaker != "closed"), name)
}

func (m *metrics) collectFetches(s sample, f cache.FetchStats) {
	for event, n := range map[string]uint64{
		"run": f.Loads, "not_kept": f.NotKept, "failed": f.Failed,
		"joined": f.Joined, "stale": f.Stale, "abandoned": f.Abandoned,
	} {
		s.counter(m.events, n, event)
	}
}

// sample sends numbers of one moment.
type sample struct{ out chan<- prometheus.Metric }

func (s sample) counter(d *prometheus.Desc, v uint64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (s sample) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
