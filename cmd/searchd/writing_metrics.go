package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"sightline/api"
)

// written counts what was written about pictures.
type written struct {
	seconds *prometheus.HistogramVec
	tokens  *prometheus.CounterVec
}

func newWritten() *written {
	return &written{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sightline_writing_seconds", Help: "Time until a picture was written about, from its patch states on, the queue included: caption, answer.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 10),
		}, []string{"task"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sightline_writing_tokens_total", Help: "Tokens that were written."}, []string{"task"}),
	}
}

// observe is api.Author's.
func (w *written) observe(task string, one api.Written) {
	w.seconds.WithLabelValues(task).Observe(one.Took.Seconds())
	w.tokens.WithLabelValues(task).Add(float64(one.Tokens))
}

// watchWriting shows what writes, from now on.
func (m *metrics) watchWriting(w *writers) {
	name := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sightline_writing_"+name, help, labels, nil)
	}
	m.registry.MustRegister(m.written.seconds, m.written.tokens, &writingMetrics{
		writing: w,
		waiting: name("waiting", "Pictures that wait to be written about.", "model"),
		runs:    name("runs_total", "Runs of the graphs of the models that write; caption_step and answer_step are the steps, of up to 8 pictures each.", "graph"),
		gaveWay: name("gave_way_total", "Runs that were broken off for a search, and done again."),
		waited:  name("waited_seconds_total", "Time that runs waited without finding a gap between searches."),
	})
}

type writingMetrics struct {
	writing                        *writers
	waiting, runs, gaveWay, waited *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m *writingMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.waiting, m.runs, m.gaveWay, m.waited} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *writingMetrics) Collect(out chan<- prometheus.Metric) {
	s := sample{out: out}
	for flag, a := range m.writing.authors {
		s.gauge(m.waiting, float64(a.writer.Waiting()), flag[len("--"):])
	}
	now := m.writing.gate.Stats()
	for graph, n := range now.Runs {
		s.counter(m.runs, n, graph)
	}
	s.counter(m.gaveWay, now.GaveWay)
	out <- prometheus.MustNewConstMetric(m.waited, prometheus.CounterValue, now.Waited.Seconds())
}
