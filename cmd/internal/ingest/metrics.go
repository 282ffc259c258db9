package ingest

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sightline/indexer/queue"
	"sightline/indexer/worker"
)

// counts are what happens to changes; *Service shows them as a
// prometheus.Collector.
type counts struct {
	attempts *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	webhooks *prometheus.CounterVec
}

func newCounts() counts {
	return counts{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sightline_changes_total", Help: "Ended attempts at changes of the catalogue, by what became of them and the stage that failed.",
		}, []string{"kind", "outcome", "stage"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sightline_change_seconds", Help: "Time of one attempt at a change.", Buckets: prometheus.ExponentialBuckets(0.005, 3, 9),
		}, []string{"kind"}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sightline_webhooks_total", Help: "Deliveries of Shopify's webhooks, by the status or problem in the answer.",
		}, []string{"outcome"}),
	}
}

func (c counts) attempt(o worker.Observation) {
	c.attempts.WithLabelValues(o.Kind, o.Outcome, o.Stage).Inc()
	c.seconds.WithLabelValues(o.Kind).Observe(o.Took.Seconds())
}

func (c counts) webhook(outcome string) { c.webhooks.WithLabelValues(outcome).Inc() }

var (
	jobsDesc     = prometheus.NewDesc("sightline_queue_jobs", "Jobs in the queue, by state.", []string{"state"}, nil)
	runningDesc  = prometheus.NewDesc("sightline_queue_running", "Jobs that this program is at.", nil, nil)
	lostDesc     = prometheus.NewDesc("sightline_queue_leases_lost_total", "Attempts whose report came after the lease had ended; the job ran again.", nil, nil)
	releasedDesc = prometheus.NewDesc("sightline_queue_released_total", "Jobs given back while the program ended.", nil, nil)
)

// countPatience bounds the counting of jobs for one look at the metrics.
const countPatience = time.Second

// Describe implements prometheus.Collector.
func (s *Service) Describe(out chan<- *prometheus.Desc) {
	s.counts.attempts.Describe(out)
	s.counts.seconds.Describe(out)
	s.counts.webhooks.Describe(out)
	for _, d := range fetchDescs() {
		out <- d
	}
	for _, d := range []*prometheus.Desc{jobsDesc, runningDesc, lostDesc, releasedDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector. Jobs of a queue that does not answer
// within a second are left out.
func (s *Service) Collect(out chan<- prometheus.Metric) {
	s.counts.attempts.Collect(out)
	s.counts.seconds.Collect(out)
	s.counts.webhooks.Collect(out)
	collectFetches(out, s.fetcher.Stats())
	now := s.attempts.Snapshot()
	out <- prometheus.MustNewConstMetric(runningDesc, prometheus.GaugeValue, float64(now.Running))
	out <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(now.Lost))
	out <- prometheus.MustNewConstMetric(releasedDesc, prometheus.CounterValue, float64(now.Released))
	ctx, cancel := context.WithTimeout(context.Background(), countPatience) //nolint:forbidigo // Collect has no context
	defer cancel()
	all, err := s.queue.Counts(ctx, "")
	if err != nil {
		return
	}
	for _, state := range queue.States() {
		out <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, float64(*all.Of(state)), string(state))
	}
}
