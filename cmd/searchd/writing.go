package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"sightline/api"
	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/writer"
)

func writingFlags(fs *pflag.FlagSet) {
	fs.String("captioner", "", "folder of a captioning model, for POST /v1/captions; it runs on the device of --model, in the gaps of searches")
	fs.String("answerer", "", "folder of an answering model, for POST /v1/answers, likewise")
}

// checkWriting looks at the folders of both models.
func checkWriting(s cli.Settings) error {
	var err error
	if s.Captioner != "" {
		err = cli.CheckModel(bundle.Captioning, "--captioner", s.Captioner)
	}
	if s.Answerer != "" {
		err = errors.Join(err, cli.CheckModel(bundle.Answering, "--answerer", s.Answerer))
	}
	return err
}

// writers are what writes about pictures, on the device of the search.
type writers struct {
	gate     writer.Gate
	searcher *encoder.Model
	authors  map[string]*author // by flag
}

type author struct {
	model  *encoder.Model
	writer *writer.Writer
	api    *api.Author
}

// openWriting opens the models that write. Their graphs are loaded when the first
// request comes.
func (sv *service) openWriting(ctx context.Context, m *encoder.Model, rt encoder.Runtime) error {
	s := sv.env.Settings
	if sv.metrics == nil || s.Captioner == "" && s.Answerer == "" { // eval has no metrics
		return nil
	}
	sv.writing = &writers{searcher: m, authors: map[string]*author{}}
	for _, a := range []struct{ task, flag, dir string }{
		{bundle.Captioning, "--captioner", s.Captioner}, {bundle.Answering, "--answerer", s.Answerer},
	} {
		if a.dir == "" {
			continue
		}
		model, err := cli.OpenModelBeside(ctx, a.task, a.flag, a.dir, sv.writing.gate.Behind(rt))
		if err != nil {
			return err
		}
		sv.writing.authors[a.flag] = newAuthor(model, sv.metrics)
		sv.env.Log.InfoContext(ctx, "writes", "task", a.task, "model", model.Fingerprint())
	}
	sv.metrics.watchWriting(sv.writing)
	return nil
}

func newAuthor(m *encoder.Model, metrics *metrics) *author {
	w := writer.New(m, writer.Options{})
	return &author{model: m, writer: w, api: &api.Author{
		Images: m, Model: m, Pen: w, Fingerprint: m.Fingerprint(), Longest: m.Manifest().Text.Positions,
		Observe: metrics.written.observe,
	}}
}

// join adds what writes to an engine.
func (w *writers) join(e *api.Engine) {
	if w == nil {
		return
	}
	e.Ahead, e.Aside = w.gate.Ahead, aside{w.searcher, &w.gate}
	if a := w.authors["--captioner"]; a != nil {
		e.Captioner = a.api
	}
	if a := w.authors["--answerer"]; a != nil {
		e.Answerer = a.api
	}
}

// Close ends what is being written, and frees the models.
func (w *writers) Close() error {
	if w == nil {
		return nil
	}
	var err error
	for _, a := range w.authors {
		err = errors.Join(err, a.writer.Close(), a.model.Close())
	}
	return err
}

// aside has the model that searches look at pictures in the gaps of searches: what
// was written about them is compared with them.
type aside struct {
	*encoder.Model

	gate *writer.Gate
}

// Images implements api.ImageEncoder.
func (a aside) Images(ctx context.Context, batch []encoder.Pixels) (seen []encoder.Features, err error) {
	err = a.gate.Do(ctx, "look", func(ctx context.Context) error {
		seen, err = a.Model.Images(ctx, batch)
		return err
	})
	return seen, err
}
