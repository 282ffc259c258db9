package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/indexer"
	"sightline/store/embedded"
)

func migrateCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Move the catalogue to another model, while the old one serves and is written",
		Long: `Embed the items of the current collection with --model into a collection beside
it, from the stored pictures, and bring over what is written and deleted
meanwhile. searchd goes on serving and writing the current collection, which is
never touched. First it is said how long it will take and how much disk.

With --switch the new collection then becomes the current one, without losing a
write: that happens while no program has the old one open. Stop searchd when you
are told that all is ready; this waits until then, goes on bringing over what is
written, and ends. Then start searchd with the new --model. With --store milvus,
stop all writers first: it switches when nothing was written for a while.

The way back is the same command with the old --model: only what changed since is
brought over. A migration that was stopped or killed goes on when it is run again.

Exit codes as of 'indexd import'. Where an item failed
or goes without one of its pictures, nothing is switched.`,
		Example: `  indexd migrate --model ./new-model --estimate
  indexd migrate --model ./new-model --switch
  indexd migrate --model ./new-model --follow
  indexd migrate --model ./old-model --switch`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, runMigrate),
	}
	embedFlags(c)
	c.Flags().Bool("estimate", false, "say what it takes and do nothing")
	c.Flags().Bool("switch", false, "make the new collection the current one when nobody has the old one open")
	c.Flags().Bool("follow", false, "go on bringing over what is written until Ctrl-C, which then exits with 0")
	c.Flags().Bool("force", false, "begin although the disk does not seem to have the room")
	return c
}

