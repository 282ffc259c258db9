package convert_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	sample   = "../../demo/samples/model"
	original = "../testdata/parity/original-pth"
)

// copyFolder gives a test its own copy of the sample checkpoint to damage.
func copyFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(sample)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// editConfig changes keys of config.json, named "section.key" or "key".
func editConfig(t *testing.T, dir string, values map[string]any) {
	t.Helper()
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cfg map[string]any
	if err := json.Unmarshal(data, &cfg); err != nil {
		t.Fatal(err)
	}
	for key, v := range values {
		into := cfg
		if section, rest, ok := strings.Cut(key, "."); ok {
			into, key = cfg[section].(map[string]any), rest
		}
		into[key] = v
	}
	data, err = json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "config.json", string(data))
}

// entry is one tensor of a safetensors header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// editTensors rewrites model.safetensors with tensors renamed (to "" removes)
// or in another shape of the same size.
func editTensors(t *testing.T, dir string, edit func(tensors map[string]entry)) {
	t.Helper()
	path := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	header := map[string]json.RawMessage{}
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__")
	tensors := map[string]entry{}
	for name, raw := range header {
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		tensors[name] = e
	}
	edit(tensors)
	text, err := json.Marshal(tensors)
	if err != nil {
		t.Fatal(err)
	}
	out := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	write(t, dir, "model.safetensors", string(append(out, data[8+n:]...)))
}

