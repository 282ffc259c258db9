package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/indexer/labels"
)

func labelsCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "labels [--labels FILE]",
		Short: "Give items labels by their pictures, for filters and for moderation",
		Long: `Judge the first picture of every item by the labels of the settings: by ITM, one
picture against all texts, with a threshold for each label. The labels that apply
become the items' attribute "picture_labels", a list for filters and facets. Items
that have labels of these texts, thresholds and model for their picture are passed
over, and so are those that somebody has corrected: a run that was stopped goes on
where it was, and one after each import costs little. Where searchd and 'indexd
import' have the same labels in their settings, new pictures get theirs at once.

Labels are a list under "labels" in the settings file, or in the file --labels:

  labels:
    - name: striped
      texts: ["a striped product"]
      group: pattern      # at most one label of a group: the best one
      threshold: 1.5      # of match logit - no-match logit; 0 if left out
      action: none        # flag: listed for people; hide: left out of searches too

Thresholds that mean something come from 'indexd labels calibrate'. This is no
safety system: docs/labels.md says what labels miss.

It works on the data folder, which nothing else may have open. Exit codes as of
'indexd import': 3 where items could not be judged.`,
		Example: `  indexd labels --labels labels.yaml
  indexd labels --labels labels.yaml --dry-run
  indexd labels list --labels labels.yaml --action flag
  indexd labels calibrate --labels labels.yaml --truth truth.jsonl --precision 0.95 --out fitted.yaml`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error { return runLabels(ctx, e) }),
	}
	labelsFlags(c)
	c.Flags().Bool("dry-run", false, "say how many items there are to judge, and judge none")
	c.AddCommand(labelsCalibrateCommand(environ, s), labelsListCommand(environ, s), labelsScoreCommand(environ, s))
	return c
}

// labelsFlags are those of the command and of all below it.
func labelsFlags(c *cobra.Command) {
	cli.DataFlags(c.Flags())
	cli.ModelFlags(c.Flags())
	cli.LabelsFlag(c.Flags())
	c.Flags().Bool("json", false, "print JSON, without progress")
}

// errNoLabels says what is missing.
func errNoLabels() error {
	return cli.Usagef("there are no labels: write a list of them into a file and name it with --labels FILE, or under labels: in the settings file; 'indexd labels --help' has one")
}

// withLabels opens model and catalogue for do.
func withLabels(ctx context.Context, e cli.Env, do func(*encoder.Model, labels.Parts) error, anyModel bool) error {
	set, err := e.LabelSet() // before a model is loaded
	if err == nil && len(set) == 0 {
		err = errNoLabels()
	}
	if err != nil {
		return err
	}
	return withData(ctx, e, openCurrent, func(m *encoder.Model, d *cli.Data) error {
		scorer, err := cli.OpenScorer(e.Settings, m, e.Log)
		if anyModel {
			scorer, err = cli.AnyScorer(e.Settings, m, e.Log)
		}
		if err != nil {
			return err
		}
		return do(m, labels.Parts{Scorer: scorer, Index: d.Index, Features: d.Features, Pictures: d.Pictures, Images: m})
	})
}

func runLabels(ctx context.Context, e cli.Env) error {
	return withLabels(ctx, e, func(_ *encoder.Model, parts labels.Parts) error {
		p := newProgress(e)
		sum, err := labels.Run(ctx, parts, e.DryRun, func(at labels.Progress) {
			p.show(int64(at.Done), int64(at.Of), func() string { return labelling(at, time.Since(p.begin)) })
		})
		p.finish()
		if err != nil {
			return fmt.Errorf("labels, after %d items, which have theirs; run it again to go on: %w", sum.Scored, err)
		}
		err = printLabels(e, parts.Scorer.Set, sum)
		if err == nil && sum.Failed > 0 {
			return fmt.Errorf("%w: %d of %d could not be judged", cli.ErrSomeFailed, sum.Failed, sum.Items)
		}
		return err
	}, false)
}

// labelling is a line of progress.
func labelling(at labels.Progress, took time.Duration) string {
	return fmt.Sprintf("%d of %d items, %d judged in %s", at.Done, at.Of, at.New, took.Round(time.Second))
}

func printLabels(e cli.Env, set labels.Set, sum labels.Summary) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, sum)
	}
	var b strings.Builder
	for _, f := range sum.Failures {
		fmt.Fprintf(&b, "failed  %s: %s\n", f.ID, f.Reason)
	}
	fmt.Fprintf(&b, "%d items: %d judged in this run, %d corrected by hand and left alone, %d could not be judged\n", sum.Items, sum.Scored, sum.ByHand, sum.Failed)
	if e.DryRun {
		fmt.Fprintf(&b, "%d left to judge\n", sum.Left)
	}
	for _, l := range set {
		fmt.Fprintf(&b, "%-24s %6d", l.Name, sum.Labels[l.Name])
		if l.Action == labels.Flag || l.Action == labels.Hide {
			fmt.Fprintf(&b, "  %s", l.Action)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%d items flagged, %d hidden\n", sum.Flagged, sum.Hidden)
	_, err := fmt.Fprint(e.Out, b.String())
	return err
}
