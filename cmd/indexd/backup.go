package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/store/backup"
	"sightline/store/features"
)

// embeddedOnly is for commands about the files of a data folder.
func embeddedOnly(e cli.Env, command string) error {
	if e.Store == "milvus" {
		return cli.Usagef("%s works on the embedded store: with --store milvus, use Milvus's own tools for its data, and copy the pictures folder, or with --blobs the bucket's pictures/", command)
	}
	return nil
}

func backupCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup TO",
		Short: "Copy the data folder, while it is in use",
		Long: `Copy catalogue and pictures into the folder TO, while searchd serves them or an
import writes. The copy of the catalogue is that of one moment. Run again with
the same TO it copies new pictures only; one that is stopped leaves the earlier
backup whole. Patch states are left out: 'indexd repair' computes them again
after a restore. Give --blobs where searchd has it: pictures that the data folder
holds no copy of are then read from the bucket.

Exit codes: 0 all copied, 3 some pictures are missing or damaged (they are
listed), 1 failed, 2 wrong usage, 130 interrupted.`,
		Example: `  indexd backup /mnt/backup/shop
  indexd backup /mnt/backup/shop --data ./sightline-data --json`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			if err := embeddedOnly(e, "backup"); err != nil {
				return err
			}
			p := newProgress(e)
			r, err := backup.Backup(ctx, e.Data, args[0], backup.Options{Progress: p.count, Pictures: picturesOf(ctx, e)})
			p.finish()
			if err != nil {
				return err
			}
			return errors.Join(copyError(r), printCopied(e, r, "backed up to "+args[0]))
		}),
	}
	cli.DataFlags(c.Flags())
	c.Flags().Bool("json", false, "print the result as JSON, without progress")
	return c
}

func restoreCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "restore FROM",
		Short: "Make a data folder from a backup",
		Long: `Make the data folder --data, which must be empty or not be there, from the
backup in FROM. A restore that is stopped goes on when it is run again. Searches
work at once after it; 'indexd repair' then computes the patch states that the
second look reads. With --blobs, pictures that the bucket lacks are written there
too.

Exit codes: 0 all restored, 3 some pictures are missing or damaged (they are
listed), 1 failed, 2 wrong usage, 130 interrupted.`,
		Example: `  indexd restore /mnt/backup/shop --data ./sightline-data
  indexd repair --data ./sightline-data --model ./sightline-model`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			if err := embeddedOnly(e, "restore"); err != nil {
				return err
			}
			p := newProgress(e)
			r, err := backup.Restore(ctx, args[0], e.Data, backup.Options{Progress: p.count, Pictures: picturesOf(ctx, e)})
			p.finish()
			if err != nil {
				return err
			}
			return errors.Join(copyError(r), printCopied(e, r, "restored into "+e.Data))
		}),
	}
	cli.DataFlags(c.Flags())
	c.Flags().Bool("json", false, "print the result as JSON, without progress")
	return c
}

// picturesOf opens the originals of the data folder for store/backup.
func picturesOf(ctx context.Context, e cli.Env) func() (backup.Pictures, error) {
	return func() (backup.Pictures, error) { return cli.OpenPictures(ctx, e) }
}

func copyError(r backup.Report) error {
	if r.Failed > 0 {
		return fmt.Errorf("%w: %d pictures, listed above", cli.ErrSomeFailed, r.Failed)
	}
	return nil
}

func printCopied(e cli.Env, r backup.Report, what string) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, r)
	}
	printProblems(e, r.Problems, r.Failed)
	items := 0
	for _, c := range r.Manifest.Collections {
		items += c.Items
	}
	fmt.Fprintf(e.Out, "%d items in %d catalogue(s) %s: %d pictures copied, %d were there, %d failed\n",
		items, len(r.Manifest.Collections), what, r.Copied, r.Manifest.Pictures-r.Copied-r.Failed, r.Failed)
	return nil
}

func printProblems(e cli.Env, problems []backup.Problem, failed int) {
	for _, p := range problems {
		if p.Item != "" {
			fmt.Fprintf(e.Out, "failed  item %s: %s\n", p.Item, p.What)
		} else {
			fmt.Fprintf(e.Out, "failed  %s\n", p.What)
		}
	}
	if more := failed - len(problems); more > 0 {
		fmt.Fprintf(e.Out, "failed  … and %d more\n", more)
	}
}

func checkCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Look for damage in the data folder",
		Long: `Look whether the catalogue can be read, and whether every item has its picture
and its patch states. With --deep, every picture and every patch state is read
and its checksum compared. Patch states that a running program has open are left
out, and that is said. With --blobs, pictures may be in the bucket, and patch
states are not looked at.

Exit codes: 0 sound, 3 something is missing or damaged (it is listed), 1 failed,
2 wrong usage, 130 interrupted.`,
		Example: `  indexd check
  indexd check --deep --data ./sightline-data --json | jq .problems`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, runCheck),
	}
	cli.DataFlags(c.Flags())
	c.Flags().Bool("deep", false, "read every picture and every patch state and compare checksums")
	c.Flags().Bool("json", false, "print the result as JSON, without progress")
	return c
}

func runCheck(ctx context.Context, e cli.Env, _ []string) error {
	if err := embeddedOnly(e, "check"); err != nil {
		return err
	}
	p := newProgress(e)
	found, err := backup.Check(ctx, e.Data, backup.CheckOptions{
		Deep: e.Deep, Progress: p.count, Pictures: picturesOf(ctx, e),
		States: func(fingerprint string) (backup.States, func() error, error) { return openStates(e, fingerprint) },
	})
	p.finish()
	if err != nil {
		return fmt.Errorf("check %s: %w", e.Data, err)
	}
	if e.JSON {
		err = cli.PrintJSON(e.Out, found)
	} else {
		printChecked(e, found)
	}
	if found.Failed > 0 {
		return errors.Join(err, fmt.Errorf("%w: %d problems, listed above", cli.ErrSomeFailed, found.Failed))
	}
	return err
}

func openStates(e cli.Env, fingerprint string) (backup.States, func() error, error) {
	if e.Blobs != "" {
		return nil, nil, errors.New("they are in the bucket; 'indexd repair' looks for each and computes what is missing")
	}
	f, err := cli.OpenFeatures(e, fingerprint)
	if err != nil {
		return nil, nil, err
	}
	return states{f}, f.Close, nil
}

func printChecked(e cli.Env, found backup.Checked) {
	printProblems(e, found.Problems, found.Failed)
	for _, what := range found.Skipped {
		fmt.Fprintf(e.Out, "not checked  %s\n", what)
	}
	fmt.Fprintf(e.Out, "%d items, %d pictures and %d patch states looked at: %d problems\n", found.Items, found.Pictures, found.States, found.Failed)
	if found.Repairable > 0 {
		fmt.Fprintf(e.Out, "'indexd repair' puts %d of them right\n", found.Repairable)
	}
}

// states looks at patch states for backup.Check.
type states struct{ *features.Store }

// Check reads with deep; without it only whether there are any is asked.
func (s states) Check(ctx context.Context, picture string, deep bool) error {
	has, err := s.Has(picture), error(nil)
	if deep && has {
		_, has, err = s.Get(ctx, picture)
	}
	if err == nil && !has {
		err = fmt.Errorf("picture %s has no patch states", picture)
	}
	return err
}
