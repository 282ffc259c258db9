package decode

import (
	"errors"
	"fmt"
	"math"
)

// EarlyStopping says when beam search gives up on better sequences than those
// that are finished: transformers' early_stopping.
type EarlyStopping string

// The three rules of transformers.
const (
	// EarlyFalse, the default, stops when the best running beam, at its present
	// length, is no better than the worst finished sequence.
	EarlyFalse EarlyStopping = "false"
	// EarlyTrue stops when there are as many finished sequences as beams.
	EarlyTrue EarlyStopping = "true"
	// EarlyNever is EarlyFalse with the greatest length that the running beam
	// could still reach, where a positive LengthPenalty makes long ones better.
	EarlyNever EarlyStopping = "never"
)

// Bounds of Options: memory and time of a call grow with them.
const (
	MostBeams  = 64
	MostLength = 512
)

// Options say how ids are chosen; names and meanings are those of transformers'
// GenerationConfig. Start from Defaults: the zero value is refused. Options are
// comparable.
type Options struct {
	// Beams, 1 to MostBeams; 1 is greedy search, or sampling.
	Beams int
	// MaxLength is the greatest number of ids, prompt and end token included.
	MaxLength int
	// MinLength is the number of ids, prompt included, before which the end token
	// may not come.
	MinLength int
	// Sample draws from the distribution in place of taking its largest. Beams
	// must then be 1.
	Sample bool
	// Temperature divides the logits before sampling; above 0.
	Temperature float64
	// TopK samples from that many of the most probable tokens; 0 for all.
	TopK int
	// TopP samples from the smallest set of most probable tokens whose
	// probabilities add up to it; 1 for all.
	TopP float64
	// Seed of sampling. The same logits, options and seed give the same ids on
	// every platform and whatever pictures share the call: the numbers drawn are
	// those of PCG-DXSM (math/rand/v2) with the state (Seed, i) for the picture's
	// i-th sequence, 53 bits a token. They are not torch's.
	Seed uint64
	// RepetitionPenalty above 1 makes tokens that were there before, in the prompt
	// too, less probable: a score below 0 is multiplied by it, others are divided.
	// Greedy search and sampling apply it to logits, beam search to log-probabilities,
	// as transformers does. 1 for none.
	RepetitionPenalty float64
	// LengthPenalty is the exponent of the length that a beam's score is divided
	// by: above 0 favours long sequences, 0 compares plain sums.
	LengthPenalty float64
	EarlyStopping EarlyStopping
	// Returns is how many sequences a picture gets, best first: at most Beams in
	// beam search, 1 in greedy search, MostBeams in sampling.
	Returns int
	// End is the token that ends a sequence: [SEP].
	End int64
}

// Defaults are transformers': greedy search, at most 20 ids. End is that of
// bert-base-uncased; models set their own.
func Defaults() Options {
	return Options{
		Beams: 1, MaxLength: 20, Temperature: 1, TopP: 1, RepetitionPenalty: 1, LengthPenalty: 1,
		EarlyStopping: EarlyFalse, Returns: 1, End: 102,
	}
}

// Check reports every value that is out of its range, and what to write instead.
func (o Options) Check() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	need(o.Beams >= 1 && o.Beams <= MostBeams, "beams are 1 to %d, not %d", MostBeams, o.Beams)
	need(o.MaxLength >= 2 && o.MaxLength <= MostLength, "the greatest length is 2 to %d, not %d", MostLength, o.MaxLength)
	need(o.MinLength >= 0 && o.MinLength <= o.MaxLength, "the least length is 0 to the greatest length %d, not %d", o.MaxLength, o.MinLength)
	need(o.Temperature > 0 && finite(o.Temperature), "the temperature is above 0, not %g", o.Temperature)
	need(o.TopK >= 0, "top k is at least 1, or 0 for all tokens, not %d", o.TopK)
	need(o.TopP > 0 && o.TopP <= 1, "top p is above 0 and at most 1, not %g", o.TopP)
	need(o.RepetitionPenalty > 0 && finite(o.RepetitionPenalty), "the repetition penalty is above 0, not %g", o.RepetitionPenalty)
	need(finite(o.LengthPenalty) && math.Abs(o.LengthPenalty) <= 16, "the length penalty is -16 to 16, not %g", o.LengthPenalty)
	need(o.EarlyStopping == EarlyFalse || o.EarlyStopping == EarlyTrue || o.EarlyStopping == EarlyNever,
		"early stopping is %q, %q or %q, not %q", EarlyFalse, EarlyTrue, EarlyNever, o.EarlyStopping)
	need(!o.Sample || o.Beams == 1, "sampling goes with one beam, not %d: choose one of the two", o.Beams)
	need(o.Returns >= 1 && o.Returns <= o.mostReturns(), "returns are 1 to %d with these options, not %d", o.mostReturns(), o.Returns)
	need(o.End >= 0, "the end token is %d", o.End)
	return errors.Join(errs...)
}

func (o Options) mostReturns() int {
	if o.Sample {
		return MostBeams
	}
	return max(o.Beams, 1)
}