func runMigrate(ctx context.Context, e cli.Env, _ []string) (err error) {
	manifest, err := cli.RetrievalManifest(e.Model)
	if err != nil {
		return err
	}
	l, err := openLive(ctx, e, manifest.Fingerprint)
	if e.Switch && errors.Is(err, errAlready) { // killed behind the switch
		_, err := fmt.Fprintf(e.Err, "%s is the current collection already: nothing to do\n", manifest.Fingerprint)
		return err
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if e.Estimate {
		return estimateOnly(ctx, e, l)
	}
	return withData(ctx, e, cli.OpenBeside, func(m *encoder.Model, d *cli.Data) error {
		return newMigration(e, l, m, d).run(ctx)
	})
}

// migration brings the collection of one model up to date with the live one.
type migration struct {
	env      cli.Env
	live     *live
	model    *encoder.Model
	data     *cli.Data
	follower *indexer.Follower
	progress *progress

	work     indexer.Work
	estimate estimate
	total    indexer.Summary // of all passes
	passes   int
	switched bool

	at      uint64        // generation of the live collection before the last pass
	covered bool          // the last pass left nothing to do, as of its begin
	began   time.Time     // the last pass
	took    time.Duration // of the last pass that embedded nothing
	written time.Time     // when a pass last found something to do
	said    string        // the last line about waiting
	told    time.Time     // of what was brought over
}

func newMigration(e cli.Env, l *live, m *encoder.Model, d *cli.Data) *migration {
	g := &migration{env: e, live: l, model: m, data: d, progress: newProgress(e), written: time.Now()}
	g.total.Failures, g.total.Incomplete = []indexer.Outcome{}, []indexer.Outcome{}
	options := indexer.Options{Batch: e.Batch, Exact: cli.ExactStates(e.States, m.Manifest()), Observe: g.progress.observe}
	g.follower = indexer.NewFollower(partsOf(m, d), options, l)
	return g
}

// look finds out what there is to do, with a sample of so many items.
func (g *migration) look(ctx context.Context, sample int) (err error) {
	g.work, err = indexer.Look(ctx, g.live, g.data.Index, g.model.Fingerprint(), sample)
	g.follower.Expect = g.work.Embed
	return err
}

func (g *migration) run(ctx context.Context) error {
	if err := g.prepare(ctx); err != nil {
		return err
	}
	err := g.catchUp(ctx)
	if err == nil && g.goesOn() {
		err = g.follow(ctx)
	}
	if g.env.Follow && !g.env.Switch && g.covered && errors.Is(err, context.Canceled) {
		err = nil // it was told to stop, and is up to date
	}
	if !g.switched {
		err = errors.Join(err, g.seal(context.WithoutCancel(ctx)))
	}
	return errors.Join(g.problem(err), g.print())
}

func (g *migration) prepare(ctx context.Context) error {
	err := g.look(ctx, sampleBatches*g.env.Batch)
	if err != nil {
		return err
	}
	if g.estimate, err = estimateOf(ctx, g.env, g.live, g.model, g.data.Pictures, g.work); err != nil {
		return err
	}
	if !g.env.JSON {
		err = g.estimate.print(g.env.Err)
	}
	return errors.Join(err, g.estimate.fits(g.env))
}

// goesOn says whether there is something to wait for.
func (g *migration) goesOn() bool {
	return g.env.Follow && !g.env.Switch || g.env.Switch && g.lacking() == 0
}

// maxPasses bounds catchUp where somebody writes all the time.
const maxPasses = 10

// catchUp makes passes until one leaves nothing to do.
func (g *migration) catchUp(ctx context.Context) error {
	for range maxPasses {
		if err := g.pass(ctx); err != nil {
			return err
		}
		if changed, err := g.changed(ctx); err != nil || !changed {
			return err
		}
	}
	if !g.env.Follow && !g.env.Switch {
		g.say("the current collection is being written all the time: --follow goes on bringing that over, --switch too")
	}
	return nil
}

// pass brings over what changed since the last one.
func (g *migration) pass(ctx context.Context) error {
	generation, known, err := g.live.generation(ctx)
	if err != nil {
		return err
	}
	g.began = time.Now()
	sum, err := g.follower.Pass(ctx)
	g.follower.Expect = 0
	g.progress.finish()
	g.add(sum)
	if err != nil {
		return err
	}
	changes := sum.Written + sum.Deleted + sum.Dropped
	if changes > 0 {
		g.written = time.Now()
	}
	if sum.Encoded == 0 {
		g.took = time.Since(g.began)
	}
	// What was written since began has another generation.
	g.at, g.covered = generation, known && sum.Dropped == 0 || changes == 0
	return nil
}

// add keeps what the last pass says of the state of things, and the sum of what
// all passes did.
func (g *migration) add(s indexer.Summary) {
	t := &g.total
	if g.passes == 0 {
		t.Unchanged = s.Unchanged
		t.StageSeconds = map[indexer.Stage]float64{}
	}
	g.passes++
	t.Written += s.Written
	t.Deleted += s.Deleted
	t.Encoded += s.Encoded
	t.Seconds += s.Seconds
	for stage, seconds := range maps.All(s.StageSeconds) {
		t.StageSeconds[stage] += seconds
	}
	t.Seen, t.Failed, t.Failures, t.Dropped, t.Stopped = s.Seen, s.Failed, s.Failures, s.Dropped, s.Stopped
	t.LeftOut, t.Incomplete = s.LeftOut, s.Incomplete
}

// lacking counts the items and pictures that the new collection goes without.
func (g *migration) lacking() int { return g.total.Failed + g.total.LeftOut }

// problem is what a migration ends with that has gone through.
func (g *migration) problem(err error) error {
	if err == nil && g.total.Failed == 0 && g.total.LeftOut > 0 {
		return fmt.Errorf("%w: they go without %d of their pictures, listed above", cli.ErrSomeFailed, g.total.LeftOut)
	}
	return runError("migrate", g.total, err)
}

// changed says whether another pass may find something to do: what the last one
// left, or what was written since it began. With Milvus the latter is not known.
func (g *migration) changed(ctx context.Context) (bool, error) {
	generation, known, err := g.live.generation(ctx)
	return !g.covered || known && generation != g.at, err
}

// seal gives the new collection the memory of deleted items that the live one
// has, so that late writes of older versions are refused there too. Milvus
// cannot hand its own on.
func (g *migration) seal(ctx context.Context) error {
	x, ok := g.data.Index.(*embedded.Index)
	if !ok || g.live.reader == nil {
		return nil
	}
	return x.AdoptDeleted(ctx, g.live.reader)
}

// migrated is what --json prints.
type migrated struct {
	Estimate estimate `json:"estimate"`
	indexer.Summary
	Passes   int  `json:"passes"`
	Switched bool `json:"switched"`
}

func (g *migration) print() error {
	if g.env.JSON {
		return cli.PrintJSON(g.env.Out, migrated{g.estimate, g.total, g.passes, g.switched})
	}
	err := printSummary(g.env, g.total)
	switch to := g.model.Fingerprint(); {
	case g.switched:
		fmt.Fprintf(g.env.Err, "%s is the current collection now: start searchd with --model %s\n", to, g.env.Model)
	case g.env.Switch && g.lacking() > 0:
		fmt.Fprintln(g.env.Err, "not switched: what failed or was left out would be missing; import these items again or delete them, and run the same command again")
	case !g.total.Stopped && g.lacking() == 0 && !g.env.Switch:
		fmt.Fprintf(g.env.Err, "collection %s is up to date; 'indexd migrate --switch --model %s' makes it the current one\n", to, g.env.Model)
	}
	return err
}
