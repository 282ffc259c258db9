// Package encoder runs BLIP: pictures and texts become embeddings (the
// unimodal, ITC encoders) and picture-text pairs become match logits (the
// image-grounded, ITM encoder).
//
// Data meets the packages in this order:
//
//	bytes -> encoder/picture  -> pixels [3,S,S]  \
//	                                              Model -> embedding [E], States, Logits
//	text  -> encoder/wordpiece -> token ids [L]  /
//
// A model for captioning or answering has no embedding; of its States a Decoder
// writes a text, a token of all rows at a time.
//
// A Model reads its weights, graphs, tokenizer and preprocessing from a bundle
// (encoder/bundle), which encoder/convert writes from a checkpoint. The graphs
// are run by a Runtime; encoder/ort, on ONNX Runtime, is the only one that
// runs real models, and the only package that needs cgo.
//
// Source: BLIP, arXiv 2201.12086; github.com/salesforce/BLIP.
package encoder
