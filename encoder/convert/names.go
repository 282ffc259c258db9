package convert

import (
	"fmt"
	"strings"

	"sightline/encoder/bundle"
)

const (
	positionEmbedding = "vision_model.embeddings.position_embedding"
	patchEmbedding    = "vision_model.embeddings.patch_embedding.weight"
)

// canonicalNames maps Hugging Face names to the names in the checkpoint.
// Momentum copies, queues, the temperature and buffers are left out: a
// retrieval .pth is half of them, and no pass reads them.
func canonicalNames(names []string) map[string]string {
	canonical := make(map[string]string, len(names))
	for _, name := range names {
		if dropped(name) {
			continue
		}
		canonical[canonicalName(name)] = name
	}
	return canonical
}

func dropped(name string) bool {
	module, _, _ := strings.Cut(name, ".")
	return strings.HasSuffix(module, "_m") || strings.HasSuffix(module, "queue") ||
		module == "temp" || module == "ptr_queue" || module == "queue_ptr" ||
		strings.HasSuffix(name, ".position_ids")
}

// canonicalName renames the image tower of an original checkpoint (the rule of
// transformers' convert_blip_original_pytorch_to_hf.py); all other names are
// the same in both worlds.
func canonicalName(name string) string {
	rest, ok := strings.CutPrefix(name, "visual_encoder.")
	if !ok {
		return name
	}
	switch {
	case rest == "cls_token":
		return "vision_model.embeddings.class_embedding"
	case rest == "pos_embed":
		return positionEmbedding
	case strings.HasPrefix(rest, "patch_embed.proj."):
		return "vision_model.embeddings.patch_embedding." + strings.TrimPrefix(rest, "patch_embed.proj.")
	case strings.HasPrefix(rest, "norm."):
		return "vision_model.post_layernorm." + strings.TrimPrefix(rest, "norm.")
	}
	block := strings.NewReplacer("blocks.", "layers.", ".norm1.", ".layer_norm1.", ".norm2.", ".layer_norm2.",
		".attn.proj.", ".self_attn.projection.", ".attn.qkv.", ".self_attn.qkv.")
	return "vision_model.encoder." + block.Replace(rest)
}

// tensorSpec is one tensor that a retrieval model must have.
type tensorSpec struct {
	name  string
	shape []int64
}

// taskTensors lists every tensor of the model in the order that the passes read
// them.
func taskTensors(m bundle.Manifest, head bool) []tensorSpec {
	l := &specList{}
	l.visionTower(m.Vision)
	switch m.Task {
	case bundle.Retrieval:
		l.textTower(encoderTower, m.Text, m.Vision.Width)
		l.linear("vision_proj", m.Embedding, m.Vision.Width)
		l.linear("text_proj", m.Embedding, m.Text.Width)
		l.linear("itm_head", 2, m.Text.Width)
		return l.specs
	case bundle.Answering:
		l.textTower(encoderTower, m.Text, m.Vision.Width)
	}
	l.textTower(decoderTower, m.Text, m.Decoder.Width)
	l.languageHead(m.Text, head)
	return l.specs
}

// The text towers and the language head by their Hugging Face names.
const (
	encoderTower  = "text_encoder."
	decoderTower  = "text_decoder.bert."
	languageHead  = "text_decoder.cls.predictions."
	headWeight    = languageHead + "decoder.weight"
	headBias      = languageHead + "bias"
	headTwinBias  = languageHead + "decoder.bias"
	wordEmbedding = "embeddings.word_embeddings.weight"
)

// towers are the prefixes of the text towers that a task has.
func towers(task string) []string {
	switch task {
	case bundle.Captioning:
		return []string{decoderTower}
	case bundle.Answering:
		return []string{encoderTower, decoderTower}
	}
	return []string{encoderTower}
}

type specList struct{ specs []tensorSpec }

func (l *specList) add(name string, shape ...int) {
	s := tensorSpec{name: name}
	for _, d := range shape {
		s.shape = append(s.shape, int64(d))
	}
	l.specs = append(l.specs, s)
}

func (l *specList) linear(name string, out, in int) {
	l.add(name+".weight", out, in)
	l.add(name+".bias", out)
}

func (l *specList) norm(name string, width int) {
	l.add(name+".weight", width)
	l.add(name+".bias", width)
}

func (l *specList) visionTower(v bundle.Vision) {
	p := "vision_model."
	l.add(p+"embeddings.class_embedding", 1, 1, v.Width)
	l.add(positionEmbedding, 1, v.Tokens(), v.Width)
	l.add(patchEmbedding, v.Width, 3, v.Patch, v.Patch)
	l.add(p+"embeddings.patch_embedding.bias", v.Width)
	for i := range v.Layers {
		p := fmt.Sprintf("vision_model.encoder.layers.%d.", i)
		l.norm(p+"layer_norm1", v.Width)
		l.linear(p+"self_attn.qkv", 3*v.Width, v.Width)
		l.linear(p+"self_attn.projection", v.Width, v.Width)
		l.norm(p+"layer_norm2", v.Width)
		l.linear(p+"mlp.fc1", v.MLP, v.Width)
		l.linear(p+"mlp.fc2", v.Width, v.MLP)
	}
	l.norm(p+"post_layernorm", v.Width)
}

func (l *specList) textTower(tower string, t bundle.Text, states int) {
	l.add(tower+wordEmbedding, t.Vocabulary, t.Width)
	l.add(tower+"embeddings.position_embeddings.weight", t.Positions, t.Width)
	l.norm(tower+"embeddings.LayerNorm", t.Width)
	for i := range t.Layers {
		p := fmt.Sprintf("%sencoder.layer.%d.", tower, i)
		l.attention(p+"attention.", t.Width, t.Width)
		l.attention(p+"crossattention.", t.Width, states)
		l.linear(p+"intermediate.dense", t.MLP, t.Width)
		l.linear(p+"output.dense", t.Width, t.MLP)
		l.norm(p+"output.LayerNorm", t.Width)
	}
}

func (l *specList) attention(p string, width, from int) {
	l.linear(p+"self.query", width, width)
	l.linear(p+"self.key", width, from)
	l.linear(p+"self.value", width, from)
	l.linear(p+"output.dense", width, width)
	l.norm(p+"output.LayerNorm", width)
}

// languageHead is the transform and the product with the vocabulary; own says
// that its weight is stored, and not the word embedding's.
func (l *specList) languageHead(t bundle.Text, own bool) {
	l.linear(languageHead+"transform.dense", t.Width, t.Width)
	l.norm(languageHead+"transform.LayerNorm", t.Width)
	if own {
		l.add(headWeight, t.Vocabulary, t.Width)
	}
	l.add(headBias, t.Vocabulary)
}
