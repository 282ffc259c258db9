package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"sightline/api"
	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/eval"
	"sightline/cmd/internal/ingest"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/rerank"
	"sightline/rerank/blend"
	"sightline/store/filter"
	"sightline/web"
)

// run is the program; main and tests call it. Without a command it serves.
func run(ctx context.Context, args, environ []string, s cli.Streams) error {
	serve := checkable(environ, s, cli.Do(environ, s, runServe))
	root := &cobra.Command{
		Use:   "searchd",
		Short: "Serve Sightline's REST API and search page",
		Long: `Serve the REST API and the search page over one data folder.

The first line of the output is the address, so that a script can read it.
/healthz answers at once; /readyz says 503 until model and data are loaded.

On loopback no API keys are asked for unless --require-keys or --keys is given;
on any other address they are, and 'searchd key' makes them.

Ctrl-C or SIGTERM: no new requests are taken, those under way are finished, for
at most 20 s; a second one ends the program at once. Exit codes: 0 stopped when
asked to, 1 failed, 2 wrong usage, 130 interrupted before it was ready.`,
		Example: `  searchd --data ./sightline-data --model ./sightline-model
  searchd serve --listen 127.0.0.1:0
  searchd serve --listen 0.0.0.0:8443 --tls-cert fullchain.pem --tls-key privkey.pem
  searchd serve --check-config
  curl 'http://127.0.0.1:8080/v1/search?q=red+shoe&limit=5'`,
		Args: cli.Args(cobra.NoArgs),
		RunE: serve,
	}
	command := &cobra.Command{
		Use: "serve", Short: "Serve (what searchd does without a command)", Long: root.Long,
		Example: "  searchd serve --data ./sightline-data --model ./sightline-model --listen 127.0.0.1:8080",
		Args:    cli.Args(cobra.NoArgs),
		RunE:    serve,
	}
	for _, fs := range []*pflag.FlagSet{root.Flags(), command.Flags()} {
		serveFlags(fs)
	}
	root.AddCommand(command, keyCommand(environ, s), evalCommand(environ, s))
	return cli.Run(ctx, root, args, s)
}

func serveFlags(fs *pflag.FlagSet) {
	cli.DataFlags(fs)
	captionsFlag(fs)
	cli.LabelsFlag(fs)
	cli.HideFlag(fs)
	cli.ModelFlags(fs)
	cli.CacheFlags(fs)
	cli.FetchFlags(fs)
	ingest.QueueFlags(fs)
	ingest.ShopifyFlags(fs)
	orderFlags(fs)
	writingFlags(fs)
	accessFlags(fs)
	fs.String("states", "auto", "how patch states of new pictures are kept: int8, fp32 or auto; see 'indexd import --help'")
	fs.Bool("read-only", false, "take no changes of the catalogue: it is written by 'indexd import' while searchd does not run")
	fs.String("listen", "127.0.0.1:8080", "address to serve on; port 0 picks a free one")
	fs.String("hosts", "", "names under which a proxy on this machine reaches the API, separated by commas; requests for other names than localhost are refused, against DNS rebinding")
	fs.Bool("pprof", false, "serve profiles of Go at /debug/pprof/, where keys are asked for to those with the scope admin")
	networkFlags(fs)
	fs.Int("shrunk-mb", 64, "memory for pictures that were made smaller, in MB (0: each is made anew)")
	fs.Int("max-searches", 0, "searches under way at once, which bounds memory; one more is answered 429 (default 1024, or 64 a CPU if more). Overload is met before: by less depth, then by 429 where candidates cannot be found in time")
}

// drain is how long requests under way may take once a stop is asked for.
const drain = 20 * time.Second

func runServe(ctx context.Context, e cli.Env, _ []string) (err error) {
	order, err := readOrder(e.Settings)
	if err != nil {
		return err
	}
	hidden, err := e.Hidden()
	if err != nil {
		return err
	}
	f, err := openFront(ctx, e)
	defer func() { err = errors.Join(err, f.Close(ctx)) }()
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.Listen)
	if err != nil {
		return listenError(e.Listen, err)
	}
	l, scheme := f.listener(l)
	if _, err := fmt.Fprintf(e.Out, "%s://%s\n", scheme, l.Addr()); err != nil {
		return errors.Join(fmt.Errorf("print address: %w", err), l.Close())
	}
	sv := &service{env: e, front: f, order: order, hidden: hidden, engine: &api.Engine{}, readiness: &api.Readiness{}, catalogue: &api.Catalogue{}, metrics: newMetrics(e.Log)}
	return sv.serve(ctx, l)
}

