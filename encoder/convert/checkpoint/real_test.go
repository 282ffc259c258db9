package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/encoder/convert/checkpoint"
)

type wanted struct {
	DType  string    `json:"dtype"`
	Shape  []int64   `json:"shape"`
	Values []float32 `json:"values"`
}

// TestRealFiles reads what torch.save and safetensors wrote (testdata/generate.py).
func TestRealFiles(t *testing.T) {
	content, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var files map[string]map[string]wanted
	if err := json.Unmarshal(content, &files); err != nil {
		t.Fatal(err)
	}
	openers := map[string]func(string) (*checkpoint.Checkpoint, error){"mapped": checkpoint.Open, "read": checkpoint.OpenUnmapped}
	for name, tensors := range files {
		for how, open := range openers {
			t.Run(name+"/"+how, func(t *testing.T) {
				c, err := open(filepath.Join("testdata", name))
				if err != nil {
					t.Fatal(err)
				}
				defer closeIt(t, c)
				if got, want := c.Names(), slices.Sorted(maps.Keys(tensors)); !slices.Equal(got, want) {
					t.Fatalf("tensors %q, want %q", got, want)
				}
				for name, want := range tensors {
					checkTensor(t, c, name, want)
				}
			})
		}
	}
}

func checkTensor(t *testing.T, c *checkpoint.Checkpoint, name string, want wanted) {
	t.Helper()
	tensor, _ := c.Tensor(name)
	if !slices.Equal(tensor.Shape, want.Shape) || tensor.Len() != int64(len(want.Values)) {
		t.Errorf("%s: shape %v and %d elements, want %v", name, tensor.Shape, tensor.Len(), want.Shape)
	}
	var written bytes.Buffer
	werr := tensor.WriteFloat32(&written)
	got, err := tensor.Float32s()
	if strings.HasPrefix(want.DType, "torch.") { // one that is listed and cannot be read
		for _, err := range []error{err, werr} {
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), string(tensor.DType)) {
				t.Errorf("%s: error %v, want one that names the tensor and its type", name, err)
			}
		}
		return
	}
	if err != nil || werr != nil {
		t.Fatal(err, werr)
	}
	if string(tensor.DType) != want.DType {
		t.Errorf("%s: type %s, want %s", name, tensor.DType, want.DType)
	}
	if err := sameBits(got, want.Values); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if !bytes.Equal(written.Bytes(), f32bytes(want.Values...)) {
		t.Errorf("%s: WriteFloat32 and the expected values differ", name)
	}
}
