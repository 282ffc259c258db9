package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/indexer"
)

// estimate is what a migration will take. Times are those of the model alone:
// writing goes on beside it.
type estimate struct {
	From string `json:"from"` // fingerprints
	To   string `json:"to"`

	Items     int `json:"items"`    // of the current collection
	Pictures  int `json:"pictures"` // of these items, all views
	UpToDate  int `json:"items_up_to_date"`
	ToRewrite int `json:"items_to_rewrite"` // other fields, the same pictures
	ToEmbed   int `json:"items_to_embed"`
	ToRemove  int `json:"items_to_remove"`

	PicturesToEmbed  int     `json:"pictures_to_embed"`
	PicturesMeasured int     `json:"pictures_measured"` // stored ones, embedded to find the rate; 0: none
	Rate             float64 `json:"pictures_per_second"`
	Seconds          float64 `json:"seconds"` // for PicturesToEmbed at Rate

	// Disk that is needed beside what is there.
	Embeddings int64  `json:"embedding_bytes"` // 4 bytes a dimension and picture
	Catalogue  int64  `json:"catalogue_bytes"` // embeddings, records and what SQLite adds; 0 with Milvus
	States     int64  `json:"states_bytes"`    // patch states, at most the budget
	StatesKind string `json:"states"`          // int8, fp32 or pooled
	Free       int64  `json:"free_bytes"`      // on the disk of the data folder
}

// sampleBatches is how many batches of items are kept to measure some of them.
const sampleBatches = 32

// estimateOf looks at both collections and measures the model.
func estimateOf(ctx context.Context, e cli.Env, l *live, m *encoder.Model, from indexer.Pictures, work indexer.Work) (estimate, error) {
	exact := cli.ExactStates(e.States, m.Manifest())
	speed, err := indexer.Measure(ctx, m, from, indexer.Options{Batch: e.Batch, Exact: exact}, work.Sample)
	if err != nil {
		return estimate{}, err
	}
	s := estimate{
		From: l.fingerprint, To: m.Fingerprint(),
		Items: work.Items, Pictures: work.Pictures,
		UpToDate: work.UpToDate, ToRewrite: work.Rewrite, ToEmbed: work.Embed, ToRemove: work.Remove,
		PicturesToEmbed: work.EmbedPictures, PicturesMeasured: speed.Pictures, Rate: speed.PerSecond(),
	}
	if s.Rate > 0 {
		s.Seconds = float64(s.PicturesToEmbed) / s.Rate
	}
	s.measureDisk(e, m.Manifest(), work)
	s.Free, err = freeBytes(e.Data)
	return s, err
}

// Each row of a catalogue has some 250 bytes beside record and vectors: two
// hashes and twice the id. A fifth is room that SQLite leaves in its pages.
const (
	rowBytes   = 250
	pageFactor = 1.2
)

func (s *estimate) measureDisk(e cli.Env, m bundle.Manifest, work indexer.Work) {
	exact := cli.ExactStates(e.States, m)
	s.StatesKind = map[bool]string{true: "fp32", false: "int8"}[exact]
	if e.Features == "pooled" {
		s.StatesKind = "pooled"
	}
	s.Embeddings = 4 * int64(m.Embedding) * int64(work.EmbedPictures)
	if e.Store != "milvus" {
		s.Catalogue = int64(pageFactor * float64(s.Embeddings+int64(work.EmbedText+rowBytes*work.Embed)))
	}
	s.States = int64(work.NewPictures) * stateBytes(m.Vision.Tokens(), m.Vision.Width, s.StatesKind)
	if budget := int64(e.FeaturesMB) << 20; budget > 0 {
		s.States = min(s.States, budget)
	}
}

// stateBytes is the size of the patch states of one picture, as docs/features.md
// describes the file.
func stateBytes(tokens, width int, kind string) int64 {
	const header = 64
	int8s := func(rows int) int64 { return header + int64(rows)*int64(width) + 4*int64(rows) + 4*int64(width) }
	switch kind {
	case "fp32":
		return header + 4*int64(tokens)*int64(width)
	case "pooled":
		return int8s(encoder.PooledRows(tokens)) + 2*int64(tokens)
	}
	return int8s(tokens)
}

func freeBytes(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}

func (s *estimate) needed() int64 { return s.Catalogue + s.States }

// fits refuses what the disk would not hold.
func (s *estimate) fits(e cli.Env) error {
	if s.needed() <= s.Free || e.Force {
		return nil
	}
	return fmt.Errorf("the new collection needs %s and the disk of %s has %s free: free space, or bound patch states with --features-budget-mb, or say --force", size(s.needed()), e.Data, size(s.Free))
}

func (s *estimate) print(w io.Writer) error {
	how := "nothing to embed"
	switch {
	case s.Rate > 0:
		how = fmt.Sprintf("about %s: %.1f pictures/s, measured on %d stored pictures", time.Duration(s.Seconds*float64(time.Second)).Round(time.Second), s.Rate, s.PicturesMeasured)
	case s.ToEmbed > 0:
		how = "not known: no stored picture could be read"
	}
	_, err := fmt.Fprintf(w, `from  %s: %d items, %d pictures
to    %s: %d items up to date, %d to embed (%d pictures), %d to rewrite, %d to remove
time  %s
disk  %s: catalogue %s (embeddings %s), patch states %s (%s); %s free
`,
		s.From, s.Items, s.Pictures,
		s.To, s.UpToDate, s.ToEmbed, s.PicturesToEmbed, s.ToRewrite, s.ToRemove,
		how,
		size(s.needed()), size(s.Catalogue), size(s.Embeddings), size(s.States), s.StatesKind, size(s.Free))
	if err != nil {
		return fmt.Errorf("print estimate: %w", err)
	}
	return nil
}

func size(bytes int64) string {
	switch {
	case bytes >= 1e10:
		return fmt.Sprintf("%.0f GB", float64(bytes)/1e9)
	case bytes >= 1e7:
		return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.0f KB", float64(bytes)/1e3)
}

// estimateOnly prints the estimate and makes nothing.
func estimateOnly(ctx context.Context, e cli.Env, l *live) (err error) {
	m, closeModel, err := cli.OpenModel(ctx, e.Settings, e.Environ, e.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModel()) }()
	there, closeThere, err := l.openThere(ctx, m.Fingerprint())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeThere()) }()
	work, err := indexer.Look(ctx, l, there, m.Fingerprint(), sampleBatches*e.Batch)
	if err != nil {
		return err
	}
	pictures, err := cli.OpenPictures(ctx, e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pictures.Close()) }()
	s, err := estimateOf(ctx, e, l, m, pictures, work)
	if err != nil {
		return err
	}
	return errors.Join(s.show(e), s.fits(e))
}

func (s *estimate) show(e cli.Env) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, s)
	}
	return s.print(e.Out)
}
