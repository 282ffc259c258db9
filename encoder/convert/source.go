package convert

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"

	"sightline/encoder/bundle"
	"sightline/encoder/convert/checkpoint"
	"sightline/encoder/convert/graph"
	"sightline/encoder/wordpiece"
)

// source is an open checkpoint with everything settled that the bundle needs.
type source struct {
	weights    *checkpoint.Checkpoint
	names      map[string]string // Hugging Face name -> name in the checkpoint
	vocabulary wordpiece.Vocabulary
	manifest   bundle.Manifest
	sourceSide int // patches a side of the stored position embedding
	// ownHead says that the weight of the language head is stored, see settleHead.
	ownHead bool
	log     *slog.Logger
}

// settings are what config files say, with class defaults filled in.
type settings struct {
	vision    bundle.Vision
	text      bundle.Text
	pixels    bundle.Pixels
	embedding int // 0: as vision_proj has it
	layout    string
	clean     bool
	lowercase *bool // nil: as the vocabulary file says
	licence   string

	architectures []string // the classes that config.json names
	special       decoderIDs
	generates     []generationConfig // what is said first, counts
}

// openSource tells a Hugging Face folder from an original weights file.
func openSource(path string, o Options) (*source, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such file or folder")
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openFolder(path, o)
	}
	return openOriginal(path, o)
}

func openFolder(dir string, o Options) (*source, error) {
	if o.Config != "" {
		return nil, errors.New("--config is for an original .pth; a Hugging Face folder has its config.json")
	}
	cfg, err := readFolderSettings(dir, o.Log)
	if err != nil {
		return nil, err
	}
	calibration, err := bundle.ReadCalibration(dir)
	if err != nil {
		return nil, err
	}
	weights, err := firstFile(dir, weightsNames()...)
	if err != nil {
		return nil, err
	}
	vocabulary := o.Vocabulary
	if vocabulary == "" {
		if vocabulary, err = firstFile(dir, vocabularyNames()...); err != nil {
			return nil, err
		}
	}
	s, err := assemble(weights, vocabulary, cfg, o)
	if err != nil {
		return nil, err
	}
	s.manifest.Calibration = calibration
	return s, nil
}

func openOriginal(path string, o Options) (*source, error) {
	if o.Config == "" || o.Vocabulary == "" {
		return nil, errors.New("a weights file alone does not say its text configuration and vocabulary: add --config med_config.json --vocab vocab.txt (both are in the model's source repository), or convert a Hugging Face folder")
	}
	cfg, err := readOriginalSettings(o.Config)
	if err != nil {
		return nil, err
	}
	return assemble(path, o.Vocabulary, cfg, o)
}

func firstFile(dir string, names ...string) (string, error) {
	for _, name := range names {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("the folder has no %s", strings.Join(names, " and no "))
}

func assemble(weights, vocabulary string, cfg settings, o Options) (*source, error) {
	v, err := readVocabulary(vocabulary)
	if err != nil {
		return nil, err
	}
	ck, err := checkpoint.Open(weights)
	if err != nil {
		return nil, err
	}
	s := &source{weights: ck, vocabulary: v, log: o.Log}
	s.manifest.Source = bundle.Source{Layout: cfg.layout, Licence: cfg.licence, Weights: filepath.Base(weights)}
	if cfg.layout == layoutHuggingFace {
		s.manifest.Source.Path = cmp.Or(o.Origin, filepath.Base(filepath.Dir(weights)))
	}
	if err := s.settle(cfg, o); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Base(weights), err), ck.Close())
	}
	return s, nil
}

func readVocabulary(path string) (wordpiece.Vocabulary, error) {
	f, err := os.Open(path)
	if err != nil {
		return wordpiece.Vocabulary{}, fmt.Errorf("open vocabulary: %w", err)
	}
	defer f.Close()
	v, err := wordpiece.ReadVocabulary(filepath.Base(path), f)
	if err != nil {
		return v, fmt.Errorf("vocabulary %s: %w", path, err)
	}
	return v, nil
}

// retrievalTokens is the text length that BLIP's retrieval was trained with,
// special tokens included (data/coco_karpathy_dataset.py, models/blip_retrieval.py).
const retrievalTokens = 35

