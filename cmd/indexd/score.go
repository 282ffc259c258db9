package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
)

// pair is one line of a pairs file, and the flags of a single pair.
type pair struct {
	Image string  `json:"image"`
	Text  *string `json:"text"` // may be empty, but not left out: a misspelt key would score the empty text
	First string  `json:"first_token"`
}

// pairScore is one line of the answer.
type pairScore struct {
	ITC         float64        `json:"itc"`
	Logits      encoder.Logits `json:"itm_logits"`
	Probability float64        `json:"match_probability"`
	IDs         []int64        `json:"token_ids"` // as the ITM pass read them
}

func scoreCommand(environ []string, s cli.Streams) *cobra.Command {
	var p pair
	var text, file string
	c := &cobra.Command{
		Use:   "score --model DIR (--image FILE --text TEXT | --pairs FILE.jsonl)",
		Short: "Score picture-text pairs by ITC and ITM",
		Long: `Score picture-text pairs: the cosine of the two embeddings (ITC) and the two
raw logits of the image-grounded encoder (ITM). A line of a pairs file is
{"image": PATH, "text": TEXT, "first_token": "enc" or "cls"}; paths are relative
to the file. Patch states are float32 here, so values are the reference.`,
		Example: `  indexd model score --model sightline-model --image shoe.jpg --text "a red shoe"
  indexd model score --model sightline-model --pairs pairs.jsonl --json`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error {
			return runScore(ctx, e, p, file)
		}),
	}
	c.PreRun = func(*cobra.Command, []string) {
		if c.Flags().Changed("text") {
			p.Text = &text
		}
	}
	cli.ModelFlags(c.Flags())
	c.Flags().StringVar(&p.Image, "image", "", "picture")
	c.Flags().StringVar(&text, "text", "", "text")
	c.Flags().StringVar(&p.First, "first-token", "", "token 0 of the ITM pass: enc, as BLIP was trained, or cls, as Hugging Face's class leaves it (default: the model's)")
	c.Flags().StringVar(&file, "pairs", "", "file of pairs, one JSON object a line")
	c.Flags().Bool("json", false, "one JSON object a pair")
	return c
}

func runScore(ctx context.Context, e cli.Env, p pair, file string) (err error) {
	single := p.Image != "" && p.Text != nil && file == ""
	if many := file != "" && p.Image == "" && p.Text == nil; !single && !many {
		return cli.Usagef("give either --image FILE and --text TEXT, or --pairs FILE.jsonl")
	}
	m, closeModel, err := cli.OpenModel(ctx, e.Settings, e.Environ, e.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModel()) }()
	sc := &scorer{model: m, env: e}
	if single {
		return sc.score(ctx, p)
	}
	return sc.scoreFile(ctx, file, p.First)
}

// scorer keeps the last picture: pairs files often list many texts of one.
type scorer struct {
	model    *encoder.Model
	env      cli.Env
	image    string
	features encoder.Features
}

// maxPairLine bounds one line of a pairs file.
const maxPairLine = 1 << 20

func (sc *scorer) scoreFile(ctx context.Context, file, first string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open pairs: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxPairLine)
	n := 1
	for ; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		p := pair{First: first}
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return fmt.Errorf("%s line %d: %w", file, n, err)
		}
		if p.Image != "" && !filepath.IsAbs(p.Image) {
			p.Image = filepath.Join(filepath.Dir(file), p.Image)
		}
		if err := sc.score(ctx, p); err != nil {
			return fmt.Errorf("%s line %d: %w", file, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s line %d: %w", file, n, err)
	}
	return nil
}

func (sc *scorer) score(ctx context.Context, p pair) error {
	out, err := sc.compute(ctx, p)
	if err != nil {
		return err
	}
	return sc.print(out)
}

func (sc *scorer) compute(ctx context.Context, p pair) (pairScore, error) {
	first := encoder.FirstToken(p.First)
	if first == "" {
		first = encoder.FirstToken(sc.model.Manifest().FirstToken)
	}
	if first != encoder.FirstEnc && first != encoder.FirstCls {
		return pairScore{}, cli.Usagef("first token %q: use enc or cls", first)
	}
	if p.Image == "" || p.Text == nil {
		return pairScore{}, cli.Usagef(`a pair needs an "image" and a "text"`)
	}
	if err := sc.look(ctx, p.Image); err != nil {
		return pairScore{}, err
	}
	q := sc.model.Tokenize(*p.Text)
	if q.Cut > 0 {
		sc.env.Log.Warn("text is longer than the model reads", "kept", len(q.IDs), "dropped", q.Cut)
	}
	text, err := sc.model.Texts(ctx, []encoder.Query{q})
	if err != nil {
		return pairScore{}, err
	}
	logits, err := sc.model.MatchFirst(ctx, first, q, []encoder.States{sc.features.States})
	if err != nil {
		return pairScore{}, err
	}
	out := pairScore{Logits: logits[0], Probability: sc.model.Probability(logits[0]), IDs: q.IDs}
	out.IDs[0] = sc.model.FirstID(first)
	for i, v := range text[0] {
		out.ITC += float64(v) * float64(sc.features.Embedding[i])
	}
	return out, nil
}

func (sc *scorer) print(s pairScore) error {
	if sc.env.JSON {
		return cli.PrintJSON(sc.env.Out, s)
	}
	_, err := fmt.Fprintf(sc.env.Out, "itc %.4f   itm logits %.4f %.4f   match probability %.4f\n", s.ITC, s.Logits[0], s.Logits[1], s.Probability)
	return err
}

func (sc *scorer) look(ctx context.Context, path string) error {
	if path == sc.image {
		return nil
	}
	data, err := readPicture(path)
	if err != nil {
		return err
	}
	px, err := sc.model.Pixels(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := sc.model.Images(ctx, []encoder.Pixels{px})
	if err != nil {
		return err
	}
	sc.image, sc.features = path, f[0]
	return nil
}

// maxPicture is one byte more than any limit on pictures lets through.
const maxPicture = 64 << 20

func readPicture(path string) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open picture: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, maxPicture))
	if err != nil {
		return nil, fmt.Errorf("read picture %s: %w", path, err)
	}
	return data, nil
}
