package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"sightline/encoder/bundle"
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
		return nil, fmt.Errorf("open data folder %s: %w", dir, err)
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
