package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder/bundle"
)

// verify is what the flags of the command say.
type verify struct {
	dir       string
	picture   string
	reference string
}

// verified is the answer with --json.
type verified struct {
	Files       int          `json:"files"`
	Picture     string       `json:"picture_sha256,omitempty"`
	Comparisons []comparison `json:"comparisons,omitempty"`
}

func verifyCommand(environ []string, s cli.Streams) *cobra.Command {
	var v verify
	c := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every file of a model folder against its hash, and values against published ones",
		Long: `Check every file of a model folder against the hash that the conversion wrote.

With --picture the model is also run, on texts for which values of that picture
are published, and compared with them: demo.jpg and merlion.png for
blip-itm-base-coco, merlion.png for blip-itm-large-coco, p0194.png of
demo/samples for the demo model. The pictures of others are not shipped; without
--picture the command says where they are. A model that was converted under
another name is compared with --reference NAME.`,
		Example: `  indexd model verify sightline-model
  indexd model verify sightline-model --picture demo.jpg
  indexd model verify sightline-model --picture merlion.png --reference blip-itm-base-coco`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			v.dir = args[0]
			return v.run(ctx, e)
		}),
	}
	cli.DeviceFlags(c.Flags())
	c.Flags().StringVar(&v.picture, "picture", "", "picture with published values")
	c.Flags().StringVar(&v.reference, "reference", "", "checkpoint to compare with: blip-itm-base-coco, blip-itm-large-coco or demo (default: as the source says)")
	c.Flags().Bool("json", false, "print the outcome as JSON")
	return c
}

func (v verify) run(ctx context.Context, e cli.Env) error {
	if _, known := checkpointNames()[v.reference]; v.reference != "" && !known {
		return cli.Usagef("--reference %q: use blip-itm-base-coco, blip-itm-large-coco or demo", v.reference)
	}
	m, err := bundle.Read(v.dir)
	if err != nil {
		return err
	}
	if err := bundle.Verify(ctx, v.dir, m); err != nil {
		return fmt.Errorf("%s is damaged; convert the checkpoint again:\n%w", v.dir, err)
	}
	out := verified{Files: len(m.Files)}
	rows := publishedFor(m, v.reference)
	if v.picture == "" {
		return v.print(e, out, rows)
	}
	if rows, out.Picture, err = v.choose(m, rows); err != nil {
		return err
	}
	if out.Comparisons, err = v.compare(ctx, e, rows); err != nil {
		return err
	}
	return errors.Join(v.print(e, out, rows), v.verdict(m, out))
}

// choose finds the rows of the picture, and its hash.
func (v verify) choose(m bundle.Manifest, rows []published) ([]published, string, error) {
	if len(rows) == 0 {
		return nil, "", fmt.Errorf("the source of %s, %q, is no checkpoint with published values: say with --reference which one it is", v.dir, m.Source.Path)
	}
	if m.Precision != bundle.FP32 {
		return nil, "", fmt.Errorf("%s is a %s model, and published values are of float32: convert it with --precision fp32 to compare", v.dir, m.Precision)
	}
	data, err := readPicture(v.picture)
	if err != nil {
		return nil, "", err
	}
	hash := sha256.Sum256(data)
	sum := hex.EncodeToString(hash[:])
	found := withPicture(rows, v.picture, sum)
	if len(found) == 0 {
		return nil, "", fmt.Errorf("%s is no picture with published values: for this model there is %s", v.picture, pictureList(rows))
	}
	if want := found[0].picture.sha256; want != "" && want != sum {
		return nil, "", fmt.Errorf("%s has sha256 %s, and the picture that the values are of has %s: take that of %s", v.picture, sum, want, found[0].picture.where)
	}
	return found, sum, nil
}

func (v verify) compare(ctx context.Context, e cli.Env, rows []published) (out []comparison, err error) {
	e.Model = v.dir
	m, closeModel, err := cli.OpenModel(ctx, e.Settings, e.Environ, e.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeModel()) }()
	sc := &scorer{model: m, env: e}
	for _, row := range rows {
		s, err := sc.compute(ctx, pair{Image: v.picture, Text: &row.text, First: string(row.first)})
		if err != nil {
			return nil, err
		}
		out = append(out, compare(row, matchValues{Probability: s.Logits.Probability(), Cosine: s.ITC}))
	}
	return out, nil
}

func (v verify) print(e cli.Env, out verified, rows []published) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, out)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d files are as converted\n", v.dir, out.Files)
	if out.Comparisons == nil && len(rows) > 0 {
		fmt.Fprintf(&b, "values were not checked; some are published, for --picture %s\n", pictureList(rows))
	}
	if out.Comparisons != nil && rows[0].picture.sha256 == "" {
		fmt.Fprintf(&b, "the hash of the right %s is not known here; this one has sha256 %s\n", rows[0].picture.name, out.Picture)
	}
	for _, c := range out.Comparisons {
		c.write(&b)
	}
	_, err := fmt.Fprint(e.Out, b.String())
	return err
}

func (c comparison) write(b *strings.Builder) {
	outcome := "ok"
	if !c.OK {
		outcome = "DIFFERS"
	}
	fmt.Fprintf(b, "%s  %q, [%s] first, by %s\n", outcome, c.Text, strings.ToUpper(c.First), c.By)
	fmt.Fprintf(b, "    match probability  published %.5f  got %.5f  tolerance %g\n", c.Want.Probability, c.Got.Probability, c.Tolerance)
	fmt.Fprintf(b, "    cosine             published %.5f  got %.5f  tolerance %g\n", c.Want.Cosine, c.Got.Cosine, c.Tolerance)
}

// verdict is an error where a value differs, with what is likely the cause.
func (v verify) verdict(m bundle.Manifest, out verified) error {
	if !slices.ContainsFunc(out.Comparisons, func(c comparison) bool { return !c.OK }) {
		return nil
	}
	if slices.ContainsFunc(out.Comparisons, func(c comparison) bool { return c.Eight }) {
		return fmt.Errorf("%s gives the values of 8 attention heads (it has %d and %d): its checkpoint's config.json says 8, which is the class default and wrong; convert it again with this version, which takes width/64", v.dir, m.Vision.Heads, m.Text.Heads)
	}
	return fmt.Errorf("%s does not give the published values: check that the picture is the one that they are of, and the weights those of the checkpoint (vision eps here is %g, caption cleaning %v)", v.dir, m.Vision.Eps, m.Tokenizer.Clean)
}
