// Package bundle is the model folder on disk: manifest.json, the tokenizer's
// vocabulary, small .onnx graphs and one weights.safetensors that all graphs
// point into. encoder/convert writes it, package encoder loads it.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Format is the version of the folder's layout that this code reads and
// writes. Another version is refused: convert the checkpoint again.
const Format = 1

// File names inside the folder.
const (
	ManifestFile   = "manifest.json"
	WeightsFile    = "weights.safetensors"
	VocabularyFile = "vocab.txt"
)

// Graph names one of the bundle's graphs.
type Graph string

// The graphs of a retrieval model. B is the batch, S the picture's side in
// pixels, N patch tokens with the class token, Dv the vision width, L text
// tokens, E the embedding's width, h text heads.
const (
	// GraphVision: pixels [B,3,S,S] -> embedding [B,E] unit, states [B,N,Dv].
	GraphVision Graph = "vision"
	// GraphText: ids [B,L], lengths [B] -> embedding [B,E] unit.
	GraphText Graph = "text"
	// GraphMatch: ids [1,L], states [B,N,Dv] -> logits [B,2]; one query, many
	// pictures; cross-attention absorbed.
	GraphMatch Graph = "match"
	// GraphMatchInt8 is GraphMatch over int8 states [B,N,Dv], scale [B,N], mean [B,Dv].
	GraphMatchInt8 Graph = "match_int8"
	// GraphMatchProjected is GraphMatch with keys and values projected per
	// picture: cheaper above Manifest.AbsorbLimit tokens, and what the absorbed
	// form is tested against.
	GraphMatchProjected Graph = "match_projected"
	// GraphImageKV: states [1,N,Dv] -> keys [layers,h,64,N], values [layers,h,N,64].
	GraphImageKV Graph = "image_kv"
	// GraphMatchTexts: ids [B,L], lengths [B], keys, values -> logits [B,2];
	// one picture, many texts.
	GraphMatchTexts Graph = "match_texts"
	// GraphMatchExplain: ids [1,L], states [1,N,Dv] -> logits [1,2], attention
	// [layers,h,L,N]; GraphMatch of one picture with the cross-attention of each
	// layer. Bundles that were converted before it was added do not have it.
	GraphMatchExplain Graph = "match_explain"
)

// The graphs of a captioning and of an answering model; their GraphVision has
// states alone for an output. P pictures (or pairs of picture and question), R
// rows, as many for each of P, R tokens n at a time after T cached ones.
const (
	// GraphCaptionKV: states [P,N,Dv] -> for each layer i keys_i [P,h,64,N], values_i
	// [P,h,N,64]: what the cross-attention of every step reads of the pictures in
	// an int8 bundle. Others have not got it: their steps read the states.
	GraphCaptionKV Graph = "caption_kv"
	// GraphCaptionStep: ids [R,n], parents [R], states [P,N,Dv] (int8: for each layer
	// keys_i, values_i), for each layer past_keys_i, past_values_i [R',h,T,64] -> logits [R,vocabulary] after the last
	// token, present_keys_i, present_values_i [R,h,T+n,64]. Row r goes on from row
	// parents[r] of the past. The R/P rows of a picture share what it reads of it.
	GraphCaptionStep Graph = "caption_step"
	// GraphQuestion: ids [P,L], lengths [P], states [P,N,Dv] -> questions [P,L,D],
	// their last states; those of padding mean nothing.
	GraphQuestion Graph = "question"
	// GraphAnswerKV: states [P,L,D] of questions -> keys_i [P,h,64,L], values_i [P,h,L,64].
	GraphAnswerKV Graph = "answer_kv"
	// GraphAnswerStep is GraphCaptionStep of an int8 bundle, in any bundle, with
	// lengths [P] of the questions.
	GraphAnswerStep Graph = "answer_step"
)

// File is the graph's file name inside the folder.
func (g Graph) File() string { return string(g) + ".onnx" }

// CUDASuffix stands in place of ".onnx" in the name of a form of the graph for
// CUDA, which a runtime on such a device loads instead where there is one.
const CUDASuffix = ".cuda.onnx"

// KernelSuffix is the same for a CPU on which encoder/ort's own operators can be
// used. It gives the same result but for rounding, and is no part of the
// fingerprint. Bundles that were converted before it was added do not have it.
const KernelSuffix = ".kernel.onnx"

