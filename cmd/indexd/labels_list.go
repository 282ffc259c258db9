package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/indexer/labels"
)

func labelsListCommand(environ []string, s cli.Streams) *cobra.Command {
	var only []string
	var action string
	c := &cobra.Command{
		Use:   "list [--action flag|hide] [--label NAME]",
		Short: "List items that have labels",
		Long: `List items by their labels, in the order of ids, a line each: id, labels, title.
An item that somebody has corrected is marked with a star. To correct one, say what
its labels are: PATCH /v1/items/ID {"picture_labels": ["striped"]}, or null for none.`,
		Example: `  indexd labels list --labels labels.yaml --action flag
  indexd labels list --labels labels.yaml --label striped --json`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error {
			return listLabels(ctx, e, labels.Action(action), only)
		}),
	}
	labelsFlags(c)
	c.Flags().StringVar(&action, "action", "", "only items with a label whose action is this: none, flag or hide")
	c.Flags().StringArrayVar(&only, "label", nil, "only items with this label; several may be given")
	return c
}

func listLabels(ctx context.Context, e cli.Env, action labels.Action, only []string) error {
	set, err := e.LabelSet()
	if err != nil {
		return err
	}
	if len(set) == 0 {
		return errNoLabels()
	}
	if action != "" {
		only = append(only, set.With(action)...)
		if action == labels.None {
			only = append(only, set.With("")...)
		}
		if len(only) == 0 {
			return cli.Usagef("--action %s: no label has this action; use none, flag or hide", action)
		}
	}
	return withData(ctx, e, openCurrent, func(_ *encoder.Model, d *cli.Data) error {
		return labels.List(ctx, d.Index, only, func(l labels.Listed) error {
			if e.JSON {
				return cli.PrintJSON(e.Out, l)
			}
			mark := ""
			if l.ByHand {
				mark = " *"
			}
			_, err := fmt.Fprintf(e.Out, "%s\t%s%s\t%s\n", l.ID, strings.Join(l.Labels, ", "), mark, l.Title)
			return err
		})
	})
}

// labelScore is a line of 'labels score'.
type labelScore struct {
	ID      string             `json:"id"`
	Margins map[string]float64 `json:"margins"`
	Given   []string           `json:"given"`
}

func labelsScoreCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "score ID...",
		Short:   "Show the margin of every label on the pictures of items",
		Long:    "Show what each label's margin is on the first picture of items, beside its\nthreshold. Nothing is written.",
		Example: "  indexd labels score p0001 p0002 --labels labels.yaml",
		Args:    cli.Args(cobra.MinimumNArgs(1)),
		RunE:    cli.Do(environ, s, scoreLabels),
	}
	labelsFlags(c)
	return c
}

func scoreLabels(ctx context.Context, e cli.Env, ids []string) error {
	return withLabels(ctx, e, func(_ *encoder.Model, parts labels.Parts) error {
		var errs []error
		set := parts.Scorer.Set
		for _, id := range ids {
			margins, err := labels.Of(ctx, parts, id)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if err := printScore(e, set, id, margins); err != nil {
				return err
			}
		}
		return errors.Join(errs...)
	}, true)
}

func printScore(e cli.Env, set labels.Set, id string, margins []float64) error {
	given := set.Given(margins)
	if e.JSON {
		row := labelScore{ID: id, Margins: map[string]float64{}, Given: append([]string{}, given...)}
		for i, l := range set {
			row.Margins[l.Name] = margins[i]
		}
		return cli.PrintJSON(e.Out, row)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", id)
	for i, l := range set {
		mark := " "
		if slices.Contains(given, l.Name) {
			mark = "*"
		}
		fmt.Fprintf(&b, "%s %-24s %8.2f of %.2f\n", mark, l.Name, margins[i], l.Threshold)
	}
	_, err := fmt.Fprint(e.Out, b.String())
	return err
}
