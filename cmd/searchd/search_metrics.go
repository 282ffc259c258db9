package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"sightline/api"
	"sightline/rerank"
)

// requests counts HTTP requests.
type requests struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	running prometheus.Gauge
	away    *prometheus.CounterVec
}

func newRequests(r *prometheus.Registry) *requests {
	q := &requests{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sightline_http_requests_total", Help: "Answered HTTP requests, by route, method and status; route none: there is nothing at the address.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sightline_http_request_seconds", Help: "Time of HTTP requests until their answer was written, by route.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"route"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sightline_http_requests_running", Help: "HTTP requests under way."}),
	}
	q.away = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sightline_http_refused_total", Help: "Requests of callers who were not let in (401, 403) or came when there was no room (429), by status and reason.",
	}, []string{"code", "reason"})
	r.MustRegister(q.total, q.seconds, q.running, q.away)
	return q
}

// refused is api.Options'.
func (q *requests) refused(status int, why string) {
	q.away.WithLabelValues(strconv.Itoa(status), why).Inc()
}

func (q *requests) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin, ww := time.Now(), middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		q.running.Inc()
		defer func() {
			q.running.Dec()
			route := routeOf(r)
			q.total.WithLabelValues(route, methodOf(r), strconv.Itoa(max(ww.Status(), 200))).Inc() // 0 where nothing was written
			q.seconds.WithLabelValues(route).Observe(time.Since(begin).Seconds())
		}()
		next.ServeHTTP(ww, r)
	})
}

// routeOf is one of the router's patterns, so that addresses which somebody
// makes up are one value.
func routeOf(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil && c.RoutePattern() != "" && c.RoutePattern() != "/*" {
		return c.RoutePattern()
	}
	return "none"
}

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// searched counts what searches took and what they had to do without.
type searched struct {
	stages   *prometheus.HistogramVec
	degraded *prometheus.CounterVec
	searches *prometheus.CounterVec
	none     prometheus.Counter
}

func newSearched(r *prometheus.Registry) *searched {
	s := &searched{
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sightline_search_stage_seconds", Help: "Time of the stages of searches that were not answered from the cache: tokenize, encode, search, rerank, blend, total.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 3, 11),
		}, []string{"stage"}),
		degraded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sightline_search_degraded_total", Help: "Searches that were answered without a part, by part (rerank, titles, negative, blend, facets) and reason.",
		}, []string{"part", "reason"}),
		searches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sightline_searches_total", Help: "Searches that were not answered from the cache, by what they were for: text, picture or both.",
		}, []string{"by"}),
		none: prometheus.NewCounter(prometheus.CounterOpts{Name: "sightline_search_no_good_match_total", Help: "Searches without a good match."}),
	}
	r.MustRegister(s.stages, s.degraded, s.searches, s.none)
	return s
}

// observe is api.Engine's.
func (s *searched) observe(_ context.Context, req api.SearchRequest, res *api.SearchResponse) {
	s.searches.WithLabelValues(askedBy(req)).Inc()
	t := res.Timings
	for stage, took := range map[string]time.Duration{
		"tokenize": time.Duration(t.Tokenize), "encode": time.Duration(t.Encode), "search": time.Duration(t.Search),
		"rerank": time.Duration(t.Rerank), "blend": time.Duration(t.Blend), "total": time.Duration(t.Total),
	} {
		if took > 0 {
			s.stages.WithLabelValues(stage).Observe(took.Seconds())
		}
	}
	if res.NoGoodMatch {
		s.none.Inc()
	}
	s.degradedPart("rerank", res.Rerank.Stopped)
	s.degradedPart("titles", res.Rerank.Titles.Stopped)
	s.degradedPart("negative", res.Rerank.Negative.Stopped)
	for _, part := range res.Blend.Failed {
		s.degraded.WithLabelValues("blend", part).Inc()
	}
	for _, f := range res.Facets {
		if f.Failed != "" {
			s.degraded.WithLabelValues("facets", f.Failed).Inc()
			break // they fail together
		}
	}
}

func (s *searched) degradedPart(part, stopped string) {
	switch stopped {
	case "", rerank.StoppedDisabled, rerank.StoppedSettled:
	default:
		s.degraded.WithLabelValues(part, stopped).Inc()
	}
}

func askedBy(req api.SearchRequest) string {
	picture := req.ImageID != "" || len(req.Image) > 0
	switch {
	case picture && req.Text != "":
		return "both"
	case picture:
		return "picture"
	}
	return "text"
}