func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program: stop it, or choose another --listen (port 0 picks a free one)", address)
	}
	return fmt.Errorf("--listen %s: %w", address, err)
}

// service is a running searchd. It listens at once and answers /healthz; the
// rest waits for open, which may take seconds for a large model.
type service struct {
	env        cli.Env
	front      front
	writing    *writers    // nil without --captioner and --answerer
	order      order       // of eval BLIP's, whatever the settings say: it measures that
	hidden     filter.Expr // what searches leave out; nil for nothing, and for eval
	weights    *blend.Weights
	engine     *api.Engine
	first      api.FirstStage
	readiness  *api.Readiness
	metrics    *metrics
	closeModel func() error
	health     func(context.Context) error // of the model's device
	reranker   *rerank.Reranker
	titles     *rerank.TextReranker
	data       *cli.Data
	caches     *cli.Caches
	ingest     *ingest.Service // nil with --read-only
	fetcher    api.Fetcher     // that of ingest, or one of its own; nil for eval
	closeFetch func() error    // closes the latter
	exact      bool            // patch states are kept in float32
	catalogue  *api.Catalogue
	webhooks   ingest.LateHandler
	work       errgroup.Group // workers; its error comes out of close
	stopWork   context.CancelFunc
}

func (sv *service) serve(ctx context.Context, l net.Listener) error {
	shrunk, err := newShrunk(sv.env.ShrunkMB)
	if err != nil {
		return err
	}
	sv.metrics.shrunk = shrunk.memory
	router := api.NewRouter(api.Options{
		Engine: sv.engine, Pictures: &latePictures{service: sv}, Shrunk: shrunk.answers(), Refused: sv.metrics.requests.refused, Readiness: sv.readiness, Catalogue: sv.catalogue, Webhooks: &sv.webhooks,
		Page: web.Handler(), Metrics: sv.metrics.handler(), Log: sv.env.Log, MaxSearches: sv.env.Searches,
		Around:   []func(http.Handler) http.Handler{sv.env.Tracing.Handler, sv.metrics.requests.handler},
		Profiles: profiles(sv.env.Pprof), Evaluations: eval.KeptIn(sv.env.Data), Version: cli.BuildInfo().Version,
		Access: sv.front.access, CheckHost: sv.front.checkHost, Hosts: cli.CommaList(sv.env.Hosts),
	})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := make(chan error, 1)
	go func() {
		err := sv.open(ctx)
		if err != nil {
			cancel()
		}
		opened <- err
	}()
	err = api.Serve(ctx, l, router, serveOptions(sv.env))
	cancel()
	openErr := <-opened
	if err != nil && errors.Is(openErr, context.Canceled) {
		openErr = nil // the cancel above, after serving broke; err is the cause
	}
	return errors.Join(openErr, err, sv.close(), shrunk.Close())
}

// open loads what searches need and then says ready.
func (sv *service) open(ctx context.Context) error {
	e := sv.env
	sv.readiness.Set("loading the model")
	loaded, err := cli.OpenOnDevice(ctx, e.Settings, e.Environ, e.Log)
	if err != nil {
		return err
	}
	m := loaded.Model
	sv.closeModel, sv.health = loaded.Close, loaded.Health
	if sv.weights, err = sv.order.weightsFor(e.Weights, m.Fingerprint()); err != nil {
		return err
	}
	sv.order.log(e, sv.weights)
	sv.readiness.Set("opening the data folder")
	e.OnlyReads = e.ReadOnly || e.Workers == 0 || sv.catalogue == nil // the last: eval
	if sv.data, err = cli.OpenData(ctx, e, m.Manifest(), sv.loading()); err != nil {
		return err
	}
	if sv.caches, err = cli.OpenCaches(ctx, sv.cacheEnv()); err != nil {
		return err
	}
	sv.readiness.Set("warming the model")
	begin := time.Now()
	if err := sv.warm(ctx, m); err != nil {
		return err
	}
	sv.openSecondLook(m, seam(m))
	if err := sv.openBesides(ctx, m, loaded.Runtime); err != nil {
		return err
	}
	*sv.engine = sv.env.Tracing.Engine(sv.newEngine(m))
	stats, err := sv.data.Index.Stats(ctx)
	if err != nil {
		return err
	}
	if sv.metrics != nil { // eval has none
		sv.metrics.watch(sv.data.Index, sv.caches)
		sv.metrics.registry.MustRegister(newSecondLook(sv.reranker), newStatesMetrics(sv.data.Features))
	}
	sv.readiness.Set("")
	e.Log.Info("ready", "items", stats.Items, "model", m.Fingerprint(), "device", m.Device(), "warm_up", time.Since(begin).Round(time.Millisecond))
	return nil
}

