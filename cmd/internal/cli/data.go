package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"sightline/encoder/bundle"
	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/features"
	"sightline/store/pictures"
)

// Data is an open data folder: the catalogue, patch states and pictures of one
// model.
type Data struct {
	Index    *embedded.Index
	Features *features.Store
	Pictures *pictures.Store
}

// OpenData opens or makes the data folder for the model m. Only one program at
// a time has it open.
func OpenData(ctx context.Context, dir string, m bundle.Manifest, log *slog.Logger) (*Data, error) {
	index, err := embedded.Open(ctx, embedded.Options{Dir: dir, Dim: m.Embedding, Fingerprint: m.Fingerprint})
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	d := &Data{Index: index}
	d.Features, err = features.Open(filepath.Join(dir, "features"), m.Fingerprint)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open patch states: %w", err), d.Close())
	}
	if r := d.Features.Recovered(); r.Cut > 0 || r.Skipped > 0 {
		log.Warn("patch states were repaired; import the feed again to fill the gaps", "cut_bytes", r.Cut, "skipped_bytes", r.Skipped)
	}
	d.Pictures, err = pictures.Open(filepath.Join(dir, "pictures"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open pictures: %w", err), d.Close())
	}
	return d, nil
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
	problems = append(problems, d.Index.Close())
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("close data folder: %w", err)
	}
	return nil
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
	anywhere := make([]float32, m.Embedding)
	anywhere[0] = 1
	hits, err := d.Index.Search(ctx, store.Query{Embedding: anywhere, K: 1})
	if err != nil || len(hits) == 0 {
		return ExactStates("auto", m), err
	}
	r, ok, err := d.Features.Get(ctx, hits[0].Picture)
	if err != nil || !ok { // a damaged record is reported when a search meets it
		return ExactStates("auto", m), ctx.Err()
	}
	return r.Float != nil, nil
}
