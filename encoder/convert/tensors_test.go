package convert_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sightline/encoder/bundle"
	"sightline/encoder/convert"
	"sightline/encoder/convert/checkpoint"
)

// blob is one tensor as it lies in a safetensors file.
type blob struct {
	dtype string
	shape []int64
	data  []byte
}

// halves is a tensor of 16-bit numbers.
func halves(dtype string, bits ...uint16) blob {
	b := blob{dtype: dtype, shape: []int64{int64(len(bits))}}
	for _, v := range bits {
		b.data = binary.LittleEndian.AppendUint16(b.data, v)
	}
	return b
}

// zeroed is a float32 tensor of zeros.
func zeroed(shape ...int64) blob {
	n := int64(4)
	for _, d := range shape {
		n *= d
	}
	return blob{dtype: "F32", shape: shape, data: make([]byte, n)}
}

func loadTensors(t *testing.T, path string) map[string]blob {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	header := map[string]entry{}
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__")
	tensors := map[string]blob{}
	for name, e := range header {
		tensors[name] = blob{dtype: e.DType, shape: e.Shape, data: data[8+n:][e.Offsets[0]:e.Offsets[1]]}
	}
	return tensors
}

func saveTensors(t *testing.T, path string, tensors map[string]blob) {
	t.Helper()
	header, payload := map[string]entry{}, make([]byte, 0, 8<<20)
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		b := tensors[name]
		at := int64(len(payload))
		payload = append(payload, b.data...)
		if b.shape == nil {
			b.shape = []int64{}
		}
		header[name] = entry{DType: b.dtype, Shape: b.shape, Offsets: [2]int64{at, int64(len(payload))}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	out := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	write(t, filepath.Dir(path), filepath.Base(path), string(append(out, payload...)))
}

// originalName is the name that Salesforce's code gives a tensor.
func originalName(name string) string {
	fixed := map[string]string{
		"vision_model.embeddings.class_embedding":    "visual_encoder.cls_token",
		"vision_model.embeddings.position_embedding": "visual_encoder.pos_embed",
	}
	if o, ok := fixed[name]; ok {
		return o
	}
	name = regexp.MustCompile(`^vision_model\.encoder\.layers\.(\d+)\.`).ReplaceAllString(name, "visual_encoder.blocks.$1.")
	return strings.NewReplacer(
		"vision_model.embeddings.patch_embedding.", "visual_encoder.patch_embed.proj.",
		"vision_model.post_layernorm.", "visual_encoder.norm.",
		".layer_norm1.", ".norm1.", ".layer_norm2.", ".norm2.",
		".self_attn.projection.", ".attn.proj.", ".self_attn.qkv.", ".attn.qkv.",
	).Replace(name)
}

// originalFile writes the sample model as an original checkpoint, with the
// momentum copies, queues and the temperature of one that was trained.
func originalFile(t *testing.T, edit func(map[string]blob)) (path string, o convert.Options) {
	t.Helper()
	tensors := map[string]blob{}
	for name, b := range loadTensors(t, filepath.Join(sample, "model.safetensors")) {
		name = originalName(name)
		tensors[name] = b
		if module, rest, ok := strings.Cut(name, "."); ok && module != "itm_head" {
			tensors[module+"_m."+rest] = zeroed(1) // nobody reads it
		}
	}
	tensors["image_queue"], tensors["text_queue"] = zeroed(64, 9), zeroed(64, 9)
	tensors["queue_ptr"], tensors["temp"] = zeroed(1), zeroed()
	edit(tensors)
	dir := t.TempDir()
	path = filepath.Join(dir, "model.safetensors")
	saveTensors(t, path, tensors)
	var cfg struct {
		Text json.RawMessage `json:"text_config"`
	}
	data, err := os.ReadFile(filepath.Join(sample, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cfg); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "med_config.json", string(cfg.Text))
	return path, convert.Options{Config: filepath.Join(dir, "med_config.json"), Vocabulary: filepath.Join(sample, "vocab.txt")}
}

// TestLayoutsAgree: one model in both layouts gives the same weights file, and
// nothing of momentum or queues is in it.
func TestLayoutsAgree(t *testing.T) {
	path, o := originalFile(t, func(map[string]blob) {})
	original, err := convert.Convert(t.Context(), path, filepath.Join(t.TempDir(), "m"), o)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := convert.Convert(t.Context(), sample, filepath.Join(t.TempDir(), "m"), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if original.Files[bundle.WeightsFile] != folder.Files[bundle.WeightsFile] {
		t.Errorf("weights differ: %v, %v", original.Files[bundle.WeightsFile], folder.Files[bundle.WeightsFile])
	}
	v := folder.Vision
	v.Eps = 1e-6 // the original code's, which no file states
	if original.Vision != v || original.Text != folder.Text || original.Embedding != folder.Embedding {
		t.Errorf("shapes %+v %+v, want %+v %+v", original.Vision, original.Text, v, folder.Text)
	}
	if original.Fingerprint == folder.Fingerprint {
		t.Error("another eps and text cleaning has the same fingerprint")
	}
}

// TestMalformedOriginal: what the shapes of an original checkpoint must fulfil,
// for nothing but them says what the vision tower is.
func TestMalformedOriginal(t *testing.T) {
	const position, patch = "visual_encoder.pos_embed", "visual_encoder.patch_embed.proj.weight"
	set := func(name string, b blob) func(map[string]blob) {
		return func(all map[string]blob) { all[name] = b }
	}
	tests := map[string]struct {
		edit func(map[string]blob)
		want []string
	}{
		"no position embedding":    {func(all map[string]blob) { delete(all, position) }, []string{"position_embedding"}},
		"position of two pictures": {set(position, zeroed(2, 65, 128)), []string{"position_embedding", "[2 65 128]"}},
		"position of none":         {set(position, zeroed(0, 65, 128)), []string{"position_embedding", "[0 65 128]"}},
		"position a scalar":        {set(position, zeroed()), []string{"position_embedding", "scalar"}},
		"position a matrix":        {set(position, zeroed(65, 128)), []string{"position_embedding", "[65 128]"}},
		"position not square":      {set(position, zeroed(1, 60, 128)), []string{"position_embedding", "60 rows", "square"}},
		"position of no width":     {set(position, zeroed(1, 1<<40+1, 0)), []string{"at most 4096 pixels"}},
		"position too wide":        {set(position, zeroed(1, 65, 256)), []string{position, "[1 65 256]"}},
		"patches not square":       {set(patch, zeroed(128, 3, 8, 16)), []string{"[128 3 8 16]", "square patches"}},
		"patches of nothing":       {set(patch, zeroed(128, 3, 0, 0)), []string{"[128 3 0 0]"}},
		"patches grey":             {set(patch, zeroed(128, 1, 8, 8)), []string{patch, "[128 1 8 8]", "[128 3 8 8]"}},
		"width not of heads":       {set(patch, zeroed(100, 3, 8, 8)), []string{"patch_embedding", "[100 3 8 8]", "multiple of 64"}},
		"width enormous":           {set(patch, zeroed(1<<40, 0, 8, 8)), []string{"patch_embedding", "multiple of 64"}},
		"no layers": {func(all map[string]blob) {
			maps.DeleteFunc(all, func(name string, _ blob) bool { return strings.Contains(name, "blocks.0.mlp") })
		}, []string{"layers.0.mlp.fc1.weight"}},
		"too many layers": {func(all map[string]blob) {
			for i := range 300 {
				all[fmt.Sprintf("visual_encoder.blocks.%d.mlp.fc1.weight", i)] = zeroed(0, 128)
			}
		}, []string{"visual_encoder.blocks.256.", "256 layers"}},
		"wrong shape": {set("visual_encoder.norm.weight", zeroed(2, 64)), []string{"visual_encoder.norm.weight", "[2 64]", "[128]"}},
		"only momentum": {func(all map[string]blob) {
			maps.DeleteFunc(all, func(name string, _ blob) bool { return strings.HasPrefix(name, "text_encoder.encoder.layer.1.") })
		}, []string{"text_encoder.encoder.layer.1.attention", "more like these"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path, o := originalFile(t, test.edit)
			parent := t.TempDir()
			_, err := convert.Convert(t.Context(), path, filepath.Join(parent, "m"), o)
			if err == nil {
				t.Fatal("was converted")
			}
			for _, part := range append(test.want, path) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error does not name %q: %v", part, err)
				}
			}
			nothingIn(t, parent)
		})
	}
}