// settle fixes every number of the manifest from settings, weights and options.
func (s *source) settle(cfg settings, o Options) error {
	s.names = canonicalNames(s.weights.Names())
	if err := s.settleTask(o.Task); err != nil {
		return err
	}
	if err := s.inferVision(&cfg.vision); err != nil {
		return err
	}
	if err := s.resize(&cfg.vision, o.ImageSize); err != nil {
		return err
	}
	if err := s.checkLayers(cfg); err != nil {
		return err
	}
	s.forceHeads("vision", cfg.vision.Width, &cfg.vision.Heads)
	s.forceHeads("text", cfg.text.Width, &cfg.text.Heads)
	s.manifest.Format, s.manifest.Family = bundle.Format, "blip"
	s.manifest.Precision, s.manifest.FirstToken = cmp.Or(o.Precision, bundle.FP32), "enc"
	s.manifest.Vision, s.manifest.Text, s.manifest.Pixels = cfg.vision, cfg.text, cfg.pixels
	if err := s.settleEmbedding(cfg.embedding); err != nil {
		return err
	}
	if err := s.settleTokenizer(cfg, o); err != nil {
		return err
	}
	return s.settleDecoder(cfg)
}

func (s *source) settleEmbedding(want int) error {
	if s.manifest.Task != bundle.Retrieval {
		return nil
	}
	shape, err := s.shape("vision_proj.weight")
	if err != nil {
		return err
	}
	if want != 0 && int64(want) != shape[0] {
		s.note("the configuration says an embedding of %d, the weights have %d: the weights are right", want, shape[0])
	}
	s.manifest.Embedding = int(shape[0])
	return nil
}

func (s *source) settleTokenizer(cfg settings, o Options) error {
	v := s.vocabulary
	lowercase := v.Lowercase
	if cfg.lowercase != nil {
		lowercase = *cfg.lowercase
	}
	// BLIP cleans the texts that it reads, and questions; not what captions start with.
	clean := cfg.clean && s.manifest.Task != bundle.Captioning
	if o.Clean != "" {
		clean = o.Clean == "on"
	}
	shape, err := s.shape(towers(s.manifest.Task)[0] + wordEmbedding)
	if err != nil {
		return err
	}
	rows := shape[0]
	if n := int64(len(v.Tokens)); n > rows {
		return fmt.Errorf("the vocabulary has %d tokens, the model's word embedding only %d rows: it belongs to another model", n, rows)
	}
	if v.Special.Dec >= rows || v.Special.Enc >= rows {
		return fmt.Errorf("[DEC] and [ENC] would be tokens %d and %d, but the word embedding has %d rows: the vocabulary belongs to another model", v.Special.Dec, v.Special.Enc, rows)
	}
	s.manifest.Tokenizer = bundle.Tokenizer{
		Lowercase: lowercase, Clean: clean, MaxTokens: min(retrievalTokens, cfg.text.Positions),
		Pad: v.Special.Pad, Unk: v.Special.Unk, Cls: v.Special.Cls, Sep: v.Special.Sep, Dec: v.Special.Dec, Enc: v.Special.Enc,
	}
	return nil
}

// checkLayers refuses weights with more layers than the configuration says:
// leaving the last ones out gives another function without a sign of it.
func (s *source) checkLayers(cfg settings) error {
	prefixes := map[string]int{"vision_model.encoder.layers.": cfg.vision.Layers}
	for _, tower := range towers(s.manifest.Task) {
		prefixes[tower+"encoder.layer."] = cfg.text.Layers
	}
	for prefix, layers := range prefixes {
		next := fmt.Sprintf("%s%d.", prefix, layers)
		for name := range s.names {
			if strings.HasPrefix(name, next) {
				return fmt.Errorf("tensor %s belongs to layer %d, the configuration has %d layers (0 to %d)", s.names[name], layers, layers, layers-1)
			}
		}
	}
	return nil
}

