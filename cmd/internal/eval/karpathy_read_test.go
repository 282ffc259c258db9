package eval

import (
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const twoSplits = `{"images": [
 {"filepath": "val2014", "filename": "a.jpg", "imgid": 0, "split": "test", "sentences": [{"tokens": ["a"], "raw": "A one."}, {"raw": "two"}]},
 {"filename": "b.jpg", "split": "train"},
 {"filename": "c.jpg", "split": "test", "sentences": [{"raw": "three"}], "sentids": [3]}
], "more": {"x": [1]}, "dataset": "coco"}`

func TestReadKarpathy(t *testing.T) {
	d, err := ReadKarpathy(strings.NewReader(twoSplits+"\n"), "test")
	want := Dataset{Name: "coco", Split: "test", Images: []Captioned{{"val2014/a.jpg", []string{"A one.", "two"}}, {"c.jpg", []string{"three"}}}}
	if err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("%+v %v", d, err)
	}
	image := func(file, rest string) string {
		return fmt.Sprintf(`{"images":[{"filename":%q,"split":"test"%s}]}`, file, rest)
	}
	const text = `,"sentences":[{"raw":"x"}]`
	for in, want := range map[string]string{
		"":                              "ends early",
		twoSplits[:len(twoSplits)-20]:   "ends early",
		"[]":                            "no Karpathy split file",
		`{"images":{}}`:                 "no Karpathy split file",
		`{"dataset":3}`:                 "dataset: ",
		`{"images":[{"filename":3}]}`:   "picture 1: ",
		`{"images":[{}],"dataset":"x"]`: "invalid character",
		twoSplits + "{}":                "more behind the end",
		image("", text):                 "picture 1: it needs a \"filename\"",
		image("a.jpg", ""):              "picture 1: a.jpg needs \"sentences\"",
		image("a.jpg", `,"sentences":[{"raw":"x"},{"raw":" "}]`): "a.jpg needs \"sentences\"",
		image("../a.jpg", text):                                  `"../a.jpg" is outside`,
		image("/etc/a.jpg", text):                                "is outside",
		image("b/../../a.jpg", text):                             `"../a.jpg" is outside`,
		image("../a.jpg", text+`,"filepath":"val2014/.."`):       `"../a.jpg" is outside`,
	} {
		if _, err := ReadKarpathy(strings.NewReader(in), "test"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: error %v, want one with %q", in, err, want)
		}
	}
	if _, err := ReadKarpathy(strings.NewReader(twoSplits), "tset"); err == nil || !strings.Contains(err.Error(), `"tset"; the file has: test, train`) {
		t.Errorf("another split: error %v", err)
	}
}

func TestReadKarpathyLimits(t *testing.T) {
	many := `{"images":[` + strings.Repeat(`{"filename":"a","split":"test","sentences":[{"raw":"x"}]},`, maxImages+1) + `{}]}`
	if _, err := ReadKarpathy(strings.NewReader(many), "test"); err == nil || !strings.Contains(err.Error(), "more than 20000 pictures") {
		t.Errorf("many pictures: error %v", err)
	}
	for limit, want := range map[int64]bool{int64(len(twoSplits)): true, int64(len(twoSplits) - 1): false} {
		_, err := readKarpathy(&io.LimitedReader{R: strings.NewReader(twoSplits), N: limit}, "test")
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "larger than 1024 MB") {
			t.Errorf("limit %d: error %v", limit, err)
		}
	}
}

func FuzzReadKarpathy(f *testing.F) {
	f.Add([]byte(twoSplits))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ReadKarpathy(strings.NewReader(string(data)), "test")
		if (err == nil) != (len(d.Images) > 0) {
			t.Fatalf("%d pictures, error %v", len(d.Images), err)
		}
		for _, img := range d.Images {
			if !filepath.IsLocal(img.File) || len(img.Captions) == 0 {
				t.Errorf("accepted %+v", img)
			}
		}
	})
}