// TestMalformed: every broken checkpoint gives an error that names the file or
// tensor, and leaves nothing behind.
func TestMalformed(t *testing.T) {
	rename := func(from, to string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			editTensors(t, dir, func(all map[string]entry) { all[to] = all[from]; delete(all, from) })
		}
	}
	config := func(key string, v any) func(*testing.T, string) {
		return func(t *testing.T, dir string) { editConfig(t, dir, map[string]any{key: v}) }
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, dir, name, text) }
	}
	tests := map[string]struct {
		damage func(t *testing.T, dir string)
		want   []string // parts of the message
	}{
		"no config":             {remove("config.json"), []string{"config.json"}},
		"config is not JSON":    {file("config.json", "{"), []string{"config.json"}},
		"another model":         {config("model_type", "clip"), []string{"clip", "blip"}},
		"another activation":    {config("text_config.hidden_act", "gelu_new"), []string{"text_config", "gelu_new"}},
		"odd width":             {config("vision_config.hidden_size", 100), []string{"vision_config", "100"}},
		"no layers":             {config("text_config.num_hidden_layers", 0), []string{"num_hidden_layers"}},
		"eps zero":              {config("vision_config.layer_norm_eps", 0), []string{"layer_norm_eps"}},
		"wider than weights":    {config("vision_config.hidden_size", 192), []string{"vision_model", "shape"}},
		"more layers":           {config("text_config.num_hidden_layers", 4), []string{"text_encoder.encoder.layer.3"}},
		"other vocabulary size": {config("text_config.vocab_size", 80), []string{"word_embeddings", "[71 128]"}},
		"no weights":            {remove("model.safetensors"), []string{"model.safetensors", "pytorch_model.bin"}},
		"no vocabulary":         {remove("vocab.txt"), []string{"vocab.txt", "tokenizer.json"}},
		"vocabulary too long":   {file("vocab.txt", longVocabulary()), []string{"vocabulary", "71"}},
		"no [SEP]":              {file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n"), []string{"vocab.txt", "[SEP]"}},
		"empty weights":         {file("model.safetensors", ""), []string{"model.safetensors"}},
		"huge header":           {file("model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{"), []string{"model.safetensors"}},
		"missing tensor":        {rename("itm_head.bias", "other"), []string{"itm_head.bias"}},
		"captioner":             {rename("itm_head.weight", "text_decoder.x"), []string{"captioning", "itm_head"}},
		"not BLIP":              {rename("itm_head.weight", "x"), []string{"itm_head.weight"}},
		"no position embedding": {rename("vision_model.embeddings.position_embedding", "x"), []string{"position_embedding"}},
		"resampling":            {file("preprocessor_config.json", `{"resample": 2}`), []string{"preprocessor_config.json", "resample"}},
		"std zero":              {file("preprocessor_config.json", `{"image_std": [0,1,1]}`), []string{"image_std"}},
		"wrong shape": {func(t *testing.T, dir string) {
			editTensors(t, dir, func(all map[string]entry) {
				e := all["text_proj.weight"]
				e.Shape = []int64{e.Shape[1], e.Shape[0]}
				all["text_proj.weight"] = e
			})
		}, []string{"text_proj.weight", "[128 64]", "[64 128]"}},
		"truncated": {func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 1_000_000); err != nil {
				t.Fatal(err)
			}
		}, []string{"model.safetensors"}},
		"overlapping": {func(t *testing.T, dir string) {
			editTensors(t, dir, func(all map[string]entry) { all["itm_head.bias"] = all["vision_proj.bias"] })
		}, []string{"model.safetensors", "overlap"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, parent := copyFolder(t), t.TempDir()
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

func longVocabulary() string {
	return "[PAD]\n[UNK]\n[CLS]\n[SEP]\n" + strings.Join(strings.Split(strings.Repeat("a", 100), ""), "x\n")
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", e.Name())
	}
}

// TestManyProblems: all that is wrong is said at once, but no wall of text.
func TestManyProblems(t *testing.T) {
	dir := copyFolder(t)
	editConfig(t, dir, map[string]any{"text_config.hidden_size": 192})
	_, err := convert.Convert(t.Context(), dir, filepath.Join(t.TempDir(), "m"), convert.Options{})
	if err == nil || !strings.Contains(err.Error(), "more like these") {
		t.Fatalf("error %v, want several problems and a count of the rest", err)
	}
	if lines := strings.Count(err.Error(), "\n"); lines < 5 || lines > 12 {
		t.Errorf("%d lines", lines)
	}
}

func TestOptions(t *testing.T) {
	tests := map[string]struct {
		src, out string
		options  convert.Options
		want     string
	}{
		"nothing there":  {src: "nowhere", want: "no such file or folder"},
		"precision":      {src: sample, options: convert.Options{Precision: "int4"}, want: "fp32"},
		"clean":          {src: sample, options: convert.Options{Clean: "yes"}, want: "on or off"},
		"image size":     {src: sample, options: convert.Options{ImageSize: 60}, want: "multiple"},
		"config for HF":  {src: sample, options: convert.Options{Config: "x"}, want: "--config"},
		"pth alone":      {src: original + "/model.pth", want: "--config med_config.json"},
		"out in the way": {src: sample, out: "convert_test.go", want: "output folder"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out := test.out
			if out == "" {
				out = filepath.Join(t.TempDir(), "m")
			}
			_, err := convert.Convert(t.Context(), test.src, out, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestOutputFolder(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "deep", "model")
	first, err := convert.Convert(t.Context(), sample, out, convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Convert(t.Context(), sample, out, convert.Options{}); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a second conversion: %v", err)
	}
	cleaned, err := convert.Convert(t.Context(), sample, out, convert.Options{Force: true, Clean: "on"})
	if err != nil {
		t.Fatal(err)
	}
	if cleaned.Fingerprint == first.Fingerprint {
		t.Error("another text cleaning has the same fingerprint")
	}
	if have, err := bundle.Read(out); err != nil || have.Fingerprint != cleaned.Fingerprint {
		t.Errorf("after --force the folder has %s (%v), want %s", have.Fingerprint, err, cleaned.Fingerprint)
	}
	if entries, _ := os.ReadDir(filepath.Dir(out)); len(entries) != 1 {
		t.Errorf("%v beside the model", entries)
	}
	other := t.TempDir()
	write(t, other, "notes.txt", "mine")
	if _, err := convert.Convert(t.Context(), sample, other, convert.Options{Force: true}); err == nil {
		t.Error("a folder of other files was replaced")
	}
	if _, err := os.Stat(filepath.Join(other, "notes.txt")); err != nil {
		t.Error(err)
	}
}

// TestCancel ends the conversion at its first megabyte.
func TestCancel(t *testing.T) {
	parent := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := convert.Convert(ctx, sample, filepath.Join(parent, "m"), convert.Options{Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	nothingIn(t, parent)
}

// TestSameBytes: converting twice gives the same files, from wherever.
func TestSameBytes(t *testing.T) {
	a, err := convert.Convert(t.Context(), sample, filepath.Join(t.TempDir(), "a"), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := convert.Convert(t.Context(), copyFolder(t), filepath.Join(t.TempDir(), "b"), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Fingerprint != b.Fingerprint || !maps.Equal(a.Files, b.Files) {
		t.Errorf("two conversions differ: %v %v", a.Files, b.Files)
	}
}

// TestFingerprint: what changes an embedding or a logit changes it.
func TestFingerprint(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(dir string){
		"as it is": func(string) {},
		"mean": func(dir string) {
			write(t, dir, "preprocessor_config.json", `{"image_mean": [0.4,0.5,0.5], "image_std": [0.5,0.5,0.5]}`)
		},
		"eps":       func(dir string) { editConfig(t, dir, map[string]any{"vision_config.layer_norm_eps": 1e-6}) },
		"lowercase": func(dir string) { write(t, dir, "tokenizer_config.json", `{"do_lower_case": false}`) },
		"words":     func(dir string) { swapWords(t, dir) },
		"weights":   func(dir string) { flipWeight(t, dir) },
	} {
		dir := copyFolder(t)
		change(dir)
		m, err := convert.Convert(t.Context(), dir, filepath.Join(t.TempDir(), "m"), convert.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other, ok := seen[m.Fingerprint]; ok {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		seen[m.Fingerprint] = name
	}
}

func swapWords(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "vocab.txt"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "vocab.txt", strings.NewReplacer("\nred\n", "\nblue\n", "\nblue\n", "\nred\n").Replace(string(data)))
}

func flipWeight(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-2] ^= 1
	write(t, dir, "model.safetensors", string(data))
}

// TestWeights reads the bundle's weights back: float16 became float32 without
// loss, and the data starts on a cache line.
func TestWeights(t *testing.T) {
	out := filepath.Join(t.TempDir(), "m")
	if _, err := convert.Convert(t.Context(), sample, out, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	source, err := checkpoint.Open(filepath.Join(sample, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	path := filepath.Join(out, bundle.WeightsFile)
	written, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	for _, name := range written.Names() {
		w, _ := written.Tensor(name)
		s, ok := source.Tensor(name)
		if !ok || w.DType != checkpoint.F32 || !slices.Equal(w.Shape, s.Shape) {
			t.Fatalf("%s: %s %v, source %s %v", name, w.DType, w.Shape, s.DType, s.Shape)
		}
		a, err1 := w.Float32s()
		b, err2 := s.Float32s()
		if err1 != nil || err2 != nil || !slices.Equal(a, b) {
			t.Fatalf("%s differs (%v, %v)", name, err1, err2)
		}
	}
	head, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at := 8 + binary.LittleEndian.Uint64(head); at%64 != 0 {
		t.Errorf("data starts at %d", at)
	}
}

// TestDecisions: what the converter settles by itself stands in the manifest.
func TestDecisions(t *testing.T) {
	dir := copyFolder(t)
	editConfig(t, dir, map[string]any{"text_config.num_attention_heads": 8})
	m, err := convert.Convert(t.Context(), dir, filepath.Join(t.TempDir(), "m"), convert.Options{ImageSize: 96})
	if err != nil {
		t.Fatal(err)
	}
	if m.Text.Heads != 2 || m.Vision.Image != 96 || m.FirstToken != "enc" || m.Tokenizer.Clean {
		t.Errorf("manifest %+v", m)
	}
	notes := strings.Join(m.Source.Notes, "\n")
	if !strings.Contains(notes, "8 text heads") || !strings.Contains(notes, "interpolated from 8×8 to 12×12") {
		t.Errorf("notes %q", notes)
	}
	data, err := json.Marshal(m)
	if err != nil || bytes.Contains(data, []byte(filepath.Dir(dir))) {
		t.Errorf("the manifest holds a path of this machine (%v): %s", err, data)
	}
	o := convert.Options{Config: original + "/med_config.json", Vocabulary: original + "/vocab.txt"}
	m, err = convert.Convert(t.Context(), original+"/model.pth", filepath.Join(t.TempDir(), "m"), o)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Tokenizer.Clean || m.Vision.Eps != 1e-6 || m.Vision.Image != 64 || m.Source.Layout != "original" {
		t.Errorf("manifest of a .pth %+v", m)
	}
}

// TestCalibrationFile: one that was fitted on these weights goes into the
// manifest, another is left out and said.
func TestCalibrationFile(t *testing.T) {
	dir := copyFolder(t)
	plain, err := convert.Convert(t.Context(), dir, filepath.Join(t.TempDir(), "m"), convert.Options{})
	if err != nil || plain.Calibration != nil {
		t.Fatalf("%v %v", plain.Calibration, err)
	}
	for fingerprint, kept := range map[string]bool{plain.Fingerprint: true, "another": false} {
		write(t, dir, bundle.CalibrationFile, fmt.Sprintf(`{"slope": 0.5, "intercept": -2, "fingerprint": %q}`, fingerprint))
		m, err := convert.Convert(t.Context(), dir, filepath.Join(t.TempDir(), "m"), convert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if (m.Calibration != nil) != kept || m.Fingerprint != plain.Fingerprint {
			t.Errorf("%s: calibration %+v, fingerprint %s", fingerprint, m.Calibration, m.Fingerprint)
		}
		if said := strings.Contains(strings.Join(m.Source.Notes, " "), "left out"); said == kept {
			t.Errorf("%s: notes %q", fingerprint, m.Source.Notes)
		}
	}
	write(t, dir, bundle.CalibrationFile, "{")
	if _, err := convert.Convert(t.Context(), dir, filepath.Join(t.TempDir(), "m"), convert.Options{}); err == nil || !strings.Contains(err.Error(), bundle.CalibrationFile) {
		t.Errorf("error %v", err)
	}
}
