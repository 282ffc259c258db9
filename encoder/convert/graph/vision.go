package graph

import (
	"fmt"

	"sightline/encoder/bundle"
	"sightline/encoder/onnx"
)

// HeadDim is the width of one attention head in every released BLIP.
const HeadDim = 64

// Shape is what the builders need of a manifest.
type Shape struct {
	Vision    bundle.Vision
	Text      bundle.Text
	Embedding int // 0 of a model without
	Cross     int // width of what the decoder's cross-attention reads
}

// Vision builds pixels [B,3,S,S] -> embedding [B,E] unit (none where Shape has
// none), states [B,N,Dv]: a pre-norm ViT whose final norm is applied once, to all tokens (BLIP
// models/vit.py; Hugging Face's pooler_output would apply it twice).
func Vision(s Shape, w Weights) ([]byte, error) {
	if w.Half {
		return fusedVision(s, w)
	}
	v := s.Vision
	b := newBuilder("vision", w)
	pixels := b.input("pixels", onnx.Float, "B", 3, v.Image, v.Image)
	x := b.patches(pixels, v)
	for i := range v.Layers {
		x = b.visionLayer(x, v, fmt.Sprintf("vision_model.encoder.layers.%d.", i))
	}
	x = b.layerNorm(x, "vision_model.post_layernorm", v.Eps)
	states := b.reshape(x, -1, v.Tokens(), v.Width)
	if s.Embedding > 0 {
		class := b.node("Gather", []attr{number("axis", 1)}, states, b.index(0))
		b.output(b.unit(b.linear(class, "vision_proj", 1)), "embedding", "B", s.Embedding)
	}
	b.output(states, "states", "B", v.Tokens(), v.Width)
	return b.finish()
}

// patches cuts the picture, puts the class token first and adds positions.
func (b *builder) patches(pixels string, v bundle.Vision) string {
	p, n := int64(v.Patch), v.Tokens()-1
	x := b.node("Conv", []attr{ints("kernel_shape", p, p), ints("strides", p, p)}, pixels,
		b.weight("vision_model.embeddings.patch_embedding.weight"), b.weight("vision_model.embeddings.patch_embedding.bias"))
	x = b.transpose(b.reshape(x, 0, v.Width, n), 0, 2, 1)
	class := b.op("Expand", b.weight("vision_model.embeddings.class_embedding"), b.shape(b.dim(pixels, 0), 1, v.Width))
	x = b.node("Concat", []attr{number("axis", 1)}, class, x)
	x = b.op("Add", x, b.weight("vision_model.embeddings.position_embedding"))
	return b.reshape(x, -1, v.Width)
}

func (b *builder) visionLayer(x string, v bundle.Vision, p string) string {
	a := b.visionAttention(b.layerNorm(x, p+"layer_norm1", v.Eps), v, p+"self_attn.")
	x = b.op("Add", x, a)
	f := b.gelu(b.linear(b.layerNorm(x, p+"layer_norm2", v.Eps), p+"mlp.fc1", 1))
	return b.op("Add", x, b.linear(f, p+"mlp.fc2", 1))
}

// visionAttention splits the fused rows Q | K | V and attends within a picture.
func (b *builder) visionAttention(x string, v bundle.Vision, p string) string {
	qkv := b.reshape(b.linear(x, p+"qkv", 1), -1, v.Tokens(), 3*v.Width)
	parts := b.nodes("Split", []attr{number("axis", -1), number("num_outputs", 3)}, 3, qkv)
	a := b.fusedAttention(parts[0], parts[1], parts[2], v.Heads)
	return b.linear(b.reshape(a, -1, v.Width), p+"projection", 1)
}

// fusedAttention is ONNX Runtime's MultiHeadAttention over [B,N,h·64], scale
// 1/8. On the CPU it works in tiles that stay in cache and never writes the
// [B,h,N,N] scores.
func (b *builder) fusedAttention(q, k, v string, heads int) string {
	out := b.node("MultiHeadAttention", []attr{number("num_heads", int64(heads)), float("scale", 0.125)}, q, k, v)
	b.model.Nodes[len(b.model.Nodes)-1].Domain = onnx.ContribDomain
	return out
}
