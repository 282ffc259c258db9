// Package rerank is the second look: BLIP's image-grounded encoder (ITM) reads
// the query again together with each of the best candidates of the first
// stage, and the candidates are put in the order of
//
//	score = raw match logit + raw cosine
//
// which is the rule of BLIP's own evaluation (train_retrieval.py: score_itc +
// itm_head(...)[:, 1]; no softmax, no temperature). A candidate that was not
// scored stands where its score is expected: see Order.
//
//	candidates -> load.go       patch states, one sub-batch ahead
//	              texts.go      or titles, for a search by picture
//	           -> scheduler.go  one a device: admission and queue
//	              pace.go       how much there is time for
//	              work.go       what a sub-batch asks of the device
//	              worker.go     runs of the matcher, under watch
//	              breaker.go    a matcher that hangs or fails, and its return
//	           -> pass.go       one request: until done, late, settled or broken
//	           -> fuse.go       score, order, ranks
//
// Re-ranking is anytime and fails open: whatever stops it, the caller gets
// every candidate back, ordered as well as was possible, and the reason.
package rerank