// openBesides opens what is not needed for searches by words.
func (sv *service) openBesides(ctx context.Context, m *encoder.Model, rt encoder.Runtime) error {
	if err := sv.openIngest(ctx, m); err != nil {
		return err
	}
	if err := sv.openFetcher(); err != nil {
		return err
	}
	return sv.openWriting(ctx, m, rt)
}

// loading says how far the catalogue is, in /readyz and in the log.
func (sv *service) loading() func(done, total int) {
	log := cli.LogLoading(sv.env)
	return func(done, total int) {
		sv.readiness.Set(fmt.Sprintf("loading the catalogue: %d of %d items", done, total))
		log(done, total)
	}
}

// blindTTL bounds the age of an answer where other programs' writes are not
// heard of.
const blindTTL = 5 * time.Second

// cacheEnv is env, but for a catalogue that others may change unheard.
func (sv *service) cacheEnv() cli.Env {
	e := sv.env
	if e.Store == "milvus" && e.Cache == "memory" && e.CacheTTL > blindTTL {
		e.Log.Info("answers are kept for a short time only: writes of other programs show at once with --cache redis", "cache_ttl", blindTTL)
		e.CacheTTL, e.CacheFresh = blindTTL, 0
	}
	return e
}

func (sv *service) newEngine(m *encoder.Model) api.Engine {
	engine := api.Engine{
		Texts: m, Images: m, Index: sv.data.Index, Facets: sv.data.Index, Fingerprint: m.Fingerprint(),
		Explainer: m, States: sv.data.Features, Quantized: !sv.exact,
		Fetcher:    sv.fetcher,
		Calibrated: m.Manifest().Calibration != nil,
		Reranker:   sv.reranker,
		Titles:     sv.titles,
		Captions:   sv.env.Captions,
		Weights:    sv.weights, Rules: sv.order.rules,
		Hidden: sv.hidden,
	}
	if sv.metrics != nil { // eval has none
		engine.Observe, engine.First = sv.metrics.searched.observe, &sv.first
	}
	sv.writing.join(&engine)
	if sv.caches.Answers != nil {
		engine.Embeddings = sv.caches.Embeddings
		answers := variant(m.Manifest(), sv.order)
		if sv.env.Captions {
			answers += " captions"
		}
		if sv.hidden != nil {
			answers += ", without " + filter.Key(sv.hidden)
		}
		engine.Cache = &api.ResultCache{Answers: sv.caches.Answers, Generation: sv.data.Generation, Variant: answers}
	}
	return engine
}

// variant is what answers depend on beyond the model's fingerprint.
func variant(m bundle.Manifest, o order) string {
	text := "not calibrated"
	if c := m.Calibration; c != nil {
		text = fmt.Sprintf("calibrated %+v", *c)
	}
	if o.hash != "" {
		text += ", order " + o.hash
	}
	return text
}

func (sv *service) warm(ctx context.Context, m *encoder.Model) error {
	var err error
	if sv.exact, err = sv.data.ExactStates(ctx, m.Manifest()); err != nil {
		return fmt.Errorf("look at patch states: %w", err)
	}
	return m.Warm(ctx, sv.exact)
}

func (sv *service) close() error {
	err := errors.Join(sv.closeIngest(), sv.writing.Close())
	if sv.closeFetch != nil {
		err = errors.Join(err, sv.closeFetch())
	}
	if sv.titles != nil {
		err = errors.Join(err, sv.titles.Close())
	}
	if sv.reranker != nil {
		if stuck := sv.reranker.Close(); stuck != nil {
			sv.closeModel = nil // it would wait for that run for ever
			err = errors.Join(err, stuck)
		}
	}
	if sv.caches != nil {
		err = errors.Join(err, sv.caches.Close())
	}
	if sv.data != nil {
		err = errors.Join(err, sv.data.Close())
	}
	if sv.closeModel != nil {
		err = errors.Join(err, sv.closeModel())
	}
	return err
}

// latePictures are the pictures of a data folder that opens after the router
// is made. The router asks for none before the service is ready.
type latePictures struct{ service *service }

// Get returns a stored picture by its key.
func (p *latePictures) Get(ctx context.Context, key string) ([]byte, error) {
	return p.service.data.Pictures.Get(ctx, key)
}
