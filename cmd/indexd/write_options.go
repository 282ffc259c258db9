package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/decode"
)

// writing are the flags of what a model writes. Those that were not given are the
// model's own.
type writing struct {
	flags         *pflag.FlagSet
	images        []string
	prompt        string
	beams         int
	min, max      int
	topP          float64
	topK          int
	temperature   float64
	seed          uint64
	repetition    float64
	length        float64
	early         string
	withoutPrompt bool // answers have none
}

func (w *writing) register(f *pflag.FlagSet) {
	w.flags = f
	f.StringSliceVar(&w.images, "image", nil, "picture, or a folder of them; may be repeated (required)")
	if !w.withoutPrompt {
		f.StringVar(&w.prompt, "prompt", "", `what the caption goes on from, such as "a picture of" (default: the model's)`)
	}
	f.IntVar(&w.beams, "beams", 1, "beams of beam search; 1 is greedy search (default: the model's)")
	f.IntVar(&w.max, "max-length", 20, "most token ids, with the first, the prompt and the last (default: the model's)")
	f.IntVar(&w.min, "min-length", 0, "least number of them (default: the model's)")
	f.Float64Var(&w.topP, "top-p", 1, "sample from the most probable words that together have this probability")
	f.IntVar(&w.topK, "top-k", 0, "sample from this many of the most probable words")
	f.Float64Var(&w.temperature, "temperature", 1, "sample with probabilities flattened (above 1) or sharpened")
	f.Uint64Var(&w.seed, "seed", 0, "sample; one seed, one text")
	f.Float64Var(&w.repetition, "repetition-penalty", 1, "above 1 makes what was said before less probable (default: the model's)")
	f.Float64Var(&w.length, "length-penalty", 1, "beam search favours long texts above 0, short ones below (default: the model's)")
	f.StringVar(&w.early, "early-stopping", string(decode.EarlyFalse), "when beam search ends: false, true or never, as in transformers")
	f.Bool("json", false, "one JSON object a picture")
}

// options are the model's own with what was given in their place.
func (w *writing) options(m *encoder.Model) (prompt string, o decode.Options, err error) {
	prompt, o = m.Writing()
	set := map[string]func(){
		"prompt": func() { prompt = w.prompt }, "beams": func() { o.Beams = w.beams },
		"max-length": func() { o.MaxLength = w.max }, "min-length": func() { o.MinLength = w.min },
		"repetition-penalty": func() { o.RepetitionPenalty = w.repetition }, "length-penalty": func() { o.LengthPenalty = w.length },
		"early-stopping": func() { o.EarlyStopping = decode.EarlyStopping(w.early) },
	}
	w.flags.Visit(func(f *pflag.Flag) {
		if apply := set[f.Name]; apply != nil {
			apply()
		}
	})
	sampling := slices.ContainsFunc([]string{"top-p", "top-k", "temperature", "seed"}, w.flags.Changed)
	if sampling {
		if !w.flags.Changed("beams") {
			o.Beams = 1
		}
		o.Sample, o.TopP, o.TopK, o.Temperature, o.Seed = true, w.topP, w.topK, w.temperature, w.seed
	}
	if err := o.Check(); err != nil {
		return "", o, cli.Usagef("%w", err)
	}
	return prompt, o, nil
}

// pictureNames are what pictures are called, by which those in a folder are found.
var pictureNames = []string{".jpg", ".jpeg", ".png", ".webp"}

// files are the pictures to write about; those of a folder by name.
func (w *writing) files() (all []string, err error) {
	if len(w.images) == 0 {
		return nil, cli.Usagef("name a picture, or a folder of pictures, with --image")
	}
	for _, path := range w.images {
		entries, err := os.ReadDir(path)
		if err != nil {
			all = append(all, path) // a file, or what reading will say is none
			continue
		}
		before := len(all)
		for _, e := range entries {
			if !e.IsDir() && slices.Contains(pictureNames, strings.ToLower(filepath.Ext(e.Name()))) {
				all = append(all, filepath.Join(path, e.Name()))
			}
		}
		if len(all) == before {
			return nil, fmt.Errorf("%s: no picture in this folder; pictures end in %s", path, strings.Join(pictureNames, ", "))
		}
	}
	return all, nil
}

// readBatch is how many pictures are written about at once.
const readBatch = 8

// eachBatch opens a model for the task and sees the pictures, some at a time.
func eachBatch(ctx context.Context, e cli.Env, task string, files []string, begin func(*encoder.Model) (write func(names []string, states []encoder.States) error, err error)) (err error) {
	d, err := cli.OpenForTask(ctx, task, e.Settings, e.Environ, e.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	write, err := begin(d.Model)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(files, readBatch) {
		states, err := seen(ctx, d.Model, some)
		if err != nil {
			return err
		}
		if err := write(some, states); err != nil {
			return err
		}
	}
	return nil
}

// seen are the patch states of pictures.
func seen(ctx context.Context, m *encoder.Model, files []string) ([]encoder.States, error) {
	pixels := make([]encoder.Pixels, len(files))
	for i, path := range files {
		data, err := readPicture(path)
		if err != nil {
			return nil, err
		}
		if pixels[i], err = m.Pixels(data); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	features, err := m.Images(ctx, pixels)
	if err != nil {
		return nil, err
	}
	states := make([]encoder.States, len(features))
	for i, f := range features {
		states[i] = f.States
	}
	return states, nil
}
