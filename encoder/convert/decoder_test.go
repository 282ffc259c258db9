package convert_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/encoder/bundle"
	"sightline/encoder/convert"
	"sightline/encoder/convert/checkpoint"
)

const (
	decoders = "../testdata/decoder"
	captions = "../../demo/model/captioning"
	headName = "text_decoder.cls.predictions.decoder.weight"
	words    = "text_decoder.bert.embeddings.word_embeddings.weight"
)

func convertLayout(t *testing.T, layout, precision string) (string, bundle.Manifest) {
	t.Helper()
	src := filepath.Join(decoders, layout)
	o := convert.Options{Precision: precision}
	if strings.HasSuffix(layout, "-pth") {
		o.Config, o.Vocabulary = filepath.Join(src, "med_config.json"), filepath.Join(src, "vocab.txt")
		src = filepath.Join(src, "model.pth")
	}
	out := filepath.Join(t.TempDir(), "model")
	m, err := convert.Convert(t.Context(), src, out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out, m
}

// TestDecoderManifests: what the checkpoints do not say follows from their layout.
func TestDecoderManifests(t *testing.T) {
	plain := bundle.Generation{Beams: 1, MaxLength: 20, RepetitionPenalty: 1, LengthPenalty: 1}
	short, captioner, answerer := plain, plain, plain
	short.MaxLength = 24 // generation_config.json
	captioner.Prompt, captioner.Beams, captioner.MinLength = "a picture of ", 3, 5
	answerer.Beams, answerer.MinLength, answerer.MaxLength = 3, 1, 10
	captioning := []bundle.Graph{bundle.GraphVision, bundle.GraphCaptionStep}
	answering := []bundle.Graph{bundle.GraphVision, bundle.GraphQuestion, bundle.GraphAnswerKV, bundle.GraphAnswerStep}
	tests := map[string]struct {
		task   string
		width  int
		writes bundle.Generation
		graphs []bundle.Graph
		clean  bool
	}{
		"cg-tied":     {bundle.Captioning, 128, short, captioning, false},
		"cg-untied":   {bundle.Captioning, 192, plain, captioning, false},
		"cg-bin":      {bundle.Captioning, 128, plain, captioning, false},
		"vqa":         {bundle.Answering, 128, plain, answering, false},
		"caption-pth": {bundle.Captioning, 192, captioner, captioning, false},
		"vqa-pth":     {bundle.Answering, 128, answerer, answering, true},
	}
	for layout, want := range tests {
		t.Run(layout, func(t *testing.T) {
			out, m := convertLayout(t, layout, bundle.FP32)
			if m.Task != want.task || m.Decoder.Width != want.width || *m.Generation != want.writes || !slices.Equal(m.Graphs, want.graphs) {
				t.Errorf("task %s, decoder %+v, generation %+v, graphs %v", m.Task, *m.Decoder, *m.Generation, m.Graphs)
			}
			if m.Tokenizer.Clean != want.clean || m.Embedding != 0 || m.Text.Heads != 2 {
				t.Errorf("manifest %+v", m)
			}
			if have, err := bundle.Read(out); err != nil || have.Fingerprint != m.Fingerprint || *have.Decoder != *m.Decoder {
				t.Errorf("read back: %+v (%v)", have, err)
			}
		})
	}
}

// TestHead: equal heads are stored once, but for an int8 bundle.
func TestHead(t *testing.T) {
	tests := map[string]struct {
		layout, precision string
		own               bool
	}{
		"left out":          {"cg-tied", bundle.FP32, false},
		"there but equal":   {"cg-bin", bundle.FP32, false},
		"tied, original":    {"caption-pth", bundle.FP32, false},
		"untied":            {"cg-untied", bundle.FP32, true},
		"untied in float16": {"vqa", bundle.FP16, true},
		"tied in float16":   {"cg-tied", bundle.FP16, false},
		"tied in int8":      {"cg-tied", bundle.INT8, true},
		"untied in int8":    {"cg-untied", bundle.INT8, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out, m := convertLayout(t, test.layout, test.precision)
			if kv := slices.Contains(m.Graphs, bundle.GraphCaptionKV); kv != (test.precision == bundle.INT8) {
				t.Errorf("graphs %v", m.Graphs)
			}
			w, err := checkpoint.Open(filepath.Join(out, bundle.WeightsFile))
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			head, own := w.Tensor(headName)
			if own != test.own {
				t.Errorf("a head of its own is stored: %v", own)
			}
			if int8 := own && string(head.DType) == "I8"; int8 != (test.precision == bundle.INT8) {
				t.Errorf("the head is stored as %s", head.DType)
			}
			if e, ok := w.Tensor(words); !ok || string(e.DType) == "I8" {
				t.Errorf("the word embedding is stored as %s (%v)", e.DType, ok)
			}
			if names := w.Names(); slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "_m.") || strings.Contains(n, "position_ids") }) {
				t.Errorf("momentum or buffers are stored: %v", names)
			}
		})
	}
}

