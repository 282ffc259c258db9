package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"sightline/rerank"
)

// secondLook shows what the re-ranker does as a prometheus.Collector.
type secondLook struct {
	reranker *rerank.Reranker

	inside, waiting, running, down, stuck *prometheus.Desc
	pace, titlePace, projection           *prometheus.Desc
	wait, pairs, depth                    *prometheus.Desc
	stopped, joined, dropped, trips       *prometheus.Desc
}

func newSecondLook(r *rerank.Reranker) *secondLook {
	name := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sightline_rerank_"+name, help, labels, nil)
	}
	return &secondLook{
		reranker:   r,
		inside:     name("requests", "Requests in the scheduler."),
		waiting:    name("waiting", "Sub-batches that wait for the device."),
		running:    name("running", "Runs on the device."),
		pace:       name("pair_seconds", "Measured pace: time of one pair, for a text of one token."),
		titlePace:  name("title_seconds", "The same of a title, for searches by picture."),
		projection: name("projection_seconds", "Measured time for what all titles read of a picture."),
		down:       name("down", "1 while the second look is out of service."),
		stuck:      name("stuck_runs", "Runs that were given up and have not come back."),
		wait:       name("wait_seconds", "Time that sub-batches waited for the device."),
		pairs:      name("run_pairs", "Pairs in one run."),
		depth:      name("depth", "Candidates read for one request."),
		stopped:    name("requests_total", "Ended requests, by why not all candidates were read; none: all were.", "stopped"),
		joined:     name("joined_total", "Runs that several requests shared."),
		dropped:    name("dropped_total", "Sub-batches that were never run: the caller or the time had gone."),
		trips:      name("trips_total", "Times that the second look went out of service."),
	}
}

// Describe implements prometheus.Collector.
func (l *secondLook) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		l.inside, l.waiting, l.running, l.pace, l.titlePace, l.projection, l.down, l.stuck, l.wait, l.pairs, l.depth, l.stopped, l.joined, l.dropped, l.trips,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (l *secondLook) Collect(out chan<- prometheus.Metric) {
	now, s := l.reranker.Stats(), sample{out: out}
	s.gauge(l.inside, float64(now.Inside))
	s.gauge(l.waiting, float64(now.Waiting))
	s.gauge(l.running, float64(now.Running))
	s.gauge(l.pace, now.PairMicros/1e6)
	s.gauge(l.titlePace, now.TitleMicros/1e6)
	s.gauge(l.projection, now.ProjectMicros/1e6)
	s.gauge(l.down, oneIf(now.Down))
	s.gauge(l.stuck, float64(now.Stuck))
	s.histogram(l.wait, now.Wait)
	s.histogram(l.pairs, now.RunPairs)
	s.histogram(l.depth, now.Depth)
	for why, n := range now.Stopped {
		if why == "" {
			why = "none"
		}
		s.counter(l.stopped, n, why)
	}
	s.counter(l.joined, now.Joined)
	s.counter(l.dropped, now.Dropped)
	s.counter(l.trips, now.Trips)
}

// histogram adds up counts, as Prometheus wants them.
func (s sample) histogram(d *prometheus.Desc, h rerank.Histogram) {
	buckets, total := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, n := range h.Counts {
		if total += n; i < len(h.Bounds) {
			buckets[h.Bounds[i]] = total
		}
	}
	s.out <- prometheus.MustNewConstHistogram(d, total, h.Sum, buckets)
}
