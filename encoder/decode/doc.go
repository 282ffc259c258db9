// Package decode turns the logits of a step-by-step text decoder into token ids:
// greedy search, beam search, and sampling from the nucleus.
//
// It knows nothing of models. A [Stepper] gives logits for rows of tokens, and
// [Generate] says which rows go on with which token:
//
//	prompts -> Stepper.Step -> logits  -> process.go  repetition penalty, least length
//	              ^                    -> beam.go     or sample.go: one picture's search
//	              └── rows and tokens <┘  top.go      the best of 30,524, without sorting them
//
// Greedy and beam search give the ids that transformers' generate gives for the
// same logits, token for token; testdata/generate.py wrote the cases that the
// tests hold them to, and docs/captions.md says with which version. Sampling
// keeps the tokens that transformers would, with the same probabilities, but draws
// with a generator of its own: see [Options].Seed.
//
// Pictures of one call finish independently: what comes out for one of them does
// not depend on the others, and one that is finished has no more rows.
package decode
