package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"sightline/store"
	"sightline/store/cache"
	"sightline/store/embedded"
	"sightline/store/milvus"
	"sightline/store/turns"
)

// Where Milvus's secrets are read from, each also from the file that the
// variable with _FILE at its end names.
const (
	milvusTokenVariable    = variablePrefix + "MILVUS_TOKEN"
	milvusPasswordVariable = variablePrefix + "MILVUS_PASSWORD"
)

// storeFlags is DataFlags' part for the catalogue's engine.
func storeFlags(fs *pflag.FlagSet) {
	fs.String("store", "embedded", "where the catalogue is kept: embedded (in the data folder) or milvus")
	fs.String("milvus-addr", "localhost:19530", "Milvus, for --store milvus: HOST:PORT, or https://HOST:PORT for TLS; a token comes from "+milvusTokenVariable+" or "+milvusTokenVariable+"_FILE")
	fs.String("milvus-user", "", "user, with its password in "+milvusPasswordVariable+" or "+milvusPasswordVariable+"_FILE")
	fs.String("milvus-database", "", "database in Milvus (default: its own default)")
	fs.String("milvus-prefix", "sightline", "begins the name of every collection; two catalogues in one Milvus need two")
	fs.String("milvus-ca", "", "PEM file of the authority to trust, instead of the system's")
}

// checkStore is Check's part for storeFlags.
func (s Settings) checkStore(p *problems) {
	p.add(!oneOf(s.Store, "", "embedded", "milvus"), "--store %q: use embedded or milvus", s.Store)
}

// Place is where a catalogue's collections are.
type Place struct {
	store.Collections

	Counter *cache.Counter // the shared generation; nil where the index's own counts
	close   []func() error
}

// OpenPlace opens the engine of --store. progress is told how far the loading
// of a collection is; nil for none.
func OpenPlace(ctx context.Context, e Env, progress func(done, total int)) (*Place, error) {
	if e.Store != "milvus" {
		c, err := embedded.NewCollections(e.Data, progress)
		return &Place{Collections: c}, err
	}
	p := &Place{}
	o, err := milvusOptions(e)
	if err != nil {
		return nil, err
	}
	if err := p.share(ctx, e, &o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	c, err := milvus.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.Collections = c
	p.close = append(p.close, c.Close)
	return p, nil
}

// share opens what processes have in common that serve and write one catalogue,
// where the settings name a Redis.
func (p *Place) share(ctx context.Context, e Env, o *milvus.Options) error {
	if e.Cache == "redis" {
		redis, err := OpenRedis(ctx, e)
		if err != nil {
			return err
		}
		p.Counter = cache.NewCounter(redis, 0)
		p.close = append(p.close, redis.Close)
		o.Counter = p.Counter
	}
	if !shares(e.Settings) || e.OnlyReads {
		return nil
	}
	client, err := DialRedis(e)
	if err != nil {
		return err
	}
	p.close = append(p.close, client.Close)
	all, err := turns.New(turns.Options{Client: client, Prefix: e.RedisPrefix})
	if err != nil {
		return Usagef("--redis-prefix: %w", err)
	}
	o.Turns = all
	return nil
}

// shares tells whether the settings name a Redis, which is for several processes.
func shares(s Settings) bool { return s.Cache == "redis" || s.Queue == "redis" }

// milvusOptions asks for strong reads where processes share a Redis: an answer from
// before another's write must not be kept under the number after it, and what a
// change is laid over has to be the last that was written.
func milvusOptions(e Env) (milvus.Options, error) {
	o := milvus.Options{
		Address: e.MilvusAddr, Database: e.MilvusDatabase, Prefix: e.MilvusPrefix, CAFile: e.MilvusCA,
		Username: e.MilvusUser, Log: e.Log, Calls: e.Tracing.GRPC(),
		Strong: shares(e.Settings),
	}
	var errs [2]error
	o.Token, errs[0] = store.ReadSecret(Getenv(e.Environ), milvusTokenVariable)
	o.Password, errs[1] = store.ReadSecret(Getenv(e.Environ), milvusPasswordVariable)
	if err := errors.Join(errs[:]...); err != nil {
		return o, Usage(err)
	}
	return o, nil
}

// Close closes what the place opened; its indexes are closed before.
func (p *Place) Close() error {
	var err error
	for i := len(p.close) - 1; i >= 0; i-- {
		err = errors.Join(err, p.close[i]())
	}
	return err
}

// Fits refuses a model that the current collection was not made with. A place
// without collections fits every model.
func (p *Place) Fits(ctx context.Context, place, fingerprint string) error {
	current, err := p.Current(ctx)
	if err != nil || current == "" || current == fingerprint {
		return err
	}
	return fmt.Errorf("%s: its catalogue was %w: it serves vectors of %s, and the model in use is %s; use the old --model, or build a catalogue for this one beside it with 'indexd collection build', or import into a new --data folder",
		place, store.ErrFingerprint, current, fingerprint)
}

// LogLoading returns a progress function that logs every few seconds.
func LogLoading(e Env) func(done, total int) {
	begin, last := time.Now(), time.Now()
	return func(done, total int) {
		if done < total && time.Since(last) < 2*time.Second || time.Since(begin) < 2*time.Second {
			return
		}
		last = time.Now()
		e.Log.Info("loading the catalogue", "items", done, "of", total, "took", time.Since(begin).Round(100*time.Millisecond))
	}
}
