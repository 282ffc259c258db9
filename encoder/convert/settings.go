package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"

	"sightline/encoder/bundle"
	"sightline/encoder/convert/graph"
)

const (
	layoutHuggingFace = "huggingface"
	layoutOriginal    = "original"
	maxLayers         = 256
	maxWidth          = 1 << 14
	maxImage          = 4096 // pixels a side
	maxSide           = 256  // patches a side: 65,537 tokens, ViT-L at 384 px has 577
	maxConfig         = 4 << 20
)

// Mean and std of OpenAI's CLIP, which BLIP's preprocessing uses.
var (
	clipMean = [3]float32{0.48145466, 0.4578275, 0.40821073}
	clipStd  = [3]float32{0.26862954, 0.26130258, 0.27577711}
)

// folderConfig is a Hugging Face config.json. Saved configs may hold only what
// differs from the class defaults, so every field starts at its default
// (transformers, configuration_blip.py).
type folderConfig struct {
	ModelType     string       `json:"model_type"`
	Architectures []string     `json:"architectures"`
	Embedding     int          `json:"image_text_hidden_size"`
	Text          textConfig   `json:"text_config"`
	Vision        visionConfig `json:"vision_config"`
	generationConfig
}

// textConfig is also the original med_config.json.
type textConfig struct {
	Vocabulary int     `json:"vocab_size"`
	Width      int     `json:"hidden_size"`
	MLP        int     `json:"intermediate_size"`
	Layers     int     `json:"num_hidden_layers"`
	Heads      int     `json:"num_attention_heads"`
	Positions  int     `json:"max_position_embeddings"`
	Activation string  `json:"hidden_act"`
	Eps        float64 `json:"layer_norm_eps"`
	decoderIDs
	generationConfig
}

type visionConfig struct {
	Width      int     `json:"hidden_size"`
	MLP        int     `json:"intermediate_size"`
	Layers     int     `json:"num_hidden_layers"`
	Heads      int     `json:"num_attention_heads"`
	Image      int     `json:"image_size"`
	Patch      int     `json:"patch_size"`
	Activation string  `json:"hidden_act"`
	Eps        float64 `json:"layer_norm_eps"`
}

func defaultText() textConfig {
	// 8 heads is the class default and wrong for every released checkpoint;
	// forceHeads mends it.
	return textConfig{Vocabulary: 30524, Width: 768, MLP: 3072, Layers: 12, Heads: 8, Positions: 512, Activation: "gelu", Eps: 1e-12}
}

func defaultVision() visionConfig {
	return visionConfig{Width: 768, MLP: 3072, Layers: 12, Heads: 12, Image: 384, Patch: 16, Activation: "gelu", Eps: 1e-5}
}

func readFolderSettings(dir string, log *slog.Logger) (settings, error) {
	cfg := folderConfig{Embedding: 256, Text: defaultText(), Vision: defaultVision()}
	if err := readJSON(filepath.Join(dir, "config.json"), &cfg); err != nil {
		return settings{}, err
	}
	if cfg.ModelType != "" && cfg.ModelType != "blip" {
		return settings{}, fmt.Errorf("config.json says model_type %q: only \"blip\" can be converted", cfg.ModelType)
	}
	text, err := cfg.Text.shape()
	if err != nil {
		return settings{}, fmt.Errorf("config.json: text_config: %w", err)
	}
	vision, err := cfg.Vision.shape()
	if err != nil {
		return settings{}, fmt.Errorf("config.json: vision_config: %w", err)
	}
	s := settings{vision: vision, text: text, embedding: cfg.Embedding, layout: layoutHuggingFace, licence: readLicence(dir), architectures: cfg.Architectures}
	if s.pixels, err = readPixels(dir, vision.Image, log); err != nil {
		return s, err
	}
	s.special = cfg.Text.decoderIDs
	own, err := readGeneration(dir)
	if err != nil {
		return s, err
	}
	s.generates = []generationConfig{own, cfg.Text.generationConfig, cfg.generationConfig}
	s.lowercase, err = readLowercase(dir)
	return s, err
}

// readOriginalSettings reads med_config.json. The original code sets eps 1e-6
// in the vision tower, cleans captions, and has no file for either.
func readOriginalSettings(path string) (settings, error) {
	cfg := defaultText()
	if err := readJSON(path, &cfg); err != nil {
		return settings{}, err
	}
	text, err := cfg.shape()
	if err != nil {
		return settings{}, fmt.Errorf("%s: %w", path, err)
	}
	return settings{
		vision: bundle.Vision{Eps: 1e-6}, text: text, layout: layoutOriginal, clean: true,
		pixels: bundle.Pixels{Mean: clipMean, Std: clipStd},
	}, nil
}

func (c textConfig) shape() (bundle.Text, error) {
	t := bundle.Text{Vocabulary: c.Vocabulary, Positions: c.Positions, Width: c.Width, Layers: c.Layers, Heads: c.Heads, MLP: c.MLP, Eps: c.Eps}
	return t, checkTower(c.Activation, c.Width, c.Layers, c.Eps)
}

