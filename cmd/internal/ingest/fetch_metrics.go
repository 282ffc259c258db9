package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"sightline/store/fetch"
)

var (
	fetchesDesc     = prometheus.NewDesc("sightline_fetch_requests_total", "Requests for pictures and feeds that were sent, redirects and retries included.", nil, nil)
	fetchedDesc     = prometheus.NewDesc("sightline_fetches_total", "Pictures that were fetched: new, or unchanged since they were asked for before.", []string{"result"}, nil)
	fetchBytesDesc  = prometheus.NewDesc("sightline_fetch_bytes_total", "Bytes of bodies, as they came.", nil, nil)
	fetchFailedDesc = prometheus.NewDesc("sightline_fetch_failures_total", "Fetches that failed, by kind.", []string{"kind"}, nil)
	fetchNowDesc    = prometheus.NewDesc("sightline_fetch_requests", "Requests under way, and calls that wait for their host's turn.", []string{"state"}, nil)
	hostsDownDesc   = prometheus.NewDesc("sightline_fetch_hosts_down", "Hosts that are left alone after failures.", nil, nil)
)

func fetchDescs() []*prometheus.Desc {
	return []*prometheus.Desc{fetchesDesc, fetchedDesc, fetchBytesDesc, fetchFailedDesc, fetchNowDesc, hostsDownDesc}
}

func collectFetches(out chan<- prometheus.Metric, now fetch.Stats) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	counter(fetchesDesc, now.Requests)
	counter(fetchedDesc, now.Fetched-now.NotModified, "new")
	counter(fetchedDesc, now.NotModified, "unchanged")
	counter(fetchBytesDesc, now.Bytes)
	for kind, n := range now.Failed {
		counter(fetchFailedDesc, n, kind.String())
	}
	gauge(fetchNowDesc, now.Active, "running")
	gauge(fetchNowDesc, now.Waiting, "waiting")
	gauge(hostsDownDesc, now.HostsDown)
}
