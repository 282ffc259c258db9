package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/decode"
	"sightline/encoder/ort"
)

// serveCommand makes this program a worker that runs Sightline's graphs.
const serveCommand = "serve"

// server is a worker's model with its inputs.
type server struct {
	*encoder.Model
	runtime *ort.Runtime
	dir     string
	pixels  []encoder.Pixels
	states  map[string][]encoder.States // by kind, of the pictures
	warm    map[string]bool
}

// serve answers requests, one a line, until there are no more.
func serve(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	f := flag.NewFlagSet(serveCommand, flag.ContinueOnError)
	model, dir := f.String("model", "", ""), f.String("inputs", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		return err
	}
	s := &server{dir: *dir, states: map[string][]encoder.States{}, warm: map[string]bool{}}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := masked(func() error { return s.open(ctx, library, *model) }); err != nil {
		return err
	}
	if s.pixels, err = readPixels(filepath.Join(s.dir, pixelsFile), s.Manifest().Vision.Image); err != nil {
		return err
	}
	encode := json.NewEncoder(out)
	if err := encode.Encode(map[string]any{"onnxruntime": s.runtime.LibraryVersion(), "precision": s.Manifest().Precision, "kernel": s.runtime.Kernel()}); err != nil {
		return err
	}
	for lines := bufio.NewReader(in); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := encode.Encode(s.reply(ctx, line)); err != nil {
			return err
		}
	}
}

// open also runs a graph, by which the runtime has found out what the processor
// can do.
func (s *server) open(ctx context.Context, library, model string) (err error) {
	if s.runtime, err = ort.New(ort.Options{Library: library, Threads: runtime.GOMAXPROCS(0), Kernel: os.Getenv(ort.KernelVariable)}); err != nil { // as the programs' defaults
		return err
	}
	if s.Model, err = encoder.Open(ctx, model, s.runtime); err != nil {
		return err
	}
	if v := s.Manifest().Vision; s.Manifest().Task == bundle.Captioning {
		_, err = s.Images(ctx, []encoder.Pixels{make(encoder.Pixels, 3*v.Image*v.Image)})
		return err
	}
	_, err = s.Texts(ctx, []encoder.Query{s.Tokenize("x")})
	return err
}

func (s *server) close() (err error) {
	if s.Model != nil {
		err = s.Close()
	}
	if s.runtime != nil {
		err = errors.Join(err, s.runtime.Close())
	}
	return err
}