// TestHalves holds float16 and bfloat16 to their float32 values, bit by bit.
func TestHalves(t *testing.T) {
	dir := copyFolder(t)
	path := filepath.Join(dir, "model.safetensors")
	tensors := loadTensors(t, path)
	tensors["itm_head.bias"] = halves("F16", 0xfbff, 0x0001) // the lowest, the smallest above 0
	bf := make([]uint16, 64)
	bf[0], bf[1], bf[63] = 0x3f80, 0xc049, 0x7f7f // 1, about -pi, the largest
	tensors["text_proj.bias"] = halves("BF16", bf...)
	saveTensors(t, path, tensors)
	out := filepath.Join(t.TempDir(), "m")
	if _, err := convert.Convert(t.Context(), dir, out, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := readTensor(t, out, "itm_head.bias"); !slices.Equal(got, []float32{-65504, 0x1p-24}) {
		t.Errorf("float16 became %v", got)
	}
	if got := readTensor(t, out, "text_proj.bias"); got[0] != 1 || got[1] != -3.140625 || got[63] != 0x1.fep127 {
		t.Errorf("bfloat16 became %v %v %v", got[0], got[1], got[63])
	}
}

func readTensor(t *testing.T, dir, name string) []float32 {
	t.Helper()
	c, err := checkpoint.Open(filepath.Join(dir, bundle.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tensor, ok := c.Tensor(name)
	if !ok {
		t.Fatalf("no %s", name)
	}
	values, err := tensor.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// TestUnreadableType fails while weights are written already: the error names
// file and tensor, and nothing stays.
func TestUnreadableType(t *testing.T) {
	dir, parent := copyFolder(t), t.TempDir()
	path := filepath.Join(dir, "model.safetensors")
	tensors := loadTensors(t, path)
	tensors["itm_head.bias"] = blob{dtype: "F64", shape: []int64{2}, data: make([]byte, 16)}
	saveTensors(t, path, tensors)
	_, err := convert.Convert(t.Context(), dir, filepath.Join(parent, "m"), convert.Options{})
	for _, part := range []string{path, "itm_head.bias", "F64", "float32"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
	nothingIn(t, parent)
}
