package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sightline/encoder"
	"sightline/store"
)

// Readiness is what /readyz says about the process. The zero value is "not
// ready: starting". It is safe for concurrent use.
type Readiness struct {
	started atomic.Bool
	reason  atomic.Pointer[string]
}

// Set says why the service is not ready ("warming the model"), or with "" that
// it is. After the first Set("") searches are served whatever the reason: a
// process that drains finishes its callers' work while /readyz already tells
// the load balancer to look elsewhere.
func (r *Readiness) Set(reason string) {
	r.reason.Store(&reason)
	if reason == "" {
		r.started.Store(true)
	}
}

func (r *Readiness) why() string {
	if reason := r.reason.Load(); reason != nil {
		return *reason
	}
	return "starting"
}

// whenStarted refuses requests that need parts which are not there yet.
func (r *Readiness) whenStarted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.started.Load() {
			fail(w, req, refuse(kindUnavailable, "The service is not ready yet: "+r.why()+"."))
			return
		}
		next.ServeHTTP(w, req)
	})
}

func healthz(w http.ResponseWriter, r *http.Request) {
	respond(w, r, aliveAnswer{Status: "alive"})
}

// alive and ready are what Weaviate asks its modules.
func alive(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func (p *probe) ready(w http.ResponseWriter, r *http.Request) {
	if why := p.life.why(); why != "" {
		fail(w, r, refuse(kindUnavailable, "Not ready: "+why+"."))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

const (
	probeTimeout = 2 * time.Second
	probeFor     = 2 * time.Second // how long an outcome holds, so that probes cost next to nothing
)

// probe checks that index and encoder really answer.
type probe struct {
	engine  *Engine
	life    *Readiness
	version string

	mu    sync.Mutex // held during a check: others wait for its outcome
	until time.Time
	stats store.Stats
	err   error
}

func (p *probe) readyz(w http.ResponseWriter, r *http.Request) {
	if why := p.life.why(); why != "" {
		fail(w, r, refuse(kindUnavailable, "Not ready: "+why+"."))
		return
	}
	stats, err := p.check(r.Context())
	if err != nil {
		fail(w, r, &refusal{kind: kindUnavailable, detail: "Not ready: a check of the index or the model failed.", err: err})
		return
	}
	respond(w, r, readyAnswer{
		Status: "ready", Items: stats.Items, Model: p.engine.Fingerprint, Dimensions: stats.Dim, Calibrated: p.engine.Calibrated,
		Version: p.version, SecondLook: p.engine.lookHealth(r.Context()),
		Captioner: p.engine.Captioner.fingerprint(), Answerer: p.engine.Answerer.fingerprint(),
	})
}

// lookHealth says how the second look is; "" where that cannot be asked. While it
// is out of service searches are answered in the order of the first, so that the
// service is ready all the same.
func (e *Engine) lookHealth(ctx context.Context) string {
	asked, ok := e.Reranker.(interface {
		Health(ctx context.Context) error
	})
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if asked.Health(ctx) != nil {
		return "out of service"
	}
	return "ok"
}

// check outlives the caller that started it, because others may wait for its outcome.
func (p *probe) check(ctx context.Context) (store.Stats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.stats, p.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	p.stats, p.err = p.engine.probe(ctx)
	p.until = time.Now().Add(probeFor)
	return p.stats, p.err
}

// probe asks the index how it is and encodes one word.
func (e *Engine) probe(ctx context.Context) (store.Stats, error) {
	stats, err := e.Index.Stats(ctx)
	if err != nil {
		return stats, fmt.Errorf("ask the index: %w", err)
	}
	if stats.Fingerprint != e.Fingerprint {
		return stats, fmt.Errorf("index of model %q, model %q in use: %w", stats.Fingerprint, e.Fingerprint, store.ErrFingerprint)
	}
	if _, err := e.Texts.Texts(ctx, []encoder.Query{e.Texts.Tokenize("ready")}); err != nil {
		return stats, fmt.Errorf("encode a word: %w", err)
	}
	return stats, nil
}
