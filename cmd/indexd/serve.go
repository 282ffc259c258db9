package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sightline/api"
	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/ingest"
	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/feed"
)

func serveCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Do queued changes, take Shopify's webhooks, bring in feeds regularly",
		Long: `Do the changes that wait in the queue, take Shopify's webhooks, and bring in a
feed every so often. There are two ways to run it:

  With --store milvus and --queue redis, beside any number of searchd: they take
  changes, this program does them.

  With --server, beside a searchd that serves an embedded catalogue: the feed is
  sent through its REST API. searchd does the rest itself, webhooks too.

It may also have an embedded catalogue to itself, while no searchd serves it.

The first line of the output is the address of /healthz, /readyz, /metrics and
/webhooks/shopify. Ctrl-C or SIGTERM: no new work is taken, what is under way is
finished; what is not stays in the queue. Exit codes as of searchd.`,
		Example: `  indexd serve --store milvus --queue redis --workers 8
  indexd serve --server http://127.0.0.1:8080 --feed https://shop.example/products.xml --every 30m --full-sync
  SIGHTLINE_SHOPIFY_SECRET_FILE=/run/secrets/shopify indexd serve --store milvus --queue redis --shopify-shops tillow.myshopify.com --currency EUR`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, runServe),
	}
	cli.DataFlags(c.Flags())
	cli.ModelFlags(c.Flags())
	cli.WriterFlags(c.Flags())
	cli.FetchFlags(c.Flags())
	feedFlags(c.Flags())
	cli.LabelsFlag(c.Flags())
	ingest.QueueFlags(c.Flags())
	ingest.ShopFlags(c.Flags())
	c.Flags().String("feed", "", "file, folder or address of a feed to bring in at the start and then every so often")
	c.Flags().Duration("every", 30*time.Minute, "time from one start of --feed to the next")
	c.Flags().String("server", "", serverUsage)
	syncFlags(c.Flags())
	c.Flags().String("listen", "127.0.0.1:8081", "address to serve on; port 0 picks a free one")
	c.Flags().String("states", "auto", statesUsage)
	return c
}

// drain is how long requests under way may take once a stop is asked for.
const drain = 20 * time.Second

func runServe(ctx context.Context, e cli.Env, _ []string) error {
	if e.Server != "" && e.Feed == "" {
		return cli.Usagef("--server sends feeds to a searchd: give one with --feed; webhooks and the queue are searchd's own affair")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", e.Listen, err)
	}
	if _, err := fmt.Fprintf(e.Out, "http://%s\n", l.Addr()); err != nil {
		return errors.Join(fmt.Errorf("print address: %w", err), l.Close())
	}
	sv := &server{env: e, registry: prometheus.NewRegistry()}
	sv.registry.MustRegister(cli.BuildInfo().Metric(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return sv.run(ctx, l)
}

// ready is the readiness of a program that depends on none that it could ask.
func ready(*http.Request) error { return nil }

// server is a running 'indexd serve'.
type server struct {
	env      cli.Env
	registry *prometheus.Registry
	health   ingest.Health
	webhooks ingest.LateHandler
}

// run serves and works until ctx ends or one of the two fails.
func (sv *server) run(ctx context.Context, l net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return api.Serve(ctx, l, sv.routes(), api.ServeOptions{Drain: drain, Log: sv.env.Log}) })
	group.Go(func() error {
		if sv.env.Server != "" {
			return sv.forward(ctx)
		}
		return withData(ctx, sv.env, openCurrent, func(m *encoder.Model, d *cli.Data) error { return sv.work(ctx, m, d) })
	})
	return group.Wait()
}

func (sv *server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(sv.env.Tracing.Handler)
	r.Get("/healthz", sv.health.Healthz)
	r.Get("/readyz", sv.health.Readyz)
	r.Handle("/metrics", promhttp.HandlerFor(sv.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(sv.env.Log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: 5 * time.Second,
	}))
	r.Handle(ingest.WebhookPath, &sv.webhooks)
	return r
}

// work does changes and brings in the feed, with model and catalogue open.
func (sv *server) work(ctx context.Context, m *encoder.Model, d *cli.Data) (err error) {
	e := sv.env
	parts, err := cli.LabelParts(e, m, partsOf(m, d))
	if err != nil {
		return err
	}
	service, err := ingest.Open(ctx, e, d.Index, parts, cli.ExactStates(e.States, m.Manifest()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	sv.registry.MustRegister(service)
	sv.webhooks.Set(service.Webhooks())
	sv.health.Set(service.Check)
	defer sv.health.Set(nil)
	e.Log.InfoContext(ctx, "ready", "workers", e.Workers, "queue", e.Queue, "feed", e.Feed)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return service.Run(ctx) })
	if e.Feed != "" {
		group.Go(func() error {
			sv.schedule(ctx, func(ctx context.Context) error { return sv.bringInto(ctx, service) })
			return nil
		})
	}
	return group.Wait()
}

func (sv *server) schedule(ctx context.Context, job func(context.Context) error) {
	ingest.Schedule{Every: sv.env.Every, Log: sv.env.Log, Job: job}.Run(ctx)
}

// bringInto imports the feed into the catalogue that is open here.
func (sv *server) bringInto(ctx context.Context, service *ingest.Service) error {
	return sv.bringIn(ctx, service.Fetcher(), func(ctx context.Context, source indexer.Feed, rejected *report) (indexer.Summary, error) {
		o := syncOptions(sv.env)
		o.Rejected = rejected.add
		return service.Import(ctx, source, o)
	})
}

// bringIn opens the feed, has it imported once and logs how that ended.
func (sv *server) bringIn(ctx context.Context, addresses feed.Opener, run func(context.Context, indexer.Feed, *report) (indexer.Summary, error)) error {
	e := sv.env
	source, err := openFeed(ctx, e, e.Feed, addresses)
	if err != nil {
		return err
	}
	rejected, err := openReport(e, e.Feed)
	if err != nil {
		return err
	}
	sum, err := run(ctx, source, rejected)
	sv.told(ctx, sum)
	return errors.Join(err, rejected.close())
}

// told logs what a scheduled run has come to.
func (sv *server) told(ctx context.Context, sum indexer.Summary) {
	log := sv.env.Log.InfoContext
	if sum.Failed > 0 {
		log = sv.env.Log.WarnContext
	}
	log(ctx, "scheduled feed", "seen", sum.Seen, "written", sum.Written, "unchanged", sum.Unchanged,
		"failed", sum.Failed, "deleted", sum.Deleted, "seconds", sum.Seconds)
	for i, f := range sum.Failures {
		if i == 20 {
			sv.env.Log.WarnContext(ctx, "further items failed; --report FILE lists all", "more", sum.Failed-i)
			break
		}
		sv.env.Log.WarnContext(ctx, "item failed", "where", f.Where, "id", f.ID, "stage", f.Stage, "reason", f.Reason)
	}
}
