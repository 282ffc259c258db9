package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/bundle"
)

// written is one line of the answer.
type written struct {
	Image  string   `json:"image,omitempty"` // where there are several
	Text   string   `json:"text"`
	IDs    []int64  `json:"ids,omitempty"`
	Ranked []ranked `json:"ranked,omitempty"`
}

type ranked struct {
	Text  string  `json:"text"`
	Score float64 `json:"score"`
}

func captionCommand(environ []string, s cli.Streams) *cobra.Command {
	var w writing
	c := &cobra.Command{
		Use:   "caption --model DIR --image FILE",
		Short: "Describe pictures in words",
		Long: `Describe pictures in words, with a captioning model (blip-image-captioning-*).
Without flags it writes as the model's own code does; --beams 1 gives the token
ids of transformers' generate. With --top-p, --top-k, --temperature or --seed it
samples.`,
		Example: `  indexd model caption --model captioner --image shoe.jpg
  indexd model caption --model captioner --image ./pictures --prompt "a picture of" --beams 3 --json
  indexd model caption --model captioner --image shoe.jpg --top-p 0.9 --seed 7`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error { return runCaption(ctx, e, &w) }),
	}
	cli.ModelFlags(c.Flags())
	w.register(c.Flags())
	return c
}

func runCaption(ctx context.Context, e cli.Env, w *writing) error {
	files, err := w.files()
	if err != nil {
		return err
	}
	return eachBatch(ctx, e, bundle.Captioning, files, func(m *encoder.Model) (func([]string, []encoder.States) error, error) {
		prompt, o, err := w.options(m)
		return func(names []string, states []encoder.States) error {
			texts, err := m.Caption(ctx, states, prompt, o)
			if err != nil {
				return err
			}
			return printWritten(e, names, texts, len(files) > 1)
		}, err
	})
}

func printWritten(e cli.Env, names []string, texts []encoder.Generated, several bool) error {
	for i, t := range texts {
		line := written{Text: t.Text, IDs: t.IDs}
		if several {
			line.Image = names[i]
		}
		if err := printLine(e, line); err != nil {
			return err
		}
	}
	return nil
}

func printLine(e cli.Env, line written) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, line)
	}
	if line.Image != "" {
		line.Image += ": "
	}
	_, err := fmt.Fprintf(e.Out, "%s%s\n", line.Image, line.Text)
	return err
}

// asking are the flags of a question.
type asking struct {
	writing
	question, answers, first string
	keep                     int
}

func answerCommand(environ []string, s cli.Streams) *cobra.Command {
	a := asking{writing: writing{withoutPrompt: true}}
	c := &cobra.Command{
		Use:   "answer --model DIR --image FILE --question TEXT",
		Short: "Answer a question about pictures",
		Long: `Answer a question about pictures, with an answering model (blip-vqa-*): in its
own words, or, with --answers, by the best of a list, one answer a line, as BLIP
was evaluated: the answers with the likeliest first words are read to their end
and ordered by the loss.`,
		Example: `  indexd model answer --model answerer --image beach.jpg --question "where is the woman sitting?"
  indexd model answer --model answerer --image beach.jpg --question "what colour is the dog?" --answers colours.txt --json`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error { return runAnswer(ctx, e, &a) }),
	}
	cli.ModelFlags(c.Flags())
	a.register(c.Flags())
	c.Flags().StringVar(&a.question, "question", "", "question (required)")
	c.Flags().StringVar(&a.answers, "answers", "", "file of answers to choose from, one a line")
	c.Flags().StringVar(&a.first, "first-token", "", "token 0 of the question: enc, as BLIP was trained, or cls, as Hugging Face's class leaves it (default: the model's)")
	c.Flags().IntVar(&a.keep, "rank", encoder.DefaultRank, "with --answers: how many are read to their end")
	return c
}

func runAnswer(ctx context.Context, e cli.Env, a *asking) error {
	if strings.TrimSpace(a.question) == "" {
		return cli.Usagef("ask something with --question TEXT")
	}
	files, err := a.files()
	if err != nil {
		return err
	}
	var answers []string
	if a.answers != "" {
		if answers, err = readAnswers(a.answers); err != nil {
			return err
		}
	}
	return eachBatch(ctx, e, bundle.Answering, files, func(m *encoder.Model) (func([]string, []encoder.States) error, error) {
		q := m.Tokenize(a.question)
		if q.Cut > 0 {
			e.Log.Warn("the question is longer than the model reads", "kept", len(q.IDs), "dropped", q.Cut)
		}
		first, err := a.firstToken(m)
		if err != nil {
			return nil, err
		}
		if answers != nil {
			r := ranking{e, m, first, encoder.Asked{Question: q, Answers: answers}, a.keep, len(files) > 1}
			return func(names []string, states []encoder.States) error { return r.write(ctx, names, states) }, nil
		}
		_, o, err := a.options(m)
		return func(names []string, states []encoder.States) error {
			questions := make([]encoder.Query, len(states))
			for i := range questions {
				questions[i] = q
			}
			texts, err := m.AnswerFirst(ctx, first, states, questions, o)
			if err != nil {
				return err
			}
			return printWritten(e, names, texts, len(files) > 1)
		}, err
	})
}

func (a *asking) firstToken(m *encoder.Model) (encoder.FirstToken, error) {
	first := encoder.FirstToken(a.first)
	if first == "" {
		first = encoder.FirstToken(m.Manifest().FirstToken)
	}
	if first != encoder.FirstEnc && first != encoder.FirstCls {
		return "", cli.Usagef("first token %q: use enc or cls", first)
	}
	return first, nil
}
