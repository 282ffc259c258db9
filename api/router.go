package api

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"sightline/store/keys"
)

// Pictures gives the stored copy of a picture by its key; pictures.Store is
// one. A missing one is pictures.ErrNotFound.
type Pictures interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// Options of NewRouter. Zero numbers mean the defaults.
type Options struct {
	Engine    *Engine    // its fields may be set until Readiness says ready
	Pictures  Pictures   // stored copies
	Readiness *Readiness // nothing below /v1 is served before it is set to ready once
	Catalogue *Catalogue // nil for a server that neither lists items nor takes writes
	Page      http.Handler
	Metrics   http.Handler // served at /metrics; nil for none
	Profiles  http.Handler // served below /debug/pprof/ to callers with the scope admin; nil for none
	Webhooks  http.Handler // takes POST below /webhooks/, and checks its callers itself; nil for none
	Log       *slog.Logger
	// Around stand outside of everything else, the first one outermost: for traces
	// and metrics. After the call chi.RouteContext tells them the route's pattern.
	Around []func(http.Handler) http.Handler
	Access Access // who may call; the zero value lets everybody do everything
	// CheckHost refuses requests below /v1 whose Host is a name other than
	// localhost and Hosts. A server on loopback that asks for no keys needs it: a
	// web page may give its own name that address and then speak to it as its own
	// origin ("DNS rebinding"). Addresses in numbers are always taken.
	CheckHost bool
	Hosts     []string // names without a port, such as those under which a proxy is reached
	// MaxSearches are under way at once; one more gets 429. Default: 16 a CPU.
	// The second look gives each of them less depth the more there are; beyond
	// this many the encoding of their texts alone would make all miss their deadlines.
	MaxSearches int
	// MaxUploads are read at once, each of up to 16 MB (some 30 MB while it is
	// decoded). As many requests that score or embed pictures of their own are
	// under way at once. Default 8.
	MaxUploads int
	// MaxWaiting callers wait for the outcome of their writes at once; one more
	// is answered 202 at once. Default 64.
	MaxWaiting int
}

func (o Options) withDefaults() Options {
	if o.MaxSearches <= 0 {
		o.MaxSearches = 16 * runtime.GOMAXPROCS(0)
	}
	if o.MaxUploads <= 0 {
		o.MaxUploads = 8
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 64
	}
	if o.Catalogue == nil {
		o.Catalogue = &Catalogue{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// itemTimeout bounds reading one item or picture.
const itemTimeout = 5 * time.Second

// NewRouter returns the whole HTTP interface.
func NewRouter(o Options) http.Handler {
	o = o.withDefaults()
	s := &searches{engine: o.Engine, running: make(slots, o.MaxSearches), uploads: make(slots, o.MaxUploads)}
	it := &items{engine: o.Engine, pictures: o.Pictures, searches: s}
	p := &probe{engine: o.Engine, life: o.Readiness}
	pr := &pairs{engine: o.Engine, running: s.running, uploads: s.uploads, fresh: make(slots, o.MaxUploads)}
	au := newAuthors(o, pr)
	wr := newWrites(o, s.uploads)
	g := newGuard(o.Access)

	r := chi.NewRouter()
	r.Use(o.Around...)
	r.Use(identify(g.Proxies), logged(o.Log), recovered, g.origins.secured, g.origins.handler, middleware.GetHead)
	r.NotFound(notFound)
	r.MethodNotAllowed(wrongMethod)

	r.Get("/healthz", healthz)
	r.Get("/readyz", p.readyz)
	r.Get("/.well-known/live", alive)
	r.Get("/.well-known/ready", p.ready)
	r.Group(func(r chi.Router) {
		r.Use(o.knownHost, g.sameOrigin)
		r.Get(sessionPath, g.whoami)
		r.Post(sessionPath, g.signIn)
		r.Delete(sessionPath, g.signOut)
	})
	r.Group(func(r chi.Router) {
		r.Use(o.knownHost, g.need(keys.Search), o.Readiness.whenStarted)
		r.Get("/v1/search", s.get)
		r.Post("/v1/search", s.post)
		r.Post("/v1/explain", (&explanations{engine: o.Engine, pictures: o.Pictures, running: s.running}).post)
		pr.routes(r)
		au.routes(r)
	})
	r.Group(func(r chi.Router) {
		r.Use(o.knownHost, g.need(keys.Search|keys.Write), o.Readiness.whenStarted)
		r.With(within(itemTimeout)).Get(itemsPath+"*", it.get)
		r.Get("/v1/items", wr.list)
	})
	r.Group(func(r chi.Router) {
		r.Use(o.knownHost, g.audited(byNobody), g.need(keys.Write), o.Readiness.whenStarted, g.sameOrigin)
		wr.routes(r)
	})
	if o.Webhooks != nil {
		r.With(g.audited(byWebhook), o.Readiness.whenStarted).Post("/webhooks/*", o.Webhooks.ServeHTTP)
	}
	if o.Metrics != nil {
		r.With(g.needForMetrics).Get("/metrics", o.Metrics.ServeHTTP)
	}
	if o.Profiles != nil {
		r.With(o.knownHost, g.need(keys.Admin)).Get("/debug/pprof/*", o.Profiles.ServeHTTP)
	}
	docs := newDocs()
	r.Get("/openapi.json", docs.JSON)
	r.Get("/openapi.yaml", docs.YAML)
	r.Get("/docs", docs.Page)
	r.Get("/docs/*", docs.Page)
	if o.Page != nil {
		r.Get("/", o.Page.ServeHTTP)
		r.Get("/assets/*", o.Page.ServeHTTP)
	}
	return r
}

func notFound(w http.ResponseWriter, r *http.Request) {
	fail(w, r, refuse(kindNotFound, "There is nothing at this address."))
}

// wrongMethod says which methods there are, as RFC 9110 wants.
func wrongMethod(w http.ResponseWriter, r *http.Request) {
	routes := chi.RouteContext(r.Context()).Routes
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if routes.Match(chi.NewRouteContext(), method, r.URL.EscapedPath()) && !beside(r, method) {
			allowed = append(allowed, method)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, r, refuse(kindMethod, "This address takes only "+strings.Join(allowed, " and ")+"."))
}

// beside says that a method is for the other addresses of a route whose handlers
// tell several apart: what stands below an item is read, and only :retry of a
// job is posted to.
func beside(r *http.Request, method string) bool {
	path := r.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, itemsPath):
		_, part := itemPath(r)
		return part != "" && method != http.MethodGet
	case strings.HasPrefix(path, jobsPath):
		return strings.HasSuffix(path, ":retry") != (method == http.MethodPost)
	}
	return false
}