func (s *server) reply(ctx context.Context, line []byte) (a answer) {
	var r request
	err := json.Unmarshal(line, &r)
	if err == nil {
		a, err = s.answer(ctx, r)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	return a
}

func (s *server) answer(ctx context.Context, r request) (a answer, err error) {
	work, err := s.job(ctx, r)
	if err != nil {
		return a, err
	}
	if r.Job == "logits" {
		logits, err := s.logits(ctx, r)
		return answer{Logits: logits}, err
	}
	cell := fmt.Sprint(r.Job, r.Way, r.Batch, len(r.Texts), r.length(), r.Beams)
	if !s.warm[cell] {
		if err := work(); err != nil {
			return a, err
		}
		s.warm[cell] = true
	}
	for begin := time.Now(); len(a.MS) == 0 || time.Since(begin).Seconds() < r.Seconds; {
		at := time.Now()
		if err := work(); err != nil {
			return a, err
		}
		a.MS = append(a.MS, float64(time.Since(at))/float64(time.Millisecond))
	}
	return a, nil
}

func (r request) length() int {
	if len(r.Texts) == 0 {
		return 0
	}
	return len(r.Texts[0])
}

func (r request) queries() []encoder.Query {
	all := make([]encoder.Query, len(r.Texts))
	for i, ids := range r.Texts {
		all[i].IDs = ids
	}
	return all
}

// job is what is run in a turn.
func (s *server) job(ctx context.Context, r request) (func() error, error) {
	queries, pixels := r.queries(), s.pixels[:min(max(r.Batch, 1), len(s.pixels))]
	switch r.Job {
	case "logits":
		return nil, nil
	case "match":
		states, err := s.many(ctx, r.Way, r.Batch)
		return func() error { _, err := s.Match(ctx, queries[0], states); return err }, err
	case "texts":
		states, err := s.kept(ctx, r.Way)
		return func() error { _, err := s.MatchTexts(ctx, states[0], queries); return err }, err
	case "see and match texts":
		return func() error { return s.seeAndMatch(ctx, queries) }, nil
	case "text":
		return func() error { _, err := s.Texts(ctx, queries); return err }, nil
	case "vision":
		return func() error { _, err := s.Images(ctx, pixels); return err }, nil
	case "caption":
		return func() error { return s.caption(ctx, pixels, r.Beams) }, nil
	case "write":
		states, err := s.many(ctx, "fp32", r.Batch)
		return func() error { return s.write(ctx, states, r.Beams) }, err
	case "picture":
		files, err := readPictures(s.dir, r.Batch)
		return func() error { return s.see(ctx, files) }, err
	}
	return nil, fmt.Errorf("no job %q", r.Job)
}

// ids is how many a caption has, for both sides; baseline.py has it too.
const ids = 20

// caption is what a user of a captioner runs, from pixels.
func (s *server) caption(ctx context.Context, pixels []encoder.Pixels, beams int) error {
	features, err := s.Images(ctx, pixels)
	if err != nil {
		return err
	}
	states := make([]encoder.States, len(features))
	for i, f := range features {
		states[i] = f.States
	}
	return s.write(ctx, states, beams)
}

func (s *server) write(ctx context.Context, states []encoder.States, beams int) error {
	o := decode.Defaults()
	o.Beams, o.MinLength, o.MaxLength = beams, ids, ids
	_, err := s.Caption(ctx, states, "", o)
	return err
}

// seeAndMatch is a picture that comes with the request and many texts.
func (s *server) seeAndMatch(ctx context.Context, queries []encoder.Query) error {
	f, err := s.Images(ctx, s.pixels[:1])
	if err != nil {
		return err
	}
	_, err = s.MatchTexts(ctx, f[0].States, queries)
	return err
}

// see decodes pictures one after the other, as an import does, though not beside
// the tower.
func (s *server) see(ctx context.Context, files [][]byte) (err error) {
	pixels := make([]encoder.Pixels, len(files))
	for i, data := range files {
		if pixels[i], err = s.Pixels(data); err != nil {
			return err
		}
	}
	_, err = s.Images(ctx, pixels)
	return err
}

// kept are the patch states of the pictures, by this model's own vision tower.
func (s *server) kept(ctx context.Context, kind string) ([]encoder.States, error) {
	if got := s.states[kind]; got != nil {
		return got, nil
	}
	if s.states["fp32"] == nil {
		features, err := s.Images(ctx, s.pixels)
		if err != nil {
			return nil, err
		}
		for _, f := range features {
			s.states["fp32"] = append(s.states["fp32"], f.States)
			s.states["int8"] = append(s.states["int8"], f.States.Quantize())
		}
	}
	if s.states[kind] == nil {
		return nil, fmt.Errorf("no patch states %q: fp32 or int8", kind)
	}
	return s.states[kind], nil
}

// many are patch states of n pictures, each in memory of its own.
func (s *server) many(ctx context.Context, kind string, n int) ([]encoder.States, error) {
	kept, err := s.kept(ctx, kind)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint(kind, n)
	for i := len(s.states[key]); i < n; i++ {
		c := kept[i%len(kept)]
		c.Int8, c.Scale, c.Mean, c.Float = slices.Clone(c.Int8), slices.Clone(c.Scale), slices.Clone(c.Mean), slices.Clone(c.Float)
		s.states[key] = append(s.states[key], c)
	}
	return s.states[key], nil
}

func (s *server) logits(ctx context.Context, r request) (out [][2]float32, err error) {
	states, err := s.many(ctx, r.Way, r.Batch)
	if err != nil {
		return nil, err
	}
	pairs, err := s.Match(ctx, r.queries()[0], states)
	for _, p := range pairs {
		out = append(out, p)
	}
	return out, err
}
