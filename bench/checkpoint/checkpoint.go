// Package checkpoint makes a full-size BLIP-base with random weights for
// benchmarks: speed does not depend on their values.
package checkpoint

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// stateDict lists tensors.
type stateDict []tensor

func (d *stateDict) add(name string, shape ...int) {
	*d = append(*d, tensor{name: name, shape: shape})
}

func (d *stateDict) linear(name string, out, in int) {
	d.add(name+".weight", out, in)
	d.add(name+".bias", out)
}

func (d *stateDict) norm(name string) {
	*d = append(*d, tensor{name: name + ".weight", shape: []int{width}, value: 1})
	d.add(name+".bias", width)
}

func (d *stateDict) vision() {
	d.add("vision_model.embeddings.class_embedding", 1, 1, width)
	d.add("vision_model.embeddings.position_embedding", 1, tokens, width)
	d.add("vision_model.embeddings.patch_embedding.weight", width, 3, patch, patch)
	d.add("vision_model.embeddings.patch_embedding.bias", width)
	d.norm("vision_model.post_layernorm")
	for i := range layers {
		v := fmt.Sprintf("vision_model.encoder.layers.%d.", i)
		d.norm(v + "layer_norm1")
		d.norm(v + "layer_norm2")
		d.linear(v+"self_attn.qkv", 3*width, width)
		d.linear(v+"self_attn.projection", width, width)
		d.linear(v+"mlp.fc1", mlp, width)
		d.linear(v+"mlp.fc2", width, mlp)
	}
}

func (d *stateDict) text(tower string) {
	d.add(tower+"embeddings.word_embeddings.weight", words, width)
	d.add(tower+"embeddings.position_embeddings.weight", positions, width)
	d.norm(tower + "embeddings.LayerNorm")
	for i := range layers {
		t := fmt.Sprintf("%sencoder.layer.%d.", tower, i)
		for _, a := range []string{"attention.", "crossattention."} {
			for _, p := range []string{"self.query", "self.key", "self.value", "output.dense"} {
				d.linear(t+a+p, width, width)
			}
			d.norm(t + a + "output.LayerNorm")
		}
		d.linear(t+"intermediate.dense", mlp, width)
		d.linear(t+"output.dense", width, mlp)
		d.norm(t + "output.LayerNorm")
	}
}

// baseTensors lists a BlipForImageTextRetrieval state dict.
func baseTensors() []tensor {
	var d stateDict
	d.vision()
	d.text("text_encoder.")
	d.linear("vision_proj", embedding, width)
	d.linear("text_proj", embedding, width)
	d.linear("itm_head", 2, width)
	return d
}

// captionerTensors lists a BlipForConditionalGeneration state dict, its head tied.
func captionerTensors() []tensor {
	var d stateDict
	d.vision()
	d.text("text_decoder.bert.")
	d.linear("text_decoder.cls.predictions.transform.dense", width, width)
	d.norm("text_decoder.cls.predictions.transform.LayerNorm")
	d.add("text_decoder.cls.predictions.bias", words)
	return d
}

// WriteBase writes a BlipForImageTextRetrieval as a Hugging Face folder, 895 MB,
// into the folder dir, which must be there.
func WriteBase(dir string) error { return write(dir, baseTensors()) }

// WriteCaptioner writes a BlipForConditionalGeneration in the same way, 896 MB.
func WriteCaptioner(dir string) error { return write(dir, captionerTensors()) }

func write(dir string, tensors []tensor) error {
	files := map[string]string{
		"config.json":              `{"model_type": "blip", "text_config": {"num_attention_heads": 12}, "vision_config": {}}`,
		"preprocessor_config.json": `{"image_processor_type": "BlipImageProcessor", "size": {"height": 384, "width": 384}}`,
		"vocab.txt":                vocabulary(),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write checkpoint: %w", err)
		}
	}
	if err := writeTensors(filepath.Join(dir, "model.safetensors"), tensors); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
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

func writeTensors(path string, all []tensor) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := writeHeader(w, all); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- weights, and the same ones each time
	for _, t := range all {
		if err := t.write(w, random); err != nil {
			return err
		}
	}
	return w.Flush()
}

func writeHeader(w io.Writer, all []tensor) error {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}} // transformers asks for it
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
	_, err = w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...))
	return err
}

func (t tensor) count() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

func (t tensor) write(w io.Writer, random *rand.Rand) error {
	var buf [4]byte
	for range t.count() {
		v := t.value
		if v == 0 {
			v = float32(random.NormFloat64() * 0.02)
		}
		binary.LittleEndian.PutUint32(buf[:], math.Float32bits(v))
		if _, err := w.Write(buf[:]); err != nil {
			return err
		}
	}
	return nil
}