// inferVision fills what settings leave open: an original .pth has no vision
// configuration, all but eps and heads follow from its shapes.
func (s *source) inferVision(v *bundle.Vision) error {
	position, err := s.shape(positionEmbedding)
	if err != nil {
		return err
	}
	patch, err := s.shape(patchEmbedding)
	if err != nil {
		return err
	}
	if len(position) != 3 || len(patch) != 4 || patch[2] != patch[3] || patch[2] < 1 || position[0] != 1 || position[1] < 2 {
		return fmt.Errorf("tensor %s has shape %v and the patch embedding %v: not a vision transformer with square patches", positionEmbedding, position, patch)
	}
	side := int(math.Sqrt(float64(position[1] - 1)))
	if int64(side*side) != position[1]-1 {
		return fmt.Errorf("tensor %s has %d rows: not a square of patches and a class token", positionEmbedding, position[1])
	}
	s.sourceSide = side
	if v.Width != 0 {
		return nil
	}
	if patch[0] < graph.HeadDim || patch[0]%graph.HeadDim != 0 || patch[0] > maxWidth {
		return fmt.Errorf("tensor %s has shape %v: its width must be a multiple of %d, BLIP's head width", patchEmbedding, patch, graph.HeadDim)
	}
	v.Width, v.Patch, v.Image = int(patch[0]), int(patch[2]), side*int(patch[2])
	for v.Layers < maxLayers && s.has(fmt.Sprintf("vision_model.encoder.layers.%d.mlp.fc1.weight", v.Layers)) {
		v.Layers++
	}
	mlp, err := s.shape("vision_model.encoder.layers.0.mlp.fc1.weight")
	if err != nil {
		return err
	}
	v.MLP = int(mlp[0])
	return nil
}

// resize settles the picture's side: the wanted one, else the configuration's.
func (s *source) resize(v *bundle.Vision, want int) error {
	if v.Patch < 1 || v.Image < v.Patch {
		return fmt.Errorf("the configuration says patches of %d in a picture of %d pixels", v.Patch, v.Image)
	}
	if want != 0 {
		if want%v.Patch != 0 || want < v.Patch || want > maxImage {
			return fmt.Errorf("--image-size %d: use a multiple of the patch size %d, at most %d", want, v.Patch, maxImage)
		}
		v.Image = want
	}
	side := v.Image / v.Patch
	if v.Image > maxImage || side > maxSide {
		return fmt.Errorf("pictures of %d pixels in patches of %d: at most %d pixels and %d patches a side can be converted", v.Image, v.Patch, maxImage, maxSide)
	}
	if side != s.sourceSide {
		s.note("position embedding interpolated from %d×%d to %d×%d patches (bicubic, as the original loader does)", s.sourceSide, s.sourceSide, side, side)
	}
	return nil
}

// forceHeads sets the head count to width/64. The number cannot be seen in the
// weights, Hub configs were shipped with a wrong one (8, the class default),
// and every released BLIP has heads of 64.
func (s *source) forceHeads(tower string, width int, heads *int) {
	right := width / graph.HeadDim
	if *heads != right && *heads != 0 {
		s.note("the configuration says %d %s heads; taking %d, heads of width 64 as in every released BLIP", *heads, tower, right)
	}
	*heads = right
}

// note records a decision in the manifest and the log.
func (s *source) note(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	s.manifest.Source.Notes = append(s.manifest.Source.Notes, msg)
	s.log.Warn(msg)
}

func (s *source) has(name string) bool { _, ok := s.names[name]; return ok }

// shape is the shape of a tensor that must be there, by its canonical name.
func (s *source) shape(name string) ([]int64, error) {
	t, err := s.tensor(name)
	if err != nil {
		return nil, err
	}
	if len(t.Shape) == 0 {
		return nil, fmt.Errorf("tensor %s is a scalar", name)
	}
	return t.Shape, nil
}

func (s *source) tensor(name string) (checkpoint.Tensor, error) {
	t, ok := s.weights.Tensor(s.names[name])
	if !ok {
		return t, fmt.Errorf("there is no tensor %s", name)
	}
	return t, nil
}

func (s *source) vocabularyText() []byte {
	return []byte(strings.Join(s.vocabulary.Tokens, "\n") + "\n")
}
