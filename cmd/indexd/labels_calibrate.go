package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/indexer/labels"
)

func labelsCalibrateCommand(environ []string, s cli.Streams) *cobra.Command {
	var truth, out string
	f := labels.Fitting{Precision: 0.9, HoldOut: 0.5}
	c := &cobra.Command{
		Use:   "calibrate --truth FILE",
		Short: "Find the labels' thresholds from items that people have judged",
		Long: `Find a threshold of each label: the one that gives most at the precision
--precision, over one part of the items in --truth; the other part says what that
precision and recall are really, with 95 % intervals. Variants of a product are in
one part. A label that too few items are judged for, or that no threshold makes so
precise, is left out of --out and named there.

--truth is JSONL, a line for each item: {"id": "p1", "labels": ["striped"]}. All other
labels are taken as not true of it, unless "judged" lists those that were looked for.
Items should be drawn from the catalogue by chance: of a file in which half of the
pictures show weapons, the precision is that of a shop in which half do.

Thresholds are for this model: they are refused with another. Exit code 3 where a
label has none, or an item could not be judged.`,
		Example: `  indexd labels calibrate --labels labels.yaml --truth truth.jsonl --precision 0.95 --out fitted.yaml
  indexd labels --labels fitted.yaml`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error { return calibrateLabels(ctx, e, f, truth, out) }),
	}
	labelsFlags(c)
	c.Flags().StringVar(&truth, "truth", "", "JSONL file of items that people have judged (required)")
	c.Flags().StringVar(&out, "out", "", "write labels with their thresholds to this file, for --labels (default: print them)")
	c.Flags().Float64Var(&f.Precision, "precision", f.Precision, "share of what is given that is to be right; 0 for the best F1")
	c.Flags().Float64Var(&f.HoldOut, "hold-out", f.HoldOut, "share of the items that measure, and do not choose")
	return c
}

func calibrateLabels(ctx context.Context, e cli.Env, f labels.Fitting, path, out string) error {
	set, err := e.LabelSet()
	switch {
	case err != nil:
		return err
	case len(set) == 0:
		return errNoLabels()
	case path == "":
		return cli.Usagef(`name the judged items with --truth FILE, a line for each such as {"id": "p1", "labels": ["striped"]}`)
	}
	if err := f.Check(); err != nil {
		return cli.Usage(err)
	}
	truth, err := readTruth(path, set)
	if err != nil {
		return err
	}
	return withLabels(ctx, e, func(_ *encoder.Model, parts labels.Parts) error {
		p := newProgress(e)
		c, err := labels.Calibrate(ctx, parts, truth, f, func(at labels.Progress) { p.count(at.Done, at.Of) })
		p.finish()
		if err != nil {
			return err
		}
		return finishCalibration(e, c, out)
	}, true)
}

func readTruth(path string, set labels.Set) ([]labels.Truth, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.Usagef("--truth: %w", err)
	}
	defer f.Close()
	truth, err := labels.ReadTruth(f, set)
	if err == nil && len(truth) == 0 {
		err = errors.New("is empty")
	}
	if err != nil {
		return nil, cli.Usagef("--truth %s: %w", path, err)
	}
	return truth, nil
}

func finishCalibration(e cli.Env, c labels.Calibration, out string) error {
	if out != "" {
		if err := os.WriteFile(out, []byte(c.YAML()), 0o644); err != nil {
			return fmt.Errorf("write thresholds: %w", err)
		}
	}
	var err error
	if e.JSON {
		err = cli.PrintJSON(e.Out, c)
	} else {
		_, err = fmt.Fprint(e.Out, calibrationText(c, out))
	}
	without := 0
	for _, l := range c.Labels {
		if l.Problem != "" {
			without++
		}
	}
	if err == nil && without+c.Missing > 0 {
		return fmt.Errorf("%w: %d labels have no threshold, %d items could not be judged", cli.ErrSomeFailed, without, c.Missing)
	}
	return err
}

func calibrationText(c labels.Calibration, out string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d pictures chose, %d measured\n", c.Fitted, c.Held)
	fmt.Fprintf(&b, "%-24s %9s %14s %-22s %s\n", "label", "threshold", "right/given", "precision", "recall")
	for _, l := range c.Labels {
		if l.Problem != "" {
			fmt.Fprintf(&b, "%-24s %9s %s\n", l.Label.Name, "none", l.Problem)
			continue
		}
		fmt.Fprintf(&b, "%-24s %9.2f %14s %-22s %s of %d\n", l.Label.Name, l.Label.Threshold,
			fmt.Sprintf("%d/%d", l.Held.Right, l.Held.Given), l.Held.Precision, l.Held.Recall, l.Held.True)
	}
	if c.Missing > 0 {
		fmt.Fprintf(&b, "not in the catalogue, or without a picture: %d, among them %s\n", c.Missing, strings.Join(c.Unknown, ", "))
	}
	if out == "" {
		b.WriteString("\n" + c.YAML())
	} else {
		fmt.Fprintf(&b, "thresholds: %s\n", out)
	}
	return b.String()
}
