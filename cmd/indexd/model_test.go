package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/bundle"
)

func TestConvertAndDescribe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	r := indexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", dir).ok(t)
	m, err := bundle.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	info := indexd(t, nil, "model", "info", dir).ok(t).out
	for _, want := range []string{m.Fingerprint, "64 px in patches of 8 (65 tokens)", "at most 16 tokens", "[ENC] in the ITM pass; caption cleaning off", "model/model.safetensors (huggingface)"} {
		if !strings.Contains(info, want) || !strings.Contains(r.out, want) {
			t.Errorf("info and convert should both say %q:\n%s\n%s", want, info, r.out)
		}
	}
	var printed bundle.Manifest
	indexd(t, nil, "model", "info", dir, "--json").ok(t).unmarshal(t, &printed)
	if printed.Fingerprint != m.Fingerprint || len(printed.Files) != len(m.Files) {
		t.Errorf("info --json: %+v", printed)
	}
}

// TestConvertOriginal is how a user converts a .pth; --config is not the
// settings file.
func TestConvertOriginal(t *testing.T) {
	src, dir := filepath.Join(parity, "original-pth"), filepath.Join(t.TempDir(), "model")
	r := indexd(t, nil, "model", "convert", filepath.Join(src, "model.pth"), "--out", dir, "--json",
		"--config", filepath.Join(src, "med_config.json"), "--vocab", filepath.Join(src, "vocab.txt"), "--image-size", "96")
	var m bundle.Manifest
	r.ok(t).unmarshal(t, &m)
	if m.Vision.Image != 96 || m.Source.Layout != "original" || !m.Tokenizer.Clean {
		t.Errorf("manifest %+v", m)
	}
	if _, err := bundle.Read(dir); err != nil {
		t.Error(err)
	}
}

// TestConvertCaptioner: the same command makes a captioner of a captioning
// checkpoint, which then is described as one and refused where one searches.
func TestConvertCaptioner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "captioner")
	indexd(t, nil, "model", "convert", "../../demo/model/captioning", "--out", dir).ok(t)
	info := indexd(t, nil, "model", "info", dir).ok(t).out
	for _, want := range []string{"blip, captioning, fp32", "reads states of width 192; begins with token 4, ends with 3", "greedy, 0 to 20 tokens, no prompt"} {
		if !strings.Contains(info, want) {
			t.Errorf("info does not say %q:\n%s", want, info)
		}
	}
	if strings.Contains(info, "embedding") || strings.Contains(info, "first token") {
		t.Errorf("info names what a captioner does not have:\n%s", info)
	}
	indexd(t, nil, "model", "verify", dir).ok(t)
	environ := clitest.Environ(t)
	for _, args := range [][]string{
		{"model", "score", "--image", filepath.Join(samples, "pictures", "p0000.png"), "--text", "a mug"},
		{"import", filepath.Join(samples, "feed.jsonl"), "--data", t.TempDir()},
		{"migrate", "--data", t.TempDir()},
	} {
		r := indexd(t, environ, append(args, "--model", dir)...)
		r.want(t, cli.ExitFailed, dir, "the model is for captioning, and this needs one for retrieval", "indexd model convert")
	}
}

// garbageCheckpoint has everything right but the weights.
func garbageCheckpoint(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"config.json", "vocab.txt"} {
		copyFile(t, filepath.Join(samples, "model", name), filepath.Join(dir, name))
	}
	writeFile(t, filepath.Join(dir, "model.safetensors"), []byte("not weights"))
	return dir
}

func TestConvertErrors(t *testing.T) {
	model := sampleModel(t)
	full := t.TempDir()
	writeFile(t, filepath.Join(full, "letter.txt"), []byte("dear shop"))
	garbage := garbageCheckpoint(t)
	source := filepath.Join(samples, "model")
	cases := map[string]struct {
		src, out string
		more     []string
		want     []string
	}{
		"no such source":      {src: "absent", want: []string{"absent", "no such file or folder"}},
		"empty folder":        {src: t.TempDir(), want: []string{"config.json"}},
		"a weights file only": {src: filepath.Join(parity, "original-pth", "model.pth"), want: []string{"--config med_config.json --vocab vocab.txt"}},
		"garbage":             {src: garbage, want: []string{"model.safetensors"}},
		"a model there":       {src: source, out: model, want: []string{model, "--force"}},
		"other files there":   {src: source, out: full, want: []string{full, "choose an empty or new one"}},
		"precision":           {src: source, more: []string{"--precision", "int3"}, want: []string{`"int3"`, "use fp32"}},
		"cleaning":            {src: source, more: []string{"--clean", "perhaps"}, want: []string{`"perhaps"`, "on or off"}},
		"image size":          {src: source, more: []string{"--image-size", "65"}, want: []string{"--image-size 65", "multiple of the patch size 8"}},
		"config of a folder":  {src: source, more: []string{"--config", "med_config.json"}, want: []string{"--config is for an original .pth"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out := c.out
			if out == "" {
				out = filepath.Join(t.TempDir(), "out")
			}
			indexd(t, nil, append([]string{"model", "convert", c.src, "--out", out}, c.more...)...).want(t, cli.ExitFailed, c.want...)
			if c.out == "" {
				if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			}
		})
	}
	indexd(t, nil, "model", "verify", model).ok(t)
	indexd(t, nil, "model", "convert", source, "--out", model, "--force").ok(t)
}

func TestConvertInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	r := indexdUntil(ctx, nil, "model", "convert", filepath.Join(samples, "model"), "--out", filepath.Join(dir, "model"))
	r.want(t, cli.ExitInterrupted, "indexd: interrupted")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestVerify(t *testing.T) {
	model := sampleModel(t)
	if out := indexd(t, nil, "model", "verify", model).ok(t).out; !strings.Contains(out, "files are as converted") {
		t.Errorf("got %q", out)
	}
	weights := filepath.Join(model, bundle.WeightsFile)
	data, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	writeFile(t, weights, data)
	if err := os.Remove(filepath.Join(model, bundle.GraphText.File())); err != nil {
		t.Fatal(err)
	}
	r := indexd(t, nil, "model", "verify", model)
	r.want(t, cli.ExitFailed, "damaged; convert the checkpoint again", bundle.WeightsFile+": has", bundle.GraphText.File()+": open")
	if strings.Contains(r.errs, bundle.VocabularyFile) {
		t.Errorf("blames a file that is whole:\n%s", r.errs)
	}
}

// TestEditedManifest: preprocessing that was changed by hand would give other
// embeddings under the same name.
func TestEditedManifest(t *testing.T) {
	model := sampleModel(t)
	path := filepath.Join(model, bundle.ManifestFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, bytes.Replace(data, []byte(`"clean": false`), []byte(`"clean": true`), 1))
	for _, command := range []string{"info", "verify"} {
		indexd(t, nil, "model", command, model).want(t, cli.ExitFailed, path, "the manifest was edited")
	}
}

func TestInfoOfTheSamplesIsStable(t *testing.T) {
	var first, second json.RawMessage
	indexd(t, nil, "model", "info", sampleModel(t), "--json").ok(t).unmarshal(t, &first)
	indexd(t, nil, "model", "info", sampleModel(t), "--json").ok(t).unmarshal(t, &second)
	if !bytes.Equal(first, second) {
		t.Errorf("two conversions differ:\n%s\n%s", first, second)
	}
}
