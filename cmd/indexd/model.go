package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
)

func convertCommand(environ []string, s cli.Streams) *cobra.Command {
	var o convert.Options
	var out string
	c := &cobra.Command{
		Use:   "convert SRC --out DIR",
		Short: "Turn a BLIP checkpoint into a model folder",
		Long: `Turn a BLIP checkpoint into a model folder that indexd and searchd load.

SRC is a Hugging Face folder (config.json, model.safetensors or
pytorch_model.bin, vocab.txt or tokenizer.json), or an original .pth, which
needs --config and --vocab. It may be for retrieval, captioning or answering
questions; what the weights are for is seen from them. Pickles are read by an
allow-list; nothing in them is executed. No Python is needed.`,
		Example: `  indexd model convert ./blip-itm-base-coco --out sightline-model
  indexd model convert model_base_retrieval_coco.pth --config med_config.json \
      --vocab vocab.txt --image-size 384 --out sightline-model
  indexd model convert ./blip-image-captioning-base --out captioner`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			return runConvert(ctx, e, args[0], out, o)
		}),
	}
	f := c.Flags()
	f.StringVar(&out, "out", "", "folder to write (required)")
	f.StringVar(&o.Config, "config", "", "med_config.json, for an original .pth")
	f.StringVar(&o.Vocabulary, "vocab", "", "vocab.txt, for an original .pth")
	convertFlags(f, &o)
	f.Bool("json", false, "print the manifest as JSON")
	return c
}

// convertFlags adds the flags that do not depend on where a checkpoint is from.
func convertFlags(f *pflag.FlagSet, o *convert.Options) {
	f.StringVar(&o.Precision, "precision", "fp32", "precision of weights and graphs: fp32, fp16 for CUDA, or int8 for a CPU")
	f.IntVar(&o.ImageSize, "image-size", 0, "side of the pictures in pixels; position embeddings are interpolated (default: as trained)")
	f.StringVar(&o.Task, "task", "", "retrieval, captioning or answering, for weights that are good for several, as those of pre-training are (default: what they are for, retrieval first)")
	f.StringVar(&o.Clean, "clean", "", "BLIP's caption cleaning, on or off (default: on for a .pth, off for a Hugging Face folder)")
	f.BoolVar(&o.Force, "force", false, "replace the model in --out")
}

func runConvert(ctx context.Context, e cli.Env, src, out string, o convert.Options) error {
	if out == "" {
		return cli.Usagef("name the folder to write with --out DIR")
	}
	o.Log = e.Log
	if cli.IsTerminal(e.Err) && !e.JSON {
		o.Progress = percent(e.Err)
	}
	begin := time.Now()
	m, err := convert.Convert(ctx, src, out, o)
	if err != nil {
		return err
	}
	if e.JSON {
		return cli.PrintJSON(e.Out, m)
	}
	if _, err := fmt.Fprintf(e.Out, "converted %s to %s in %.1f s\n\n", cmp.Or(o.Origin, src), out, time.Since(begin).Seconds()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return describe(e.Out, m)
}

func percent(w io.Writer) func(done, total int64) {
	redraw := cli.Redraw(w)
	return func(done, total int64) {
		redraw(done == total, "writing weights: %3d %% of %d MB ", done*100/max(total, 1), total>>20)
	}
}

func infoCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "info DIR",
		Short:   "Describe a model folder",
		Example: "  indexd model info sightline-model\n  indexd model info sightline-model --json | jq .fingerprint",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(_ context.Context, e cli.Env, args []string) error {
			m, err := bundle.Read(args[0])
			if err != nil {
				return err
			}
			if e.JSON {
				return cli.PrintJSON(e.Out, m)
			}
			return describe(e.Out, m)
		}),
	}
	c.Flags().Bool("json", false, "print the manifest as JSON")
	return c
}

func describe(w io.Writer, m bundle.Manifest) error {
	var total int64
	for _, f := range m.Files {
		total += f.Bytes
	}
	cleaning := "off"
	if m.Tokenizer.Clean {
		cleaning = "on"
	}
	lines := [][2]string{
		{"family", fmt.Sprintf("%s, %s, %s, %d MB", m.Family, m.Task, m.Precision, total>>20)},
		{"fingerprint", m.Fingerprint},
		{"vision", fmt.Sprintf("%d layers, width %d, %d heads, %d px in patches of %d (%d tokens), eps %g", m.Vision.Layers, m.Vision.Width, m.Vision.Heads, m.Vision.Image, m.Vision.Patch, m.Vision.Tokens(), m.Vision.Eps)},
		{"text", fmt.Sprintf("%d layers, width %d, %d heads, %d words, at most %d tokens, eps %g", m.Text.Layers, m.Text.Width, m.Text.Heads, m.Text.Vocabulary, m.Tokenizer.MaxTokens, m.Text.Eps)},
	}
	first := strings.ToUpper(m.FirstToken)
	switch m.Task {
	case bundle.Retrieval:
		lines = append(lines, [2]string{"embedding", fmt.Sprint(m.Embedding)},
			[2]string{"first token", fmt.Sprintf("[%s] in the ITM pass; caption cleaning %s", first, cleaning)})
	case bundle.Answering:
		lines = append(lines, [2]string{"first token", fmt.Sprintf("[%s] of questions; question cleaning %s", first, cleaning)})
	}
	lines = append(lines, describeDecoder(m)...)
	lines = append(lines, [][2]string{
		{"source", strings.TrimPrefix(m.Source.Path+"/"+m.Source.Weights, "/") + " (" + m.Source.Layout + ")"},
	}...)
	if c := m.Calibration; c != nil {
		lines = append(lines, [2]string{"calibration", fmt.Sprintf("slope %.3g, intercept %.3g, fitted on %d candidates of %d queries", c.Slope, c.Intercept, c.Pairs, c.Queries)})
	}
	if m.Source.Licence != "" {
		lines = append(lines, [2]string{"licence", m.Source.Licence})
	}
	for _, note := range m.Source.Notes {
		lines = append(lines, [2]string{"note", note})
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%-12s %s\n", l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

// describeDecoder says how a captioning or answering model writes.
func describeDecoder(m bundle.Manifest) [][2]string {
	if m.Decoder == nil {
		return nil
	}
	d, g := m.Decoder, m.Generation
	search := "greedy"
	if g.Beams > 1 {
		search = fmt.Sprintf("%d beams", g.Beams)
	}
	prompt := "no prompt"
	if g.Prompt != "" {
		prompt = fmt.Sprintf("prompt %q", g.Prompt)
	}
	return [][2]string{
		{"decoder", fmt.Sprintf("reads states of width %d; begins with token %d, ends with %d", d.Width, d.Begin, d.End)},
		{"writes", fmt.Sprintf("%s, %d to %d tokens, %s", search, g.MinLength, g.MaxLength, prompt)},
	}
}
