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

// retrievalTensors lists every tensor of BlipForImageTextRetrieval in the order
// that the passes read them.
func retrievalTensors(m bundle.Manifest) []tensorSpec {
	l := &specList{}
	l.visionTower(m.Vision)
	l.textTower(m.Text, m.Vision.Width)
	l.linear("vision_proj", m.Embedding, m.Vision.Width)
	l.linear("text_proj", m.Embedding, m.Text.Width)
	l.linear("itm_head", 2, m.Text.Width)
	return l.specs
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

func (l *specList) textTower(t bundle.Text, states int) {
	p := "text_encoder.embeddings."
	l.add(p+"word_embeddings.weight", t.Vocabulary, t.Width)
	l.add(p+"position_embeddings.weight", t.Positions, t.Width)
	l.norm(p+"LayerNorm", t.Width)
	for i := range t.Layers {
		p := fmt.Sprintf("text_encoder.encoder.layer.%d.", i)
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
