package main

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder"
	"sightline/encoder/bundle"
)

const demoPicture = samples + "/pictures/p0194.png"

// TestVerifyPublished compares the demo model with transformers' values of it,
// the whole way that the published checkpoints go.
func TestVerifyPublished(t *testing.T) {
	environ, dir := clitest.Environ(t), t.TempDir()
	model := filepath.Join(dir, "model")
	indexd(t, nil, "model", "convert", demoModel, "--out", model).ok(t)
	indexd(t, nil, "model", "verify", model).says(t, cli.ExitOK, "as converted", "values were not checked", "--picture p0194.png")
	indexd(t, environ, "model", "verify", model, "--picture", demoPicture).says(t, cli.ExitOK, "ok  \"white trousers", "[ENC] first", "[CLS] first", "tolerance 0.0001")
	var out verified
	indexd(t, environ, "model", "verify", model, "--picture", demoPicture, "--json").ok(t).unmarshal(t, &out)
	if len(out.Comparisons) != 2 || !out.Comparisons[0].OK || out.Comparisons[0].Want == out.Comparisons[1].Want {
		t.Errorf("got %+v", out)
	}

	other := filepath.Join(dir, "p0194.png")
	copyFile(t, filepath.Join(samples, "pictures", "p0000.png"), other)
	indexd(t, environ, "model", "verify", model, "--picture", other).want(t, cli.ExitFailed, "has sha256", "the picture that the values are of")
	indexd(t, environ, "model", "verify", model, "--picture", filepath.Join(samples, "pictures", "p0000.png")).want(t, cli.ExitFailed, "no picture with published values", "p0194.png")
	indexd(t, environ, "model", "verify", model, "--picture", demoPicture, "--reference", "blip-base").want(t, cli.ExitUsage, `"blip-base"`, "blip-itm-base-coco")

	// Another model under that name: the values are wrong, and it says so.
	wrong := sampleModel(t)
	indexd(t, environ, "model", "verify", wrong, "--picture", demoPicture).want(t, cli.ExitFailed, "--reference")
	indexd(t, environ, "model", "verify", wrong, "--picture", demoPicture, "--reference", "demo").says(t, cli.ExitFailed, "DIFFERS", "does not give the published values")
	// A picture whose hash is not known is run, and the output says so.
	merlion := filepath.Join(dir, "merlion.png")
	copyFile(t, demoPicture, merlion)
	indexd(t, environ, "model", "verify", wrong, "--picture", merlion, "--reference", "blip-itm-large-coco").says(t, cli.ExitFailed, "is not known here", "DIFFERS", "0.99466")

	int8 := filepath.Join(dir, "int8")
	indexd(t, nil, "model", "convert", demoModel, "--out", int8, "--precision", "int8").ok(t)
	indexd(t, environ, "model", "verify", int8, "--picture", demoPicture, "--reference", "demo").want(t, cli.ExitFailed, "published values are of float32")
}

func TestCompare(t *testing.T) {
	row := published{text: "x", first: encoder.FirstCls, want: matchValues{0.9971, 0.5162}, tolerance: 1e-3, eight: &matchValues{0.0202, 0.5053}}
	cases := map[string]struct {
		got       matchValues
		ok, eight bool
	}{
		"right":          {matchValues{0.99715, 0.51625}, true, false},
		"off":            {matchValues{0.9971, 0.5182}, false, false},
		"[ENC] for it":   {matchValues{0.93, 0.5162}, false, false},
		"8 heads":        {matchValues{0.0204, 0.5055}, false, true},
		"not one number": {matchValues{math.NaN(), math.NaN()}, false, false},
	}
	for name, c := range cases {
		if got := compare(row, c.got); got.OK != c.ok || got.Eight != c.eight {
			t.Errorf("%s: %+v", name, got)
		}
	}
	v := verify{dir: "model"}
	m := bundle.Manifest{}
	if err := v.verdict(m, verified{Comparisons: []comparison{{OK: true}}}); err != nil {
		t.Error(err)
	}
	err := v.verdict(m, verified{Comparisons: []comparison{{OK: true}, {Eight: true}}})
	if err == nil || !strings.Contains(err.Error(), "8 attention heads") || !strings.Contains(err.Error(), "convert it again") {
		t.Errorf("8 heads: %v", err)
	}
}

// TestPublishedTable: every row can be told by a name, has a picture with a
// place to get it from, and values that can be values.
func TestPublishedTable(t *testing.T) {
	for _, p := range publishedValues() {
		if checkpointNames()[p.model] == nil || p.picture.name == "" || p.picture.where == "" || p.by == "" || p.text == "" {
			t.Errorf("row %+v", p)
		}
		if p.want.Probability <= 0 || p.want.Probability >= 1 || math.Abs(p.want.Cosine) >= 1 || p.tolerance > 1e-3 {
			t.Errorf("values of %+v", p)
		}
		if compare(p, p.want).Eight {
			t.Errorf("the right values of %q count as those of 8 heads", p.text)
		}
	}
	for source, want := range map[string]int{"Salesforce/blip-itm-base-coco@0123": 4, "blip-itm-large-coco": 2, "blip-itm-base-flickr": 0, "": 0} {
		m := bundle.Manifest{Source: bundle.Source{Path: source, Weights: "pytorch_model.bin"}}
		if n := len(publishedFor(m, "")); n != want {
			t.Errorf("%q has %d rows, want %d", source, n, want)
		}
	}
	m := bundle.Manifest{Source: bundle.Source{Weights: "model_base_retrieval_coco.pth"}}
	if n := len(publishedFor(m, "")); n != 4 {
		t.Errorf("the original .pth has %d rows", n)
	}
}