func (c visionConfig) shape() (bundle.Vision, error) {
	v := bundle.Vision{Image: c.Image, Patch: c.Patch, Width: c.Width, Layers: c.Layers, Heads: c.Heads, MLP: c.MLP, Eps: c.Eps}
	return v, checkTower(c.Activation, c.Width, c.Layers, c.Eps)
}

func checkTower(activation string, width, layers int, eps float64) error {
	switch {
	case activation != "gelu":
		return fmt.Errorf("hidden_act is %q: only \"gelu\" (exact) can be converted", activation)
	case width < graph.HeadDim || width%graph.HeadDim != 0 || width > maxWidth:
		return fmt.Errorf("hidden_size is %d: must be a multiple of 64, BLIP's head width", width)
	case layers < 1 || layers > maxLayers:
		return fmt.Errorf("num_hidden_layers is %d", layers)
	case !(eps > 0 && eps < 1):
		return fmt.Errorf("layer_norm_eps is %g", eps)
	}
	return nil
}

// pixelConfig is a preprocessor_config.json. Leftovers such as do_pad are
// ignored; what would change pixels is read in order to refuse it.
type pixelConfig struct {
	Mean      [3]float32      `json:"image_mean"`
	Std       [3]float32      `json:"image_std"`
	Size      json.RawMessage `json:"size"` // a number or {"height","width"}
	Resample  *int            `json:"resample"`
	Factor    *float64        `json:"rescale_factor"`
	Resize    *bool           `json:"do_resize"`
	Rescale   *bool           `json:"do_rescale"`
	Normalize *bool           `json:"do_normalize"`
}

func (c pixelConfig) check() error {
	const bicubic = 3
	if c.Resample != nil && *c.Resample != bicubic {
		return fmt.Errorf("resample is %d: only 3 (bicubic), BLIP's, is supported", *c.Resample)
	}
	if c.Factor != nil && math.Abs(*c.Factor*255-1) > 1e-6 {
		return fmt.Errorf("rescale_factor is %g: only 1/255, BLIP's, is supported", *c.Factor)
	}
	for name, on := range map[string]*bool{"do_resize": c.Resize, "do_rescale": c.Rescale, "do_normalize": c.Normalize} {
		if on != nil && !*on {
			return fmt.Errorf("%s is false: BLIP's preprocessing does it", name)
		}
	}
	for _, v := range c.Std {
		if !(v > 0) {
			return fmt.Errorf("image_std is %v", c.Std)
		}
	}
	return nil
}

// readPixels reads preprocessor_config.json. Without the file CLIP's mean and
// std are taken.
func readPixels(dir string, image int, log *slog.Logger) (bundle.Pixels, error) {
	cfg := pixelConfig{Mean: clipMean, Std: clipStd}
	err := readJSON(filepath.Join(dir, "preprocessor_config.json"), &cfg)
	if errors.Is(err, fs.ErrNotExist) {
		log.Warn("no preprocessor_config.json: taking CLIP's mean and std, as BLIP does")
		err = nil
	}
	if err != nil {
		return bundle.Pixels{}, err
	}
	if err := cfg.check(); err != nil {
		return bundle.Pixels{}, fmt.Errorf("preprocessor_config.json: %w", err)
	}
	if side := squareSize(cfg.Size); side != 0 && side != image {
		log.Warn("preprocessor_config.json and config.json differ in the picture's size; taking config.json's (see --image-size)", "preprocessor", side, "config", image)
	}
	return bundle.Pixels{Mean: cfg.Mean, Std: cfg.Std}, nil
}

// squareSize is 0 where the size is absent or in another form.
func squareSize(raw json.RawMessage) int {
	var side int
	if json.Unmarshal(raw, &side) == nil {
		return side
	}
	var box struct{ Height, Width int }
	if json.Unmarshal(raw, &box) == nil && box.Height == box.Width {
		return box.Height
	}
	return 0
}

// readLowercase reads do_lower_case of tokenizer_config.json, nil where absent.
func readLowercase(dir string) (*bool, error) {
	var cfg struct {
		Lowercase *bool `json:"do_lower_case"`
	}
	err := readJSON(filepath.Join(dir, "tokenizer_config.json"), &cfg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return cfg.Lowercase, err
}

// readLicence takes the licence of a model card's front matter, "" where there
// is none: it is a courtesy of model info, not a condition of converting.
func readLicence(dir string) string {
	f, err := os.Open(filepath.Join(dir, "README.md"))
	if err != nil {
		return ""
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil || !strings.HasPrefix(string(head), "---\n") {
		return ""
	}
	for line := range strings.Lines(string(head[4:])) {
		if strings.TrimSpace(line) == "---" {
			break
		}
		if v, ok := strings.CutPrefix(line, "license:"); ok {
			return strings.Trim(strings.TrimSpace(v), `"'`)
		}
	}
	return ""
}

// readJSON decodes a configuration file. Unknown keys are usual there and
// ignored; a missing file wraps fs.ErrNotExist.
func readJSON(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > maxConfig {
		return fmt.Errorf("%s is larger than %d bytes: not a configuration", path, maxConfig)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
