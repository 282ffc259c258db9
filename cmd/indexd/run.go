package main

import (
	"context"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
)

// run is the program; main and tests call it.
func run(ctx context.Context, args, environ []string, s cli.Streams) error {
	root := cli.Group(&cobra.Command{
		Use:   "indexd",
		Short: "Convert models, import catalogues and keep them safe for Sightline",
		Example: `  indexd model convert ./blip-itm-base-coco --out sightline-model
  indexd import feed.jsonl --data ./sightline-data
  indexd import ./pictures
  indexd backup /mnt/backup/shop`,
	})
	model := cli.Group(&cobra.Command{
		Use: "model", Short: "Convert, describe, verify and try models",
		Example: "  indexd model pull Salesforce/blip-itm-base-coco\n  indexd model convert ./blip-itm-base-coco --out sightline-model\n  indexd model verify sightline-model",
	})
	model.AddCommand(pullCommand(environ, s), convertCommand(environ, s), infoCommand(environ, s), verifyCommand(environ, s), scoreCommand(environ, s),
		captionCommand(environ, s), answerCommand(environ, s))
	root.AddCommand(
		model, importCommand(environ, s), serveCommand(environ, s), migrateCommand(environ, s), collectionCommand(environ, s),
		checkCommand(environ, s), repairCommand(environ, s), backupCommand(environ, s), restoreCommand(environ, s), pruneCommand(environ, s),
		capfiltCommand(environ, s), labelsCommand(environ, s),
	)
	return cli.Run(ctx, root, args, s)
}
