package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"sightline/encoder/bundle"
	"sightline/store"
	"sightline/store/bucket"
	"sightline/store/embedded"
	"sightline/store/features"
	"sightline/store/sources"
)

// DataFlags adds the flags of every command that opens the catalogue.
func DataFlags(fs *pflag.FlagSet) {
	fs.String("data", "./sightline-data", "data folder: catalogue, pictures, patch states")
	fs.Int("features-budget-mb", 0, "most disk for patch states, in MB; those not used for longest go first (0: no bound)")
	fs.String("blobs", "", "bucket of pictures and patch states that several programs share: s3://BUCKET, file:///FOLDER, or gs://BUCKET in a build with -tags gcs; the data folder keeps what was used last (default: none)")
	fs.Int("pictures-budget-mb", 0, "with --blobs: most disk for copies of pictures, in MB; those not used for longest go first (0: no bound)")
	fs.String("features", "auto", "which patch states: full, pooled (a quarter of the disk, see docs/features.md), or auto: as the data folder has them, full in a new one")
	storeFlags(fs)
}

// checkData is Check's part for DataFlags.
func (s Settings) checkData(p *problems) {
	p.add(s.FeaturesMB < 0, "--features-budget-mb %d: use 1 or more, or 0 for no bound", s.FeaturesMB)
	p.add(!oneOf(s.Features, "", "auto", "full", "pooled"), "--features %q: use auto, full or pooled", s.Features)
	p.add(s.Features == "pooled" && s.States == "fp32", "--features pooled keeps patch states in int8: leave --states fp32 out")
	p.add(s.PicturesMB < 0, "--pictures-budget-mb %d: use 1 or more, or 0 for no bound", s.PicturesMB)
	p.add(s.PicturesMB > 0 && s.Blobs == "", "--pictures-budget-mb needs --blobs: without a bucket the data folder has the only copy of each picture")
	s.checkStore(p)
}

// Features are the patch states of a catalogue's pictures.
type Features interface {
	Get(ctx context.Context, picture string) (features.Record, bool, error)
	Grid() features.Grid
	Has(picture string) bool
	Put(ctx context.Context, picture string, r features.Record) error
	Delete(ctx context.Context, pictures ...string) error
	Recovered() features.Recovery
	Sync() error
	Close() error
}

// Data is what one model's catalogue consists of: index, patch states and
// pictures.
type Data struct {
	Index    store.Index
	Features Features
	Pictures Pictures
	Place    *Place

	bucket *bucket.Bucket // nil without --blobs
}

// OpenData opens or makes the catalogue for the model m. It refuses when the
// current collection is another model's. One program at a time has an embedded
// catalogue open. progress is OpenPlace's.
func OpenData(ctx context.Context, e Env, m bundle.Manifest, progress func(done, total int)) (*Data, error) {
	return openData(ctx, e, m, progress, (*Place).Fits)
}

// OpenBeside opens or makes the catalogue for the model m, whichever is current.
func OpenBeside(ctx context.Context, e Env, m bundle.Manifest) (*Data, error) {
	return openData(ctx, e, m, LogLoading(e), func(*Place, context.Context, string, string) error { return nil })
}

func openData(ctx context.Context, e Env, m bundle.Manifest, progress func(done, total int), fits func(*Place, context.Context, string, string) error) (*Data, error) {
	place, err := OpenPlace(ctx, e, progress)
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	d := &Data{Place: place}
	if err := d.open(ctx, e, m, fits); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if r := d.Features.Recovered(); r.Cut > 0 || r.Skipped > 0 {
		e.Log.Warn("patch states were repaired; 'indexd repair' fills the gaps", "cut_bytes", r.Cut, "skipped_bytes", r.Skipped)
	}
	return d, nil
}

func (d *Data) open(ctx context.Context, e Env, m bundle.Manifest, fits func(*Place, context.Context, string, string) error) (err error) {
	if err := fits(d.Place, ctx, "data folder "+e.Data, m.Fingerprint); err != nil {
		return fmt.Errorf("open catalogue: %w", err)
	}
	if d.Index, err = d.Place.Open(ctx, m.Fingerprint, m.Embedding); err != nil {
		return fmt.Errorf("open catalogue in %s: %w", e.Data, err)
	}
	// A migration may have switched between the two; it cannot while this is open.
	if err := fits(d.Place, ctx, "data folder "+e.Data, m.Fingerprint); err != nil {
		return fmt.Errorf("open catalogue: %w", err)
	}
	if d.bucket, err = openBucket(ctx, e); err != nil {
		return err
	}
	if err := d.openFeatures(ctx, e, m.Fingerprint); err != nil {
		return fmt.Errorf("open patch states: %w", err)
	}
	d.Pictures, err = openPictures(ctx, e, d.bucket)
	return err
}

