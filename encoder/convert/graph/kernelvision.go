package graph

import (
	"fmt"

	"sightline/encoder/bundle"
	"sightline/encoder/onnx"
)

// VisionKernel is Vision of an int8 bundle by encoder/ort's own operators, four of
// them a layer. Rows are float32 between operators; each operator rounds them for
// itself where Vision does, behind the LayerNorm that stands before its first product.
func VisionKernel(s Shape, w Weights) ([]byte, error) {
	v := s.Vision
	b := newBuilder("vision", w)
	x := b.patches(b.input("pixels", onnx.Float, "B", 3, v.Image, v.Image), v)
	for i := range v.Layers {
		x = b.kernelVisionLayer(x, v, fmt.Sprintf("vision_model.encoder.layers.%d.", i))
	}
	return b.visionEnds(b.reshape(x, -1, v.Tokens(), v.Width), s)
}

// kernelVisionLayer is one pre-norm layer, [B·N,D].
func (b *builder) kernelVisionLayer(x string, v bundle.Vision, p string) string {
	qkv := b.preNorm("NormLinear", p+"layer_norm1", v.Eps, append([]string{x}, b.linear8(p+"self_attn.qkv")...)...)
	a := b.own("PictureAttention", []attr{number("tokens", int64(v.Tokens()))}, qkv)
	x = b.own("LinearAdd", nil, append(append([]string{a}, b.linear8(p+"self_attn.projection")...), x)...)
	in := append(append([]string{x}, b.linear8(p+"mlp.fc1")...), b.linear8(p+"mlp.fc2")...)
	return b.preNorm("NormMlp", p+"layer_norm2", v.Eps, in...)
}

// preNorm adds a node that starts with the LayerNorm of that name.
func (b *builder) preNorm(op, norm string, eps float64, in ...string) string {
	in = append(in, b.weight(norm+".weight"), b.weight(norm+".bias"))
	return b.own(op, []attr{float("epsilon", float32(eps))}, in...)
}
