package convert

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

func TestInterpolatePositions(t *testing.T) {
	data, err := os.ReadFile("testdata/positions.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		From, To, Width int
		Input, Output   []float32
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got := interpolatePositions(c.Input, c.From, c.To, c.Width)
		if len(got) != len(c.Output) {
			t.Errorf("%d to %d: %d values, want %d", c.From, c.To, len(got), len(c.Output))
			continue
		}
		for i := range got {
			if d := math.Abs(float64(got[i] - c.Output[i])); !(d <= 1e-6) {
				t.Errorf("%d to %d: value %d is %g, torch has %g", c.From, c.To, i, got[i], c.Output[i])
				break
			}
		}
	}
}

func TestCanonicalNames(t *testing.T) {
	got := canonicalNames([]string{
		"visual_encoder.cls_token", "visual_encoder.pos_embed", "visual_encoder.patch_embed.proj.weight",
		"visual_encoder.blocks.3.norm1.bias", "visual_encoder.blocks.3.attn.qkv.weight", "visual_encoder.blocks.3.attn.proj.bias",
		"visual_encoder.blocks.11.norm2.weight", "visual_encoder.blocks.0.mlp.fc1.weight", "visual_encoder.norm.weight",
		"text_encoder.encoder.layer.0.attention.self.query.weight", "itm_head.bias",
		"visual_encoder_m.norm.weight", "text_encoder_m.embeddings.LayerNorm.bias", "vision_proj_m.weight", "text_proj_m.bias",
		"image_queue", "text_queue", "idx_queue", "ptr_queue", "queue_ptr", "temp", "text_encoder.embeddings.position_ids",
	})
	want := map[string]string{
		"vision_model.embeddings.class_embedding":                  "visual_encoder.cls_token",
		"vision_model.embeddings.position_embedding":               "visual_encoder.pos_embed",
		"vision_model.embeddings.patch_embedding.weight":           "visual_encoder.patch_embed.proj.weight",
		"vision_model.encoder.layers.3.layer_norm1.bias":           "visual_encoder.blocks.3.norm1.bias",
		"vision_model.encoder.layers.3.self_attn.qkv.weight":       "visual_encoder.blocks.3.attn.qkv.weight",
		"vision_model.encoder.layers.3.self_attn.projection.bias":  "visual_encoder.blocks.3.attn.proj.bias",
		"vision_model.encoder.layers.11.layer_norm2.weight":        "visual_encoder.blocks.11.norm2.weight",
		"vision_model.encoder.layers.0.mlp.fc1.weight":             "visual_encoder.blocks.0.mlp.fc1.weight",
		"vision_model.post_layernorm.weight":                       "visual_encoder.norm.weight",
		"text_encoder.encoder.layer.0.attention.self.query.weight": "text_encoder.encoder.layer.0.attention.self.query.weight",
		"itm_head.bias": "itm_head.bias",
	}
	if len(got) != len(want) {
		t.Errorf("%d names, want %d: %v", len(got), len(want), got)
	}
	for name, source := range want {
		if got[name] != source {
			t.Errorf("%s comes from %q, want %q", name, got[name], source)
		}
	}
}
