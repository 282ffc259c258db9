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
	Shrunk    Answers    // keeps pictures that were made smaller; nil: each is made anew
	Readiness *Readiness // nothing below /v1 is served before it is set to ready once
	Catalogue *Catalogue // nil for a server that neither lists items nor takes writes
	Page      http.Handler
	Metrics   http.Handler // served at /metrics; nil for none
	Profiles  http.Handler // served below /debug/pprof/ to callers with the scope admin; nil for none
	Webhooks  http.Handler // takes POST below /webhooks/, and checks its callers itself; nil for none
	// Evaluations are shown to callers with the scope admin; nil for none.
	Evaluations Evaluations
	Log         *slog.Logger
	// Refused is told of each answer to a caller who was not let in (401, 403) or
	// came when there was no room (429), with a word for why, of which there are
	// some twenty; nil for nobody. It is called from many goroutines.
	Refused func(status int, why string)
	// Around stand outside of everything else, the first one outermost: for traces
	// and metrics. After the call chi.RouteContext tells them the route's pattern.
	Around []func(http.Handler) http.Handler
	// Version of the program, for /readyz; "" is left out there.
	Version string
	Access  Access // who may call; the zero value lets everybody do everything
	// CheckHost refuses requests below /v1 whose Host is a name other than
	// localhost and Hosts. A server on loopback that asks for no keys needs it: a
	// web page may give its own name that address and then speak to it as its own
	// origin ("DNS rebinding"). Addresses in numbers are always taken.
	CheckHost bool
	Hosts     []string // names without a port, such as those under which a proxy is reached
	// MaxSearches are under way at once; one more gets 429. It bounds memory, some
	// 0.2 MB a search: overload is met before, by less depth and then by
	// Engine.First. Default: 1024, or 64 a CPU where that is more. Explanations and
	// requests that score or embed pairs are among them, 16 a CPU at most.
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
		o.MaxSearches = max(1024, 64*runtime.GOMAXPROCS(0))
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

// routes are the handlers behind one router.
type routes struct {
	Options

	guard    *guard
	searches *searches
	items    *items
	probe    *probe
	pairs    *pairs
	authors  *authors
	writes   *writes
	explain  *explanations
}

func newRoutes(o Options) *routes {
	s := &searches{engine: o.Engine, running: make(slots, o.MaxSearches), uploads: make(slots, o.MaxUploads), visible: o.visibility()}
	beside := besides{s.running, make(slots, 16*runtime.GOMAXPROCS(0))}
	pr := &pairs{engine: o.Engine, running: beside, uploads: s.uploads, fresh: make(slots, o.MaxUploads)}
	return &routes{
		Options: o, guard: newGuard(o.Access), searches: s,
		items:   &items{engine: o.Engine, pictures: newGallery(o), searches: s, visible: o.visibility()},
		probe:   &probe{engine: o.Engine, life: o.Readiness, version: o.Version},
		pairs:   pr,
		authors: newAuthors(o, pr),
		writes:  newWrites(o, s.uploads),
		explain: &explanations{engine: o.Engine, pictures: o.Pictures, running: beside},
	}
}

// NewRouter returns the whole HTTP interface.
func NewRouter(o Options) http.Handler {
	o = o.withDefaults()
	rt := newRoutes(o)
	r := chi.NewRouter()
	r.Use(o.Around...)
	r.Use(identify(rt.guard.Proxies, o.Refused), logged(o.Log), recovered, rt.guard.origins.secured, rt.guard.origins.handler, middleware.GetHead)
	r.NotFound(notFound)
	r.MethodNotAllowed(wrongMethod)
	rt.open(r)
	r.Group(rt.reading)
	r.Group(rt.browsing)
	r.Group(rt.writing)
	rt.operating(r)
	return r
}

// open are the routes that ask for no key, or ask for one themselves.
func (rt *routes) open(r chi.Router) {
	r.Get("/healthz", healthz)
	r.Get("/readyz", rt.probe.readyz)
	r.Get("/.well-known/live", alive)
	r.Get("/.well-known/ready", rt.probe.ready)
	r.Group(func(r chi.Router) {
		r.Use(rt.knownHost, rt.guard.sameOrigin)
		r.Get(sessionPath, rt.guard.whoami)
		r.Post(sessionPath, rt.guard.signIn)
		r.Delete(sessionPath, rt.guard.signOut)
	})
	if rt.Webhooks != nil {
		r.With(rt.guard.audited(byWebhook), rt.Readiness.whenStarted).Post("/webhooks/*", rt.Webhooks.ServeHTTP)
	}
	docs := newDocs()
	r.Get("/openapi.json", docs.JSON)
	r.Get("/openapi.yaml", docs.YAML)
	r.Get("/docs", docs.Page)
	r.Get("/docs/*", docs.Page)
	if rt.Page != nil {
		r.Get("/", rt.Page.ServeHTTP)
		r.Get("/assets/*", rt.Page.ServeHTTP)
	}
}

// reading are the routes that run the model.
func (rt *routes) reading(r chi.Router) {
	r.Use(rt.knownHost, rt.guard.need(keys.Search), rt.Readiness.whenStarted)
	r.Get("/v1/search", rt.searches.get)
	r.Post("/v1/search", rt.searches.post)
	r.Post("/v1/explain", rt.explain.post)
	rt.pairs.routes(r)
	rt.authors.routes(r)
}

// browsing are the routes that show the catalogue, to those who change it too.
func (rt *routes) browsing(r chi.Router) {
	r.Use(rt.knownHost, rt.guard.need(keys.Search|keys.Write), rt.Readiness.whenStarted)
	r.With(within(itemTimeout)).Get(itemsPath+"*", rt.items.get)
	r.Get("/v1/items", rt.writes.list)
}

// writing are the routes that change the catalogue, and those of their jobs.
func (rt *routes) writing(r chi.Router) {
	r.Use(rt.knownHost, rt.guard.audited(byNobody), rt.guard.need(keys.Write), rt.Readiness.whenStarted, rt.guard.sameOrigin)
	rt.writes.routes(r)
}

// operating are the routes for those who run the server.
func (rt *routes) operating(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(rt.knownHost, rt.guard.need(keys.Admin), within(itemTimeout))
		evaluations{rt.Evaluations}.routes(r)
	})
	if rt.Metrics != nil {
		r.With(rt.guard.needForMetrics).Get("/metrics", rt.Metrics.ServeHTTP)
	}
	if rt.Profiles != nil {
		r.With(rt.knownHost, rt.guard.need(keys.Admin)).Get("/debug/pprof/*", rt.Profiles.ServeHTTP)
	}
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