// TestDemoCaptioner: the captioner that comes with the project.
func TestDemoCaptioner(t *testing.T) {
	out := filepath.Join(t.TempDir(), "m")
	m, err := convert.Convert(t.Context(), captions, out, convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Task != bundle.Captioning || *m.Decoder != (bundle.Decoder{Width: 192, Begin: 4, End: 3, Pad: 0}) || m.Generation.MaxLength != 20 {
		t.Errorf("task %s, decoder %+v, generation %+v", m.Task, m.Decoder, m.Generation)
	}
	if err := bundle.Verify(t.Context(), out, m); err != nil {
		t.Error(err)
	}
}

// TestTask: weights that are good for two tasks are for the one that is asked for.
func TestTask(t *testing.T) {
	both := func(t *testing.T) string { // a captioner with an itm_head, as pre-training leaves it
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(decoders, "cg-tied"))); err != nil {
			t.Fatal(err)
		}
		const bias = "text_decoder.bert.encoder.layer.0.attention.self.key.bias"
		editTensors(t, dir, func(all map[string]entry) { all["itm_head.weight"] = all[bias]; delete(all, bias) })
		return dir
	}
	for name, test := range map[string]struct {
		src, task string
		want      string // part of the error
	}{
		"captioning of both":        {both(t), bundle.Captioning, "layer.0.attention.self.key.bias"}, // gets as far as the weights
		"retrieval of both":         {both(t), "", "vision_proj.weight"},
		"answering of a captioner":  {filepath.Join(decoders, "cg-tied"), bundle.Answering, "--task answering needs"},
		"retrieval of a captioner":  {filepath.Join(decoders, "cg-tied"), bundle.Retrieval, "itm_head.weight"},
		"captioning of a retriever": {sample, bundle.Captioning, "text_decoder.bert."},
		"none there is":             {sample, "translation", "captioning or answering"},
	} {
		_, err := convert.Convert(t.Context(), test.src, filepath.Join(t.TempDir(), "m"), convert.Options{Task: test.task})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

// TestMalformedDecoders: what is broken is named, file and tensor.
func TestMalformedDecoders(t *testing.T) {
	rename := func(from, to string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			editTensors(t, dir, func(all map[string]entry) { all[to] = all[from]; delete(all, from) })
		}
	}
	reshape := func(name string, shape ...int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			editTensors(t, dir, func(all map[string]entry) { e := all[name]; e.Shape = shape; all[name] = e })
		}
	}
	config := func(key string, v any) func(*testing.T, string) {
		return func(t *testing.T, dir string) { editConfig(t, dir, map[string]any{key: v}) }
	}
	const self, cross = "text_decoder.bert.encoder.layer.1.attention.self.query.weight", "text_decoder.bert.encoder.layer.0.crossattention.self.key.weight"
	tests := map[string]struct {
		layout string
		damage func(t *testing.T, dir string)
		want   []string
	}{
		"no head bias":     {"cg-tied", rename("text_decoder.cls.predictions.bias", "x"), []string{"model.safetensors", "text_decoder.cls.predictions.bias"}},
		"no transform":     {"cg-tied", rename("text_decoder.cls.predictions.transform.dense.weight", "x"), []string{"model.safetensors", "transform.dense.weight"}},
		"no embedding":     {"cg-tied", rename(words, "x"), []string{"model.safetensors", words}},
		"a layer missing":  {"vqa", rename(self, "x"), []string{"model.safetensors", self}},
		"no question":      {"vqa", rename("text_encoder.embeddings.LayerNorm.bias", "text_encoder.x"), []string{"text_encoder.embeddings.LayerNorm.bias"}},
		"head of a width":  {"cg-untied", reshape(headName, 128, 229), []string{"model.safetensors", headName, "[128 229]", "[229 128]"}},
		"cross of a width": {"cg-tied", reshape(cross, 64, 256), []string{"model.safetensors", cross, "[64 256]", "[128 128]"}},
		"other vocabulary": {"cg-tied", config("text_config.vocab_size", 999), []string{"word_embeddings", "999"}},
		"one layer more":   {"cg-tied", config("text_config.num_hidden_layers", 3), []string{"text_decoder.bert.encoder.layer.2"}},
		"one layer less":   {"cg-tied", config("text_config.num_hidden_layers", 1), []string{"text_decoder.bert.encoder.layer.1", "configuration has 1"}},
		"beams":            {"cg-untied", config("text_config.num_beams", 0), []string{"generation.beams is 0"}},
		"penalty":          {"cg-bin", config("text_config.repetition_penalty", -1), []string{"repetition_penalty"}},
		"position of 2-D":  {"cg-tied", reshape("vision_model.embeddings.position_embedding", 17, 128), []string{"position_embedding", "[17 128]"}},
		"a broken file": {"cg-tied", func(t *testing.T, dir string) {
			write(t, dir, "generation_config.json", "{")
		}, []string{"generation_config.json"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, parent := t.TempDir(), t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(decoders, test.layout))); err != nil {
				t.Fatal(err)
			}
			test.damage(t, dir)
			_, err := convert.Convert(t.Context(), dir, filepath.Join(parent, "model"), convert.Options{})
			if err == nil {
				t.Fatal("was converted")
			}
			for _, part := range append(test.want, dir) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error does not name %q: %v", part, err)
				}
			}
			nothingIn(t, parent)
		})
	}
}

// TestGeneration: generation_config.json counts before config.json, and lengths
// that the model cannot have are cut with a note.
func TestGeneration(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(decoders, "cg-tied"))); err != nil {
		t.Fatal(err)
	}
	editConfig(t, dir, map[string]any{
		"text_config.max_length": 8, "text_config.min_length": 3, "num_beams": 4, "text_config.bos_token_id": 5000, "text_config.sep_token_id": 7,
	})
	write(t, dir, "generation_config.json", `{"max_length": 500, "length_penalty": 0.5, "do_sample": true}`)
	m, err := convert.Convert(t.Context(), dir, filepath.Join(t.TempDir(), "m"), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := bundle.Generation{Beams: 4, MinLength: 3, MaxLength: 32, RepetitionPenalty: 1, LengthPenalty: 0.5}
	if *m.Generation != want || m.Decoder.Begin != m.Tokenizer.Dec || m.Decoder.End != 7 {
		t.Errorf("generation %+v, decoder %+v", *m.Generation, *m.Decoder)
	}
	notes := strings.Join(m.Source.Notes, "\n")
	for _, part := range []string{"bos_token_id 5000", "max_length 500", "sampling"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note of %s: %s", part, notes)
		}
	}
}
