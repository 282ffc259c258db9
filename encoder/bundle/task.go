package bundle

import (
	"errors"
	"fmt"
	"math"
)

// Tasks of a bundle.
const (
	Retrieval  = "retrieval"  // pictures and texts to embeddings and match logits
	Captioning = "captioning" // a picture to a text
	Answering  = "answering"  // a picture and a question to a text
)

// Decoder is the text decoder of a captioning or answering model. It has the
// sizes of Manifest.Text, which are also those of an answering model's question
// encoder.
type Decoder struct {
	// Width is that of the states which its cross-attention reads: Vision.Width,
	// or Text.Width of an answering model.
	Width int   `json:"width"`
	Begin int64 `json:"begin"` // token 0 of what it writes: [DEC]
	End   int64 `json:"end"`   // what it stops at: [SEP]
	Pad   int64 `json:"pad"`
}

// Generation is how the model's own code has it write. A caller may choose
// otherwise, so it is no part of the fingerprint.
type Generation struct {
	// Prompt is what captions start with; it is no part of the caption. "" of
	// Hugging Face's models.
	Prompt string `json:"prompt,omitempty"`
	// Beams of beam search, 1 for greedy search.
	Beams int `json:"beams"`
	// MinLength and MaxLength count tokens: with Begin and the prompt, and
	// MaxLength with End.
	MinLength int `json:"min_length"`
	MaxLength int `json:"max_length"`
	// RepetitionPenalty and LengthPenalty as transformers has them; 1 does nothing
	// in the first and divides a beam's score by its length in the second.
	RepetitionPenalty float64 `json:"repetition_penalty"`
	LengthPenalty     float64 `json:"length_penalty"`
}

// Require returns an error that names the fix where the model is for another
// task than the caller's.
func (m Manifest) Require(task string) error { return m.RequireAs(task, "--model") }

// RequireAs is Require where another flag names the model.
func (m Manifest) RequireAs(task, flag string) error {
	if m.Task == task || m.Task == "" && task == Retrieval {
		return nil
	}
	return fmt.Errorf("the model is for %s, and this needs one for %s: name the folder of such a model with %s, or make one with 'indexd model convert CHECKPOINT --out DIR' of %s",
		m.Task, task, flag, sources[task])
}

// sources are the checkpoints that a task's bundles are made of.
var sources = map[string]string{
	Retrieval:  "BlipForImageTextRetrieval (blip-itm-*)",
	Captioning: "BlipForConditionalGeneration (blip-image-captioning-*)",
	Answering:  "BlipForQuestionAnswering (blip-vqa-*)",
}

// generating is the task of a model that writes, else "".
func (m Manifest) generating() string {
	if m.Task == Retrieval {
		return ""
	}
	return m.Task
}

func (m Manifest) checkTask() error {
	_, known := sources[m.Task]
	switch {
	case !known:
		return fmt.Errorf("a model for %q, this program runs %s, %s and %s", m.Task, Retrieval, Captioning, Answering)
	case m.Task == Retrieval && (m.Decoder != nil || m.Generation != nil):
		return errors.New("a retrieval model with a decoder: the manifest was edited; convert again")
	case m.Task == Retrieval:
		return nil
	case m.Decoder == nil || m.Generation == nil:
		return fmt.Errorf("a %s model without decoder or generation: the manifest was edited; convert again", m.Task)
	}
	return errors.Join(m.Decoder.check(m), m.Generation.check(m.Text.Positions))
}

func (d Decoder) check(m Manifest) error {
	want := m.Vision.Width
	if m.Task == Answering {
		want = m.Text.Width
	}
	if d.Width != want {
		return fmt.Errorf("decoder.width is %d, the states that it reads have %d", d.Width, want)
	}
	for _, id := range []int64{d.Begin, d.End, d.Pad} {
		if id < 0 || id >= int64(m.Text.Vocabulary) {
			return fmt.Errorf("decoder: id %d of a special token is not one of %d", id, m.Text.Vocabulary)
		}
	}
	return nil
}

// maxBeams bounds the rows of a step; nobody uses more than 10.
const maxBeams = 64

func (g Generation) check(positions int) error {
	positive := func(v float64) bool { return v > 0 && !math.IsInf(v, 1) }
	switch {
	case g.Beams < 1 || g.Beams > maxBeams:
		return fmt.Errorf("generation.beams is %d, must be 1 to %d", g.Beams, maxBeams)
	case g.MaxLength < 2 || g.MaxLength > positions:
		return fmt.Errorf("generation.max_length is %d, must be 2 to %d, the positions of the model", g.MaxLength, positions)
	case g.MinLength < 0 || g.MinLength > g.MaxLength:
		return fmt.Errorf("generation.min_length is %d, must be 0 to %d", g.MinLength, g.MaxLength)
	case !positive(g.RepetitionPenalty):
		return fmt.Errorf("generation.repetition_penalty is %g, must be above 0", g.RepetitionPenalty)
	case math.IsNaN(g.LengthPenalty) || math.IsInf(g.LengthPenalty, 0):
		return fmt.Errorf("generation.length_penalty is %g", g.LengthPenalty)
	}
	return nil
}
