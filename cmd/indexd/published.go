package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// published are values that others computed for a picture and a text, with
// code that is not ours.
type published struct {
	model   string // name of the checkpoint, for --reference
	picture knownPicture
	text    string
	first   encoder.FirstToken
	eps     float64 // of the vision tower there
	want    matchValues
	// tolerance is for both values, in float32: above what resizing and rounding
	// do, far below what a wrong first token or a wrong head count does. The
	// authors of the merlion rows assert 1e-5 of their own code; of ours, which
	// resizes within one level of theirs, that was never measured.
	tolerance float64
	eight     *matchValues // what 8 attention heads in place of 12 give, where that was published
	by        string
}

// matchValues are softmax(ITM logits)[1] and the cosine of the embeddings.
type matchValues struct {
	Probability float64 `json:"match_probability"`
	Cosine      float64 `json:"itc"`
}

// knownPicture is a picture by its usual file name. sha256 is "" where its
// bytes could not be had here.
type knownPicture struct {
	name, sha256, where string
}

// checkpointNames are names under which a source tells which checkpoint it is;
// the demo model is told by its fingerprint.
func checkpointNames() map[string][]string {
	return map[string][]string{
		"blip-itm-base-coco":  {"blip-itm-base-coco", "model_base_retrieval_coco"},
		"blip-itm-large-coco": {"blip-itm-large-coco", "model_large_retrieval_coco"},
		"demo":                {"381acd82261eaac722b703d2c7b0b8f9"},
	}
}

// publishedValues is the whole table.
func publishedValues() []published {
	demo := knownPicture{name: "demo.jpg", where: "https://storage.googleapis.com/sfr-vision-language-research/BLIP/demo.jpg"}
	merlion := knownPicture{name: "merlion.png", where: "docs/_static/merlion.png of https://github.com/salesforce/LAVIS"}
	const (
		base, large    = "blip-itm-base-coco", "blip-itm-large-coco"
		original, hf   = 1e-6, 1e-5
		transformers   = "transformers' own test of blip-itm-base-coco"
		notebook       = "BLIP's demo notebook"
		lavis          = "LAVIS's own tests"
		fine           = 1e-3
		singapore      = "merlion in Singapore"
		irrelevant     = "a random irrelevant caption"
		trousers, ours = "white trousers with brown belt", "transformers 5 in float32, on the weights of demo/model (cmd/indexd/testdata/demo_values.py)"
	)
	p0194 := knownPicture{name: "p0194.png", sha256: "c876e59215ca351ee9e577f4f0b8f616d4bb2e494eb8b31282f63e1912d73a93", where: "demo/samples/pictures of this project"}
	eight := &matchValues{0.0202, 0.5053}
	return []published{
		{base, demo, "A woman and her dog sitting in a beach", encoder.FirstCls, hf, matchValues{0.9971, 0.5162}, fine, eight, transformers},
		{base, demo, "a woman sitting on the beach with a dog", encoder.FirstCls, original, matchValues{0.9960, 0.5262}, fine, nil, notebook},
		{base, merlion, singapore, encoder.FirstEnc, original, matchValues{0.98613, 0.4633}, fine, nil, lavis},
		{base, merlion, irrelevant, encoder.FirstEnc, original, matchValues{0.05704, 0.23282}, fine, nil, lavis},
		{large, merlion, singapore, encoder.FirstEnc, original, matchValues{0.99466, 0.4474}, fine, nil, lavis},
		{large, merlion, irrelevant, encoder.FirstEnc, original, matchValues{0.04744, 0.12821}, fine, nil, lavis},
		{"demo", p0194, trousers, encoder.FirstEnc, hf, matchValues{0.997642, 0.667701}, 1e-4, nil, ours},
		{"demo", p0194, trousers, encoder.FirstCls, hf, matchValues{0.978877, 0.667701}, 1e-4, nil, ours},
	}
}

// publishedFor are the rows of the checkpoint that m was converted from, by
// name or by what m says of its source.
func publishedFor(m bundle.Manifest, name string) []published {
	return slices.DeleteFunc(publishedValues(), func(p published) bool {
		if name != "" {
			return p.model != name
		}
		return !slices.ContainsFunc(checkpointNames()[p.model], func(known string) bool {
			return strings.Contains(m.Source.Path+"/"+m.Source.Weights, known) || m.Fingerprint == known
		})
	})
}

// pictureList names the pictures of rows, each once.
func pictureList(rows []published) string {
	var list []string
	for _, p := range rows {
		if text := fmt.Sprintf("%s (%s)", p.picture.name, p.picture.where); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// withPicture keeps the rows of the picture in the file path.
func withPicture(rows []published, path, sum string) []published {
	return slices.DeleteFunc(slices.Clone(rows), func(p published) bool {
		return p.picture.sha256 != sum && p.picture.name != filepath.Base(path)
	})
}

// comparison is a row of the table beside what this model gives.
type comparison struct {
	Text      string      `json:"text"`
	First     string      `json:"first_token"`
	Want      matchValues `json:"published"`
	Got       matchValues `json:"got"`
	Tolerance float64     `json:"tolerance"`
	OK        bool        `json:"ok"`
	Eight     bool        `json:"eight_heads,omitempty"` // Got is what 8 attention heads give
	By        string      `json:"published_by"`
}

// nearEight is how near to the known wrong values counts as them; the right
// ones are 1 and 0.01 away.
const nearEight = 5e-3

func compare(p published, got matchValues) comparison {
	near := func(want matchValues, by float64) bool { // false of NaN
		return math.Abs(got.Probability-want.Probability) <= by && math.Abs(got.Cosine-want.Cosine) <= by
	}
	return comparison{
		Text: p.text, First: string(p.first), Want: p.want, Got: got, Tolerance: p.tolerance, By: p.by,
		OK: near(p.want, p.tolerance), Eight: p.eight != nil && near(*p.eight, nearEight),
	}
}
