package encoder

import (
	"context"
	"errors"
	"fmt"

	"sightline/encoder/decode"
)

// Generated is a text that a model wrote.
type Generated struct {
	// Text is what follows the prompt, without special tokens.
	Text string
	// IDs are those of transformers' generate, without padding: [DEC], the prompt,
	// the text, and [SEP] where it ended before the greatest length.
	IDs []int64
	// LogProb is the log-probability that the model gives to all that follows the
	// prompt; Tokens have that of each, before any penalty.
	LogProb float64
	Tokens  []Token
	// Others are the further sequences that decode.Options.Returns asked for.
	Others []Generated
}

// Token is one token that a model wrote.
type Token struct {
	ID      int64
	Text    string // "" of special tokens
	LogProb float64
}

// Writing is how the model's own code has it write, for captions and answers: what
// it begins with, and how it searches.
func (m *Model) Writing() (prompt string, o decode.Options) {
	o = decode.Defaults()
	if d := m.manifest.Decoder; d != nil {
		o.End = d.End
	}
	if g := m.manifest.Generation; g != nil {
		prompt = g.Prompt
		o.Beams, o.MinLength, o.MaxLength = g.Beams, g.MinLength, g.MaxLength
		o.RepetitionPenalty, o.LengthPenalty = g.RepetitionPenalty, g.LengthPenalty
	}
	return prompt, o
}

// Caption writes a text about each picture, which goes on from the prompt; ""
// begins at [DEC], "a picture of " is what BLIP was trained with. o.End is set by
// the model; Writing has the model's own prompt and options. All pictures are in memory at once, up to 42 MB each for BLIP-base: callers
// bound how many. An error of a manifest that has no captioning decoder says so.
func (m *Model) Caption(ctx context.Context, states []States, prompt string, o decode.Options) ([]Generated, error) {
	return m.CaptionWanted(ctx, states, prompt, o, nil)
}

// CaptionWanted is Caption for several callers at once: before every step it asks
// whether picture i is still wanted, and stops reading it when it is not; its
// Generated is then empty. nil wants all.
func (m *Model) CaptionWanted(ctx context.Context, states []States, prompt string, o decode.Options, wanted func(i int) bool) ([]Generated, error) {
	if err := m.checkLength(o); err != nil || len(states) == 0 {
		return nil, err
	}
	d, err := m.Decoder(ctx, states)
	if err != nil {
		return nil, err
	}
	return m.write(ctx, d, m.prompt(prompt), o, wanted)
}

// Answer answers a question about each picture in the decoder's own words; o.End
// is set by the model. Memory is as Caption's.
func (m *Model) Answer(ctx context.Context, states []States, questions []Query, o decode.Options) ([]Generated, error) {
	return m.AnswerWanted(ctx, states, questions, o, nil)
}

// AnswerFirst is Answer with token 0 of the questions chosen by the caller: BLIP has
// [ENC] there, transformers' class leaves [CLS].
func (m *Model) AnswerFirst(ctx context.Context, first FirstToken, states []States, questions []Query, o decode.Options) ([]Generated, error) {
	return m.answer(ctx, first, asking{states, questions, nil}, o)
}

// asking is what an answer is made from.
type asking struct {
	states    []States
	questions []Query
	wanted    func(i int) bool
}

// AnswerWanted is Answer as CaptionWanted is Caption.
func (m *Model) AnswerWanted(ctx context.Context, states []States, questions []Query, o decode.Options, wanted func(i int) bool) ([]Generated, error) {
	return m.answer(ctx, FirstToken(m.manifest.FirstToken), asking{states, questions, wanted}, o)
}

func (m *Model) answer(ctx context.Context, first FirstToken, a asking, o decode.Options) ([]Generated, error) {
	if err := m.checkLength(o); err != nil || len(a.states) == 0 {
		return nil, err
	}
	d, err := m.AnswerDecoderFirst(ctx, first, a.states, a.questions)
	if err != nil {
		return nil, err
	}
	return m.write(ctx, d, []int64{m.manifest.Decoder.Begin}, o, a.wanted)
}

// checkLength refuses what would fail after the picture had been read.
func (m *Model) checkLength(o decode.Options) error {
	if err := o.Check(); err != nil {
		return err
	}
	if most := m.manifest.Text.Positions; o.MaxLength > most {
		return fmt.Errorf("the greatest length is %d ids, the model has %d positions: ask for at most %d", o.MaxLength, most, most)
	}
	return nil
}

// prompt is [DEC] and the words of a text.
func (m *Model) prompt(text string) []int64 {
	ids := m.tokenizer.EncodeRaw(text).IDs
	ids[0] = m.manifest.Decoder.Begin
	return ids[:len(ids)-1]
}

// write generates from one prompt for every picture of d, and closes d.
func (m *Model) write(ctx context.Context, d *Decoder, prompt []int64, o decode.Options, wanted func(i int) bool) (all []Generated, err error) {
	defer func() { err = errors.Join(err, d.Close()) }()
	o.End = m.manifest.Decoder.End
	prompts := make([][]int64, d.pictures)
	for i := range prompts {
		prompts[i] = prompt
	}
	sequences, err := decode.GenerateWanted(ctx, &roster{d: d}, prompts, o, wanted)
	if err != nil {
		return nil, err
	}
	all = make([]Generated, len(sequences))
	for i, some := range sequences {
		for j, s := range some {
			g := m.generated(s, len(prompt))
			if j == 0 {
				all[i] = g
			} else {
				all[i].Others = append(all[i].Others, g)
			}
		}
	}
	return all, nil
}

func (m *Model) generated(s decode.Sequence, prompt int) Generated {
	g := Generated{Text: m.tokenizer.Decode(s.IDs[prompt:]), IDs: s.IDs, LogProb: s.LogProb()}
	for i, p := range s.LogProbs {
		id := s.IDs[prompt+i]
		g.Tokens = append(g.Tokens, Token{ID: id, Text: m.tokenizer.Decode([]int64{id}), LogProb: float64(p)})
	}
	return g
}
