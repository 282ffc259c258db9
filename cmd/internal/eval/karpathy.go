package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
)

// Model is what the protocol needs of a model; encoder.Model is one. Match
// begins texts with the first token of the model's manifest, which is [ENC] in
// every folder that 'indexd model convert' writes, as BLIP has it.
type Model interface {
	api.TextEncoder
	api.ImageEncoder
	rerank.Matcher
	Fingerprint() string
}

// KarpathyOptions of a run; zero values mean the defaults.
type KarpathyOptions struct {
	// Dir is the folder that the file's picture paths start from.
	Dir string
	// K is how many texts of each picture, and pictures of each text, ITM
	// reads: BLIP's k_test, by default 256 for COCO and 128 for all else. It is
	// at least LeastK where there are so many.
	K int
	// Batch is the number of pictures, texts or pairs in one run of the model;
	// default 16. It bounds memory as rerank.Options.Batch does.
	Batch int
	// States is how patch states are kept: "fp32", exactly; "int8", as a data
	// folder keeps those of a large model; or "auto", fp32 where all of them
	// take at most 4 GiB (Flickr30K at 384 px: 1.8 GB; COCO: 8.9 GB), else int8.
	States string
	// Progress, where set, is called after each batch with what was done of
	// which stage.
	Progress func(stage string, done, total int)
}

// LeastK keeps pairs that ITM did not read out of the first ten, where their
// order would be nobody's. BLIP gives all of them the same score, -100.
const LeastK = 10

const (
	defaultK     = 128
	defaultKCOCO = 256
	defaultBatch = 16
	exactBytes   = 4 << 30
)

func (o KarpathyOptions) withDefaults(dataset string) KarpathyOptions {
	if o.K == 0 && dataset == "coco" {
		o.K = defaultKCOCO
	}
	o.K = cmp.Or(o.K, defaultK)
	o.Batch = cmp.Or(o.Batch, defaultBatch)
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	return o
}

// RunKarpathy ranks the texts of the split for each of its pictures and the
// pictures for each text, by cosine alone and with the second look, as BLIP's
// train_retrieval.py does. Equal scores stand in the order of the file.
func RunKarpathy(ctx context.Context, m Model, d Dataset, o KarpathyOptions) (KarpathyReport, error) {
	o = o.withDefaults(d.Name)
	if o.K < LeastK || o.Batch < 1 {
		return KarpathyReport{}, fmt.Errorf("k is %d and batch %d: use %d or more, and 1 or more", o.K, o.Batch, LeastK)
	}
	p := &protocol{model: m, options: o, report: KarpathyReport{Dataset: d.Name, Split: d.Split, Model: m.Fingerprint(), K: o.K}}
	p.lay(d)
	for _, step := range []func(context.Context) error{p.encodePhotos, p.encodeTexts, p.rankTexts, p.rankPhotos} {
		if err := step(ctx); err != nil {
			return KarpathyReport{}, err
		}
	}
	return p.finish(), nil
}

// protocol is one run. Photos and texts are known by their place in the file;
// embeddings are apart from the rest because all of them are gone through for
// each ranking.
type protocol struct {
	model   Model
	options KarpathyOptions
	report  KarpathyReport

	photos []photo
	texts  []caption
	// Unit length [E], in the order of photos and texts.
	photoEmbeddings, textEmbeddings [][]float32
	places                          struct{ itc, reranked bothWays }
}

type photo struct {
	file   string
	states encoder.States
	texts  []scored // its nearest, as ITM scores them
}

type caption struct {
	text   string
	photo  int // that it describes
	query  encoder.Query
	photos []int // that have it among their nearest
}

// lay puts the split in two lists.
func (p *protocol) lay(d Dataset) {
	for i, img := range d.Images {
		p.photos = append(p.photos, photo{file: img.File})
		for _, text := range img.Captions {
			p.texts = append(p.texts, caption{text: text, photo: i})
		}
	}
	p.report.Images, p.report.Texts = len(p.photos), len(p.texts)
}

func (p *protocol) encodePhotos(ctx context.Context) error {
	dir, err := os.OpenRoot(p.options.Dir)
	if err != nil {
		return fmt.Errorf("open the folder of the pictures, which --images names: %w", err)
	}
	defer dir.Close()
	for part := range slices.Chunk(p.photos, p.options.Batch) {
		if err := p.encodePart(ctx, dir, part); err != nil {
			return err
		}
		p.options.Progress("pictures encoded", len(p.photoEmbeddings), len(p.photos))
	}
	return nil
}

func (p *protocol) encodePart(ctx context.Context, dir *os.Root, part []photo) error {
	var pixels []encoder.Pixels
	for _, ph := range part {
		px, err := p.pixels(dir, ph.file)
		if err != nil {
			return fmt.Errorf("picture %s: %w", ph.file, err)
		}
		pixels = append(pixels, px)
	}
	features, err := p.model.Images(ctx, pixels)
	if err == nil && len(features) != len(part) {
		err = errors.New("the model answered for another number of pictures")
	}
	if err != nil {
		return fmt.Errorf("encode pictures from %s on: %w", part[0].file, err)
	}
	exact := p.exact(features[0].States)
	for i, f := range features {
		p.photoEmbeddings = append(p.photoEmbeddings, f.Embedding)
		if part[i].states = f.States; !exact {
			part[i].states = f.States.Quantize()
		}
	}
	return nil
}

// exact says, by the size of one picture's states, whether fp32 ones are kept.
func (p *protocol) exact(s encoder.States) bool {
	all := int64(len(p.photos)) * int64(len(s.Float)) * 4
	exact := p.options.States == "fp32" || p.options.States != "int8" && all <= exactBytes
	p.report.States = "int8"
	if exact {
		p.report.States = "fp32"
	}
	return exact
}

func (p *protocol) pixels(dir *os.Root, name string) (encoder.Pixels, error) {
	data, err := readPhoto(dir, filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	return p.model.Pixels(data)
}

// maxPhoto is more than any limit of encoder/picture lets through.
const maxPhoto = 64 << 20

// readPhoto reads a regular file. os.Root keeps the path, and every link on
// it, inside the folder.
func readPhoto(dir *os.Root, name string) ([]byte, error) {
	// Before opening, because opening a named pipe would wait for a writer.
	info, err := dir.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("it is not in %s; --images must name the folder that the paths in the file start from", dir.Name())
	case err != nil:
		return nil, fmt.Errorf("it cannot be read (links out of %s are refused): %w", dir.Name(), err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a file; put the picture there")
	}
	f, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("it cannot be opened; check who may read it: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPhoto))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return data, nil
}

func (p *protocol) encodeTexts(ctx context.Context) error {
	for part := range slices.Chunk(p.texts, p.options.Batch) {
		var queries []encoder.Query
		for i := range part {
			part[i].query = p.model.Tokenize(part[i].text)
			queries = append(queries, part[i].query)
		}
		embeddings, err := p.model.Texts(ctx, queries)
		if err == nil && len(embeddings) != len(part) {
			err = errors.New("the model answered for another number of texts")
		}
		if err != nil {
			return fmt.Errorf("encode texts from %q on: %w", part[0].text, err)
		}
		p.textEmbeddings = append(p.textEmbeddings, embeddings...)
		p.options.Progress("texts encoded", len(p.textEmbeddings), len(p.texts))
	}
	return nil
}
