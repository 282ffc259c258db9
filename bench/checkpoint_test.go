// Package bench times Sightline on a full-size BLIP-base with random weights:
// speed does not depend on their values. `make bench` runs it.
package bench

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// ViT-B/16 at 384 px and BERT-base, as the published blip-itm-base-* have them.
const (
	width     = 768
	layers    = 12
	mlp       = 3072
	words     = 30524
	positions = 512
	patch     = 16
	image     = 384
	tokens    = (image/patch)*(image/patch) + 1
	embedding = 256
)

type tensor struct {
	name  string
	shape []int
	value float32 // of every element; 0: random
}

// baseTensors lists a BlipForImageTextRetrieval state dict.
func baseTensors() []tensor {
	var all []tensor
	add := func(name string, shape ...int) { all = append(all, tensor{name: name, shape: shape}) }
	linear := func(name string, out, in int) { add(name+".weight", out, in); add(name+".bias", out) }
	norm := func(name string) {
		all = append(all, tensor{name: name + ".weight", shape: []int{width}, value: 1})
		add(name+".bias", width)
	}
	add("vision_model.embeddings.class_embedding", 1, 1, width)
	add("vision_model.embeddings.position_embedding", 1, tokens, width)
	add("vision_model.embeddings.patch_embedding.weight", width, 3, patch, patch)
	add("vision_model.embeddings.patch_embedding.bias", width)
	norm("vision_model.post_layernorm")
	add("text_encoder.embeddings.word_embeddings.weight", words, width)
	add("text_encoder.embeddings.position_embeddings.weight", positions, width)
	norm("text_encoder.embeddings.LayerNorm")
	for i := range layers {
		v := fmt.Sprintf("vision_model.encoder.layers.%d.", i)
		norm(v + "layer_norm1")
		norm(v + "layer_norm2")
		linear(v+"self_attn.qkv", 3*width, width)
		linear(v+"self_attn.projection", width, width)
		linear(v+"mlp.fc1", mlp, width)
		linear(v+"mlp.fc2", width, mlp)
		t := fmt.Sprintf("text_encoder.encoder.layer.%d.", i)
		for _, a := range []string{"attention.", "crossattention."} {
			for _, p := range []string{"self.query", "self.key", "self.value", "output.dense"} {
				linear(t+a+p, width, width)
			}
			norm(t + a + "output.LayerNorm")
		}
		linear(t+"intermediate.dense", mlp, width)
		linear(t+"output.dense", width, mlp)
		norm(t + "output.LayerNorm")
	}
	linear("vision_proj", embedding, width)
	linear("text_proj", embedding, width)
	linear("itm_head", 2, width)
	return all
}

// writeBase writes the checkpoint as a Hugging Face folder, 895 MB.
func writeBase(b *testing.B, dir string) {
	b.Helper()
	files := map[string]string{
		"config.json":              `{"model_type": "blip", "text_config": {"num_attention_heads": 12}, "vision_config": {}}`,
		"preprocessor_config.json": `{"size": 384}`,
		"vocab.txt":                vocabulary(),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if err := writeTensors(filepath.Join(dir, "model.safetensors"), baseTensors()); err != nil {
		b.Fatal(err)
	}
}

// vocabulary has the special tokens at bert-base-uncased's ids.
func vocabulary() string {
	special := map[int]string{0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
	var text []byte
	for i := range words - 2 {
		token, ok := special[i]
		if !ok {
			token = fmt.Sprintf("word%d", i)
		}
		text = append(append(text, token...), '\n')
	}
	return string(text)
}

func writeTensors(path string, all []tensor) error {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header := map[string]entry{}
	at := 0
	for _, t := range all {
		end := at + 4*t.count()
		header[t.name] = entry{"F32", t.shape, [2]int{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	_, _ = w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))) // Flush reports
	_, _ = w.Write(text)
	random := rand.New(rand.NewPCG(1, 2))
	for _, t := range all {
		t.write(w, random)
	}
	return w.Flush()
}

func (t tensor) count() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

func (t tensor) write(w *bufio.Writer, random *rand.Rand) {
	var buf [4]byte
	for range t.count() {
		v := t.value
		if v == 0 {
			v = float32(random.NormFloat64() * 0.02)
		}
		binary.LittleEndian.PutUint32(buf[:], math.Float32bits(v))
		_, _ = w.Write(buf[:])
	}
}
