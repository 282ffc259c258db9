package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Proxy gives requests to several searchd by turns: to those whose /readyz
// answered last, or to all of them where none did, since a refusal of searchd's
// own says more than one of the proxy's. A request that may be repeated is sent
// once more, to another one, when its connection breaks before the answer is
// whole. Answers are held until they are whole.
type Proxy struct {
	URL string
	// Retried and Failed count requests that were sent twice, and those that got
	// 502 since no searchd answered.
	Retried, Failed atomic.Int64

	backends []*backend
	next     atomic.Uint64
	server   *http.Server
	client   *http.Client
	stop     context.CancelFunc
	done     chan struct{}
}

type backend struct {
	url string
	up  atomic.Bool
}

// Bounds of the proxy: bodies, and the time between looks at /readyz.
const (
	mostBody   = 64 << 20
	probeEvery = 200 * time.Millisecond
)

// NewProxy starts one, on a free loopback port, until Close.
func NewProxy(ctx context.Context, urls ...string) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	p := &Proxy{URL: "http://" + l.Addr().String(), stop: stop, done: make(chan struct{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	for _, u := range urls {
		p.backends = append(p.backends, &backend{url: u})
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	p.probe(ctx)
	go p.watch(ctx)
	go func() { _ = p.server.Serve(l) }() // ends with Close
	return p, nil
}

// Close ends it.
func (p *Proxy) Close() error {
	p.stop()
	<-p.done
	p.client.CloseIdleConnections()
	return p.server.Close()
}

func (p *Proxy) watch(ctx context.Context) {
	defer close(p.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(probeEvery):
			p.probe(ctx)
		}
	}
}

func (p *Proxy) probe(ctx context.Context) {
	for _, b := range p.backends {
		b.up.Store(ReadyAt(b.url)(ctx) == nil)
	}
}

// pick is the next searchd other than one.
func (p *Proxy) pick(not *backend) *backend {
	n := uint64(len(p.backends))
	at := p.next.Add(1)
	for i := range n {
		if b := p.backends[(at+i)%n]; b.up.Load() && b != not {
			return b
		}
	}
	for i := range n {
		if b := p.backends[(at+i)%n]; b != not {
			return b
		}
	}
	return not
}

// mayRepeat tells whether a request has the same effect when it comes twice.
func mayRepeat(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.URL.Path == "/v1/search" || r.Header.Get("Idempotency-Key") != ""
}

// ServeHTTP is the proxy's work.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b := p.pick(nil)
	a, err := p.send(b, r, body)
	if err != nil && mayRepeat(r) && r.Context().Err() == nil {
		b.up.Store(false) // until the next look
		p.Retried.Add(1)
		a, err = p.send(p.pick(b), r, body)
	}
	if err != nil {
		p.Failed.Add(1)
		http.Error(w, "no searchd answers: "+err.Error(), http.StatusBadGateway)
		return
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.text) // #nosec G705 -- searchd's own answer, with its Content-Type; the caller may have left
}

// answered is a whole answer of a searchd.
type answered struct {
	status int
	header http.Header
	text   []byte
}

func (p *Proxy) send(b *backend, r *http.Request, body []byte) (answered, error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, b.url+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	req.Header = r.Header.Clone()
	res, err := p.client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostBody+1))
	if err == nil && len(text) > mostBody {
		err = errors.New("the answer is too large for this proxy")
	}
	if err != nil {
		return answered{}, fmt.Errorf("read the answer: %w", err)
	}
	return answered{res.StatusCode, res.Header, text}, nil
}
