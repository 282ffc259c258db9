// Package rerank is the second look: BLIP's image-grounded encoder (ITM) reads
// the query again together with each of the best candidates of the first
// stage, and the candidates are put in the order of
//
//	score = raw match logit + raw cosine
//
// which is the rule of BLIP's own evaluation (train_retrieval.py: score_itc +
// itm_head(...)[:, 1]; no softmax, no temperature). Everything outside the
// candidates that were scored keeps its first-stage order below them.
//
//	candidates -> load.go    patch states, one sub-batch ahead
//	           -> rerank.go  match logits, sub-batch by sub-batch, until done, late or broken
//	           -> fuse.go    score, order, ranks
//
// Re-ranking is anytime and fails open: whatever stops it, the caller gets
// every candidate back, ordered as well as was possible, and the reason.
package rerank