func (d *Data) openFeatures(ctx context.Context, e Env, fingerprint string) error {
	dir, err := featuresDir(e, fingerprint)
	if err != nil {
		return err
	}
	options := features.Options{
		Budget: int64(e.FeaturesMB) << 20, Grid: e.grid(),
		Failed: func(err error) { e.Log.WarnContext(ctx, "tidying up patch states failed", "error", err) },
	}
	if d.bucket == nil {
		d.Features, err = openLocal(dir, fingerprint, options)
		return err
	}
	b, err := features.OpenBucket(ctx, d.bucket, fingerprint, features.BucketOptions{
		Dir: dir, Local: options, Changed: func(breaker string, cause error) {
			e.Log.WarnContext(ctx, "bucket of patch states", "breaker", breaker, "error", cause)
		},
	})
	if err == nil {
		d.Features = b
	}
	return err
}

// grid is what --features asks for.
func (s Settings) grid() features.Grid {
	if s.Features == "auto" {
		return features.AnyGrid
	}
	return features.Grid(s.Features)
}

// openLocal keeps a nil *Store from becoming a Features that is not nil.
func openLocal(dir, fingerprint string, o features.Options) (Features, error) {
	s, err := features.OpenWith(dir, fingerprint, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func featuresDir(e Env, fingerprint string) (string, error) {
	dir, err := embedded.CollectionDir(e.Data, fingerprint)
	return filepath.Join(dir, "features"), err
}

// OpenFeatures opens the patch states that the data folder holds of a model,
// without its catalogue.
func OpenFeatures(e Env, fingerprint string) (*features.Store, error) {
	dir, err := featuresDir(e, fingerprint)
	if err != nil {
		return nil, err
	}
	return features.Open(dir, fingerprint)
}

// OpenSources opens what is known of the addresses that pictures came from.
func OpenSources(ctx context.Context, e Env) (*sources.Store, error) {
	return sources.Open(ctx, filepath.Join(e.Data, "sources.db"))
}

// Close closes what is open, in the reverse order.
func (d *Data) Close() error {
	var problems []error
	if d.Pictures != nil {
		problems = append(problems, d.Pictures.Close())
	}
	if d.Features != nil {
		problems = append(problems, d.Features.Close())
	}
	if d.bucket != nil {
		problems = append(problems, d.bucket.Close())
	}
	if d.Index != nil {
		problems = append(problems, d.Index.Close())
	}
	problems = append(problems, d.Place.Close())
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("close data folder: %w", err)
	}
	return nil
}

// Generation is the number of the last write, for caches; not ok while it is
// not known.
func (d *Data) Generation(ctx context.Context) (generation uint64, ok bool) {
	if d.Place.Counter != nil {
		return d.Place.Counter.Generation(ctx)
	}
	s, err := d.Index.Stats(ctx)
	return s.Generation, err == nil
}

// smallStates is up to what size fp32 patch states cost too little to round
// them: those of a small model (65 tokens of 128: 33 KB). ViT-B/16 at 384 px
// has 1.8 MB a picture in fp32, 0.45 MB in int8.
const smallStates = 64 << 10

// ExactStates says what --states comes to: fp32 or int8 patch states.
func ExactStates(states string, m bundle.Manifest) bool {
	if states == "fp32" || states == "int8" {
		return states == "fp32"
	}
	return 4*m.Vision.Tokens()*m.Vision.Width <= smallStates
}

// ExactStates says which kind of patch states the folder holds, by those of
// one item; of an empty one, which kind an import would make.
func (d *Data) ExactStates(ctx context.Context, m bundle.Manifest) (bool, error) {
	if d.Features.Grid() == features.Pooled {
		return false, nil
	}
	first, err := d.Index.Scan(ctx, "", 1, nil)
	if err != nil || len(first) == 0 || first[0].Picture == "" {
		return ExactStates("auto", m), err
	}
	r, ok, err := d.Features.Get(ctx, first[0].Picture)
	if err != nil || !ok { // a damaged record is reported when a search meets it
		return ExactStates("auto", m), ctx.Err()
	}
	return r.Float != nil, nil
}
