package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"sightline/cmd/internal/cli"
	"sightline/indexer"
	"sightline/store"
	"sightline/store/embedded"
)

// errAlready says that there is nowhere to move to.
var errAlready = errors.New("is the model of the current collection already")

// live is the current collection, open for reading beside the program that
// serves and writes it.
type live struct {
	indexer.Live

	place       *cli.Place
	fingerprint string
	reader      *embedded.Reader // nil with Milvus
	index       store.Index      // nil with the embedded store
}

// openLive opens the current collection, which must be of another model than
// the one with that fingerprint.
func openLive(ctx context.Context, e cli.Env, fingerprint string) (*live, error) {
	p, err := cli.OpenPlace(ctx, e, nil)
	if err != nil {
		return nil, err
	}
	l := &live{place: p}
	l.fingerprint, err = p.Current(ctx)
	switch {
	case err != nil:
	case l.fingerprint == "":
		err = cli.Usagef("%s holds no catalogue yet: 'indexd import' makes the first one", e.Data)
	case l.fingerprint == fingerprint:
		err = cli.Usagef("--model %s %w; give the one to move to", e.Model, errAlready)
	default:
		err = l.open(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// open reads an embedded collection from disk, since the program that serves it
// has it locked.
func (l *live) open(ctx context.Context) (err error) {
	if files := l.files(); files != nil {
		l.reader, err = files.Reader(ctx, l.fingerprint)
		l.Live = l.reader
		return err
	}
	if l.index, err = openListed(ctx, l.place, l.fingerprint); err == nil {
		l.Live = indexer.Marked{Scanner: l.index}
	}
	return err
}

// files is nil with Milvus.
func (l *live) files() *embedded.Collections {
	files, _ := l.place.Collections.(*embedded.Collections)
	return files
}

// openListed opens a collection that is there. Where there is none, the error is
// fs.ErrNotExist.
func openListed(ctx context.Context, p *cli.Place, fingerprint string) (store.Index, error) {
	list, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.Fingerprint == fingerprint {
			return p.Open(ctx, fingerprint, c.Dim)
		}
	}
	return nil, fmt.Errorf("collection %s: %w", fingerprint, fs.ErrNotExist)
}

// openThere opens what another model's collection beside the live one holds by
// now, for reading, and makes none.
func (l *live) openThere(ctx context.Context, fingerprint string) (indexer.Scanner, func() error, error) {
	var there interface {
		indexer.Scanner
		Close() error
	}
	var err error
	if files := l.files(); files != nil {
		there, err = files.Reader(ctx, fingerprint)
	} else {
		there, err = openListed(ctx, l.place, fingerprint)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return indexer.Entries(nil), func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return there, there.Close, nil
}

// generation is the number of the last write, of whatever program. Milvus has no
// such number that rows are certain to be shown with.
func (l *live) generation(ctx context.Context) (generation uint64, known bool, err error) {
	if l.reader == nil {
		return 0, false, nil
	}
	generation, err = l.reader.Generation(ctx)
	return generation, err == nil, err
}

// moved is an error when another collection has become the current one.
func (l *live) moved(ctx context.Context) error {
	current, err := l.place.Current(ctx)
	if err == nil && current != l.fingerprint {
		err = fmt.Errorf("the current collection is that of model %s now, no longer that of %s: another program has switched; run the same command again", current, l.fingerprint)
	}
	return err
}

func (l *live) close() error {
	var err error
	if l.reader != nil {
		err = l.reader.Close()
	}
	if l.index != nil {
		err = l.index.Close()
	}
	return errors.Join(err, l.place.Close())
}
