package convert_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/bundle"
	"sightline/encoder/convert"
)

// TestMalformedConfiguration goes on where TestMalformed ends: what JSON may
// hold that is no model.
func TestMalformedConfiguration(t *testing.T) {
	config := func(key string, v any) func(*testing.T, string) {
		return func(t *testing.T, dir string) { editConfig(t, dir, map[string]any{key: v}) }
	}
	file := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, dir, name, text) }
	}
	const (
		position = "vision_model.embeddings.position_embedding"
		pixels   = "preprocessor_config.json"
	)
	reshape := func(name string, shape ...int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			editTensors(t, dir, func(all map[string]entry) {
				e := all[name]
				e.Shape = shape
				all[name] = e
			})
		}
	}
	words := strings.Repeat("x\n", 66)
	tests := map[string]struct {
		damage func(t *testing.T, dir string)
		want   []string
	}{
		"null":                 {file("config.json", "null"), []string{"tensor", "[768"}}, // class defaults: another model
		"huge file":            {file("config.json", strings.Repeat(" ", 5<<20)), []string{"config.json", "larger"}},
		"number as text":       {config("text_config.hidden_size", "128"), []string{"config.json", "hidden_size"}},
		"enormous picture":     {config("vision_config.image_size", 1<<40), []string{"at most 4096 pixels"}},
		"many patches":         {config("vision_config.image_size", 4096), []string{"256 patches"}},
		"patch above picture":  {config("vision_config.patch_size", 65), []string{"patches of 65", "64 pixels"}},
		"patch zero":           {config("vision_config.patch_size", 0), []string{"patches of 0"}},
		"fewer vision layers":  {config("vision_config.num_hidden_layers", 4), []string{"vision_model.encoder.layers.4", "4 layers"}},
		"fewer text layers":    {config("text_config.num_hidden_layers", 2), []string{"text_encoder.encoder.layer.2", "2 layers"}},
		"thousand layers":      {config("text_config.num_hidden_layers", 1000), []string{"text_config", "1000"}},
		"negative layers":      {config("vision_config.num_hidden_layers", -1), []string{"vision_config", "-1"}},
		"eps above 1":          {config("text_config.layer_norm_eps", 2), []string{"layer_norm_eps is 2"}},
		"negative MLP":         {config("text_config.intermediate_size", -512), []string{"intermediate.dense", "[-512 128]"}},
		"other positions":      {config("text_config.max_position_embeddings", 17), []string{"position_embeddings", "[16 128]", "[17 128]"}},
		"not square":           {reshape(position, 1, 130, 64), []string{"model.safetensors", position, "130 rows"}},
		"no class token":       {reshape(position, 65, 1, 128), []string{"model.safetensors", position}},
		"embeddings disagree":  {reshape("text_proj.weight", 32, 256), []string{"text_proj.weight", "[32 256]", "[64 128]"}},
		"vocabulary no [ENC]":  {file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"+words), []string{"[DEC] and [ENC]", "70 and 71", "71 rows"}},
		"pixels not JSON":      {file(pixels, "{"), []string{pixels}},
		"pixels not whole":     {file(pixels, `{"image_mean": "0.5"}`), []string{pixels, "image_mean"}},
		"std of two":           {file(pixels, `{"image_std": [0.5, 0.5]}`), []string{pixels, "image_std"}},
		"pixels as they are":   {file(pixels, `{"do_normalize": false}`), []string{pixels, "do_normalize"}},
		"picture as it is":     {file(pixels, `{"do_resize": false}`), []string{pixels, "do_resize"}},
		"pixels not divided":   {file(pixels, `{"do_rescale": false}`), []string{pixels, "do_rescale"}},
		"pixels divided by 1":  {file(pixels, `{"rescale_factor": 1}`), []string{pixels, "rescale_factor is 1"}},
		"tokenizer not JSON":   {file("tokenizer_config.json", "["), []string{"tokenizer_config.json"}},
		"weights are a folder": {weightsFolder, []string{"no model.safetensors"}},
		"weights are a pointer": {
			file("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"),
			[]string{"model.safetensors"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, parent := copyFolder(t), t.TempDir()
			test.damage(t, dir)
			_, err := convert.Convert(t.Context(), dir, filepath.Join(parent, "m"), convert.Options{})
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

func weightsFolder(t *testing.T, dir string) {
	path := filepath.Join(dir, "model.safetensors")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestMalformedTextConfig(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"not JSON":   {"{", "med_config.json"},
		"activation": {`{"hidden_act": "gelu_new"}`, "gelu_new"},
		"width":      {`{"hidden_size": 100}`, "hidden_size is 100"},
	} {
		path, o := originalFile(t, func(map[string]blob) {})
		write(t, filepath.Dir(path), "med_config.json", test.text)
		parent := t.TempDir()
		_, err := convert.Convert(t.Context(), path, filepath.Join(parent, "m"), o)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "med_config.json") {
			t.Errorf("%s: error %v, want one with %q and the file", name, err, test.want)
		}
		nothingIn(t, parent)
	}
}

// TestSettled: what configuration files say, or leave open, in the manifest.
func TestSettled(t *testing.T) {
	tests := map[string]struct {
		edit func(t *testing.T, dir string)
		ok   func(m bundle.Manifest) bool
		log  string
	}{
		"licence": {
			func(t *testing.T, dir string) {
				write(t, dir, "README.md", "---\ntags: [x]\nlicense: \"bsd-3-clause\"\n---\nlicense: mit\n")
			},
			func(m bundle.Manifest) bool { return m.Source.Licence == "bsd-3-clause" }, "",
		},
		"licence in the text": {
			func(t *testing.T, dir string) { write(t, dir, "README.md", "---\ntags: [x]\n---\nlicense: mit\n") },
			func(m bundle.Manifest) bool { return m.Source.Licence == "" }, "",
		},
		"cased": {
			func(t *testing.T, dir string) { write(t, dir, "tokenizer_config.json", `{"do_lower_case": false}`) },
			func(m bundle.Manifest) bool { return !m.Tokenizer.Lowercase }, "",
		},
		"no word about case": {
			func(t *testing.T, dir string) { write(t, dir, "tokenizer_config.json", `{}`) },
			func(m bundle.Manifest) bool { return m.Tokenizer.Lowercase }, "",
		},
		"no preprocessor": {
			func(t *testing.T, dir string) {
				if err := os.Remove(filepath.Join(dir, "preprocessor_config.json")); err != nil {
					t.Fatal(err)
				}
			},
			func(m bundle.Manifest) bool { return m.Pixels.Mean[0] == 0.48145466 && m.Pixels.Std[2] == 0.27577711 },
			"no preprocessor_config.json",
		},
		"other size": {
			func(t *testing.T, dir string) {
				write(t, dir, "preprocessor_config.json", `{"size": {"height": 99, "width": 99}}`)
			},
			func(m bundle.Manifest) bool { return m.Vision.Image == 64 }, "differ in the picture's size",
		},
		"other size as a number": {
			func(t *testing.T, dir string) { write(t, dir, "preprocessor_config.json", `{"size": 99}`) },
			func(m bundle.Manifest) bool { return m.Vision.Image == 64 }, "differ in the picture's size",
		},
		"other embedding": {
			func(t *testing.T, dir string) { editConfig(t, dir, map[string]any{"image_text_hidden_size": 32}) },
			func(m bundle.Manifest) bool {
				return m.Embedding == 64 && strings.Contains(strings.Join(m.Source.Notes, ""), "embedding of 32, the weights have 64")
			}, "embedding of 32",
		},
		"heads": {
			func(t *testing.T, dir string) {
				editConfig(t, dir, map[string]any{"vision_config.num_attention_heads": 12})
			},
			func(m bundle.Manifest) bool { return m.Vision.Heads == 2 && len(m.Source.Notes) == 1 }, "12 vision heads; taking 2",
		},
		"appended tokens": {
			func(t *testing.T, dir string) {
				write(t, dir, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"+strings.Repeat("x\n", 65))
			},
			func(m bundle.Manifest) bool { return m.Tokenizer.Dec == 69 && m.Tokenizer.Enc == 70 }, "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := copyFolder(t)
			test.edit(t, dir)
			var log bytes.Buffer
			out, m := converted(t, dir, convert.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			if read, err := bundle.Read(out); err != nil || !test.ok(read) || read.Fingerprint != m.Fingerprint {
				t.Errorf("manifest %+v (%v)", read, err)
			}
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("log %q, want %q in it", log.String(), test.log)
			}
		})
	}
}

// TestFingerprintIgnores what changes no embedding and no logit.
func TestFingerprintIgnores(t *testing.T) {
	_, want := converted(t, sample, convert.Options{})
	dir := copyFolder(t)
	write(t, dir, "README.md", "---\nlicense: mit\n---\n")
	editConfig(t, dir, map[string]any{"text_config.num_attention_heads": 8, "transformers_version": "9"})
	_, m := converted(t, dir, convert.Options{Clean: "off", Precision: "fp32", ImageSize: 64})
	if m.Fingerprint != want.Fingerprint || m.Source.Path == want.Source.Path || len(m.Source.Notes) != 1 {
		t.Errorf("fingerprint %s from %+v, want %s", m.Fingerprint, m.Source, want.Fingerprint)
	}
	for name, o := range map[string]convert.Options{"clean": {Clean: "on"}, "size": {ImageSize: 96}} {
		if _, m := converted(t, sample, o); m.Fingerprint == want.Fingerprint {
			t.Errorf("%s leaves the fingerprint", name)
		}
	}
}