// Manifest describes a bundle. It is written last, so a folder without one is
// an unfinished conversion.
type Manifest struct {
	Format      int    `json:"format"`
	Family      string `json:"family"`      // "blip"
	Task        string `json:"task"`        // Retrieval, Captioning or Answering; "" is Retrieval
	Precision   string `json:"precision"`   // FP32, FP16 or INT8
	Fingerprint string `json:"fingerprint"` // see Identity
	Embedding   int    `json:"embedding"`   // E; 0 of a model that has none
	FirstToken  string `json:"first_token"` // token 0 of the ITM pass and of questions: "enc" or "cls"

	Vision    Vision    `json:"vision"`
	Text      Text      `json:"text"`
	Pixels    Pixels    `json:"pixels"`
	Tokenizer Tokenizer `json:"tokenizer"`
	// Decoder and Generation are nil for Retrieval.
	Decoder    *Decoder    `json:"decoder,omitempty"`
	Generation *Generation `json:"generation,omitempty"`
	// Calibration is nil where none was fitted. It changes no logit, so it is
	// no part of the fingerprint.
	Calibration *Calibration `json:"calibration,omitempty"`

	Source Source          `json:"source"`
	Graphs []Graph         `json:"graphs"`
	Files  map[string]File `json:"files"`
}

// Vision is the shape of the vision tower (ViT).
type Vision struct {
	Image  int     `json:"image"` // S
	Patch  int     `json:"patch"`
	Width  int     `json:"width"` // Dv
	Layers int     `json:"layers"`
	Heads  int     `json:"heads"`
	MLP    int     `json:"mlp"`
	Eps    float64 `json:"eps"` // of LayerNorm: 1e-6 in the original, 1e-5 in Hugging Face configs
}

// Tokens is N, the patches and the class token.
func (v Vision) Tokens() int { return (v.Image/v.Patch)*(v.Image/v.Patch) + 1 }

// Text is the shape of the text tower (BERT with cross-attention).
type Text struct {
	Vocabulary int     `json:"vocabulary"` // rows of the word embedding
	Positions  int     `json:"positions"`
	Width      int     `json:"width"` // D
	Layers     int     `json:"layers"`
	Heads      int     `json:"heads"`
	MLP        int     `json:"mlp"`
	Eps        float64 `json:"eps"`
}

// Pixels is the preprocessing of pictures: bicubic straight to Image×Image,
// divide by 255, subtract Mean, divide by Std, per RGB channel.
type Pixels struct {
	Mean [3]float32 `json:"mean"`
	Std  [3]float32 `json:"std"`
}

// Tokenizer is the preprocessing of texts. Ids come from the vocabulary;
// [DEC] and [ENC] are its size and size+1 where it has none.
type Tokenizer struct {
	Lowercase bool  `json:"lowercase"` // and accents stripped
	Clean     bool  `json:"clean"`     // BLIP's caption cleaning (data/utils.py)
	MaxTokens int   `json:"max_tokens"`
	Pad       int64 `json:"pad"`
	Unk       int64 `json:"unk"`
	Cls       int64 `json:"cls"`
	Sep       int64 `json:"sep"`
	Dec       int64 `json:"dec"`
	Enc       int64 `json:"enc"`
}

// Source says where the weights came from.
type Source struct {
	Path    string   `json:"path"`   // of a folder its name only: no path of the converting machine; of a download REPO@COMMIT
	Layout  string   `json:"layout"` // "huggingface" or "original"
	Weights string   `json:"weights"`
	Licence string   `json:"licence,omitempty"`
	Notes   []string `json:"notes,omitempty"` // what the conversion had to decide
}

// File is the identity of one file of the bundle.
type File struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// AbsorbLimit is the text length L* above which projecting keys and values
// costs fewer multiplications than absorbing them:
// L* = N·Dv·D / (D·Dv + h·N·Dv − N·D), counted over one layer's cross-attention.
// Infinite (MaxInt) where the denominator is not positive.
func (m Manifest) AbsorbLimit() int {
	n, dv, d := m.Vision.Tokens(), m.Vision.Width, m.Text.Width
	den := d*dv + m.Text.Heads*n*dv - n*d
	if den <= 0 {
		return int(^uint(0) >> 1)
	}
	return n * dv * d / den
}

// Identity is the fingerprint of what changes an embedding, a patch state or a
// logit: weights, shapes, preprocessing, tokenizer and precision. Graph files
// are left out: another way of computing the same function keeps an index
// valid. 32 hex digits (128 bits) of sha256.
func (m Manifest) Identity() (string, error) {
	weights, ok1 := m.Files[WeightsFile]
	vocabulary, ok2 := m.Files[VocabularyFile]
	if !ok1 || !ok2 {
		return "", fmt.Errorf("manifest lists no %s or %s", WeightsFile, VocabularyFile)
	}
	canonical, err := json.Marshal(struct {
		Family, Precision, First, Weights, Vocabulary string
		Vision                                        Vision
		Text                                          Text
		Pixels                                        Pixels
		Tokenizer                                     Tokenizer
		// Left out for Retrieval, whose fingerprints are older than these.
		Task    string   `json:",omitempty"`
		Decoder *Decoder `json:",omitempty"`
	}{
		m.Family, m.Precision, m.FirstToken, weights.SHA256, vocabulary.SHA256, m.Vision, m.Text, m.Pixels, m.Tokenizer,
		m.generating(), m.Decoder,
	})
	if err != nil {
		return "", fmt.Errorf("fingerprint: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16]), nil
}
