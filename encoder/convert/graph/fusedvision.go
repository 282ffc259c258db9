package graph

import (
	"fmt"

	"sightline/encoder/bundle"
	"sightline/encoder/onnx"
)

// fusedVision is Vision for CUDA.
func fusedVision(s Shape, w Weights) ([]byte, error) {
	v := s.Vision
	b := newBuilder("vision", w)
	x := b.patchStates(b.input("pixels", onnx.Float, "B", 3, v.Image, v.Image), v)
	prefix := func(i int) string { return fmt.Sprintf("vision_model.encoder.layers.%d.", i) }
	normed := b.layerNorm(x, prefix(0)+"layer_norm1", v.Eps)
	for i := range v.Layers {
		p := prefix(i)
		a := b.attention(normed, b.weight(p+"self_attn.qkv.weight"), b.weight(p+"self_attn.qkv.bias"), "", v.Heads)
		a = b.dense(a, p+"self_attn.projection")
		normed, x = b.skipNorm(a, x, skip{norm: p + "layer_norm2", bias: b.weight(p + "self_attn.projection.bias"), eps: v.Eps})
		f := b.dense(b.biasGelu(b.dense(normed, p+"mlp.fc1"), p+"mlp.fc1"), p+"mlp.fc2")
		if i == v.Layers-1 {
			x = b.op("Add", b.op("Add", f, b.weight(p+"mlp.fc2.bias")), x)
			break
		}
		normed, x = b.skipNorm(f, x, skip{norm: prefix(i+1) + "layer_norm1", bias: b.weight(p + "mlp.fc2.bias"), eps: v.Eps})
	}
	return b.visionEnds(x, s)
}

// visionEnds is the final norm and the embedding, in float32.
func (b *builder) visionEnds(x string, s Shape) ([]byte, error) {
	const last = "vision_model.post_layernorm"
	v := s.Vision
	states := b.norm(b.full(x), b.full(b.weight(last+".weight")), b.full(b.weight(last+".bias")), v.Eps)
	if s.Embedding > 0 {
		class := b.node("Gather", []attr{number("axis", 1)}, states, b.index(0))
		b.output(b.unit(b.head(class, "vision_proj")), "embedding", "B", s.Embedding)
	}
	b.output(states, "states", "B", v.Tokens(), v.Width)
	return b.finish()
}

// patchStates cuts the pictures, puts the class token first and adds positions,
// [B,N,Dv].
func (b *builder) patchStates(pixels string, v bundle.Vision) string {
	x := b.patchProduct(pixels, "vision_model.embeddings.patch_embedding", v)
	class := b.op("Expand", b.weight("vision_model.embeddings.class_embedding"), b.shape(b.dim(pixels, 0), 1, v.Width))
	x = b.node("Concat", []attr{number("axis", 1)}, class, x)
	return b.op("Add", x, b.weight("vision_model.embeddings.position_embedding"))
}

// patchProduct is the patch embedding as one product over the cut patches,
// [B,N-1,3·P²]·[3·P²,Dv]: the same sums as the convolution's. It keeps cuDNN,
// 700 MB on disk, out of what a float16 bundle needs.
func (b *builder) patchProduct(pixels, name string, v bundle.Vision) string {
	p, side := v.Patch, v.Image/v.Patch
	x := b.reshape(b.narrow(pixels), -1, 3, side, p, side, p)
	x = b.reshape(b.transpose(x, 0, 2, 4, 1, 3, 5), -1, v.Tokens()-1, 3*p*p)
	weight := b.weightAs(name+".weight", int64(v.Width), int64(3*p*p))
	return b.op("Add", b.product(x, weight, 1), b.weight(name+".bias"))
}
