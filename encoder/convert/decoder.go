package convert

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"sightline/encoder/bundle"
)

// decoderIDs are the special tokens of a text_config; nil where it has none, and
// then the vocabulary's are taken, which are the class defaults for BERT's.
type decoderIDs struct {
	Begin *int64 `json:"bos_token_id"`
	End   *int64 `json:"sep_token_id"` // generation stops here; eos_token_id is not used
	Pad   *int64 `json:"pad_token_id"`
}

// generationConfig is what generation_config.json, or an older config.json, says
// of writing. nil: nothing.
type generationConfig struct {
	MaxLength         *int     `json:"max_length"`
	MinLength         *int     `json:"min_length"`
	Beams             *int     `json:"num_beams"`
	RepetitionPenalty *float64 `json:"repetition_penalty"`
	LengthPenalty     *float64 `json:"length_penalty"`
	NoRepeat          *int     `json:"no_repeat_ngram_size"`
	Sample            *bool    `json:"do_sample"`
}

// readGeneration reads generation_config.json, which may be missing.
func readGeneration(dir string) (generationConfig, error) {
	var cfg generationConfig
	err := readJSON(filepath.Join(dir, "generation_config.json"), &cfg)
	if errors.Is(err, fs.ErrNotExist) {
		return generationConfig{}, nil
	}
	return cfg, err
}

// settleTask takes what the weights are for. A checkpoint of pre-training has the
// weights of retrieval and of a captioner.
func (s *source) settleTask(want string) error {
	can := map[string]bool{
		bundle.Retrieval:  s.has("itm_head.weight"),
		bundle.Captioning: s.hasTower(decoderTower),
		bundle.Answering:  s.hasTower(decoderTower) && s.hasTower(encoderTower) && !s.has("itm_head.weight"),
	}
	switch {
	case want != "" && can[want]:
		s.manifest.Task = want
	case want != "":
		return fmt.Errorf("the weights have not what --task %s needs: %s", want, needs(want))
	case can[bundle.Retrieval]:
		s.manifest.Task = bundle.Retrieval
	case can[bundle.Answering]:
		s.manifest.Task = bundle.Answering
	case can[bundle.Captioning]:
		s.manifest.Task = bundle.Captioning
	default:
		return errors.New("there is no tensor itm_head.weight and none of text_decoder.bert.: this is neither a BLIP image-text retrieval checkpoint nor one for captioning or answering")
	}
	return nil
}

func needs(task string) string {
	switch task {
	case bundle.Retrieval:
		return "a tensor itm_head.weight"
	case bundle.Answering:
		return "tensors text_encoder.… and text_decoder.bert.…, and no itm_head"
	}
	return "tensors text_decoder.bert.…"
}

func (s *source) hasTower(prefix string) bool {
	for name := range s.names {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// settleDecoder fixes what a captioning or answering model has beside the towers.
func (s *source) settleDecoder(cfg settings) error {
	m := &s.manifest
	if m.Task == bundle.Retrieval {
		return nil
	}
	d := bundle.Decoder{Width: m.Vision.Width, Begin: m.Tokenizer.Dec, End: m.Tokenizer.Sep, Pad: m.Tokenizer.Pad}
	if m.Task == bundle.Answering {
		d.Width = m.Text.Width
	}
	rows := int64(m.Text.Vocabulary)
	for _, id := range []struct {
		name       string
		said, take *int64
	}{
		{"bos_token_id", cfg.special.Begin, &d.Begin}, {"sep_token_id", cfg.special.End, &d.End}, {"pad_token_id", cfg.special.Pad, &d.Pad},
	} {
		switch {
		case id.said == nil:
		case *id.said < 0 || *id.said >= rows:
			s.note("the configuration says %s %d, which is not one of %d tokens: taking the vocabulary's, %d", id.name, *id.said, rows, *id.take)
		default:
			*id.take = *id.said
		}
	}
	m.Decoder, m.Generation = &d, s.generation(cfg)
	return s.settleHead()
}

// generation is how the checkpoint's own code would have it write.
func (s *source) generation(cfg settings) *bundle.Generation {
	g := bundle.Generation{Beams: 1, MaxLength: 20, RepetitionPenalty: 1, LengthPenalty: 1} // transformers' defaults
	switch {
	case cfg.layout != layoutOriginal:
	case s.manifest.Task == bundle.Captioning: // BLIP's train_caption.py and configs/caption_coco.yaml
		g.Prompt, g.Beams, g.MinLength = "a picture of ", 3, 5
	default: // BLIP's models/blip_vqa.py, inference "generate"
		g.Beams, g.MinLength, g.MaxLength = 3, 1, 10
	}
	for _, c := range slices.Backward(cfg.generates) {
		set(&g.MaxLength, c.MaxLength)
		set(&g.MinLength, c.MinLength)
		set(&g.Beams, c.Beams)
		set(&g.RepetitionPenalty, c.RepetitionPenalty)
		set(&g.LengthPenalty, c.LengthPenalty)
		if c.NoRepeat != nil && *c.NoRepeat > 0 || c.Sample != nil && *c.Sample {
			s.note("the configuration asks for sampling or no_repeat_ngram_size, which are not taken over")
		}
	}
	if limit := s.manifest.Text.Positions; g.MaxLength > limit {
		s.note("max_length %d is more than the %d positions of the model: taking those", g.MaxLength, limit)
		g.MaxLength = limit
	}
	g.MinLength = min(g.MinLength, g.MaxLength)
	return &g
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// settleHead finds the weight and the bias of the language head. Files of 2022
// have a weight of its own; newer ones, and the original, tie it to the word
// embedding: left out, or there with equal values. Equal ones are stored once,
// but not in an int8 bundle, which multiplies in int8 and looks up in float32.
// Of two biases the product's own is the one that transformers adds: they are one
// parameter but in files of an untied head that was trained further.
func (s *source) settleHead() error {
	if s.has(headTwinBias) {
		s.names[headBias] = s.names[headTwinBias]
	}
	embedding := decoderTower + wordEmbedding
	tied := !s.has(headWeight)
	if tied {
		s.names[headWeight] = s.names[embedding]
	} else {
		same, err := s.equal(headWeight, embedding)
		if err != nil {
			return err
		}
		tied = same
	}
	s.ownHead = !tied || s.manifest.Precision == bundle.INT8
	return nil
}

// equal compares two tensors by the hash of their values as float32: BLIP-base's
// word embedding has 94 MB.
func (s *source) equal(a, b string) (bool, error) {
	var sums [2][]byte
	for i, name := range []string{a, b} {
		t, err := s.tensor(name)
		if err != nil {
			return false, err
		}
		h := sha256.New()
		if err := t.WriteFloat32(h); err != nil {
			return false, fmt.Errorf("tensor %s: %w", s.names[name], err)
		}
		sums[i] = h.Sum(nil)
	}
	return bytes.Equal(sums[0], sums[1]), nil
}
