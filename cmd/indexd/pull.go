package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sightline/cmd/internal/cli"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
	"sightline/encoder/hub"
	"sightline/encoder/ort"
)

// pull is what the flags of the command say.
type pull struct {
	out     string
	keep    bool
	offline bool
	convert convert.Options
}

func pullCommand(environ []string, s cli.Streams) *cobra.Command {
	var p pull
	c := &cobra.Command{
		Use:   "pull REPO[@REVISION]",
		Short: "Download a BLIP checkpoint and turn it into a model folder",
		Long: `Download a BLIP checkpoint from the Hugging Face Hub, or a server that speaks its
protocol, and convert it as 'indexd model convert' does. REVISION is a branch, a
tag, a commit or refs/pr/N; it is main where none is given.

Only the files that the conversion reads are fetched: model.safetensors where
there is one, else pytorch_model.bin, of which nothing is executed. Each is
checked against the size and hash that the server lists. Ctrl-C, a kill or a
broken line lose nothing: the same command goes on where it was, and ends at once
where the model is there already. After the conversion the download is deleted,
unless --keep.

  HF_ENDPOINT       server (default https://huggingface.co)
  HF_TOKEN          token for private and gated models; or
  HF_TOKEN_PATH     file that holds it
  HF_HUB_OFFLINE=1  the same as --offline
  SIGHTLINE_CACHE_DIR  where downloads lie (default: sightline in XDG_CACHE_HOME)

The cache of huggingface_hub (HF_HOME) is neither read nor written. With --json
progress is one JSON object a line on standard error.`,
		Example: `  indexd model pull Salesforce/blip-itm-base-coco
  indexd model pull Salesforce/blip-itm-base-coco@refs/pr/5 --out blip-base --precision int8
  HF_ENDPOINT=https://hub.example indexd model pull team/blip --keep`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			return p.run(ctx, e, args[0])
		}),
	}
	f := c.Flags()
	f.StringVar(&p.out, "out", "sightline-model", "folder to write")
	f.BoolVar(&p.keep, "keep", false, "keep the download in the cache folder, for --offline and other precisions")
	f.BoolVar(&p.offline, "offline", false, "use what the cache folder holds and ask no server")
	f.StringVar(&p.convert.Vocabulary, "vocab", "", "vocab.txt to use instead of the repository's")
	convertFlags(f, &p.convert)
	f.Bool("json", false, "print the manifest as JSON, and progress as JSON lines on standard error")
	return c
}

func (p pull) run(ctx context.Context, e cli.Env, name string) (err error) {
	ref, err := hub.ParseRef(name)
	if err != nil {
		return cli.Usage(err)
	}
	held, unread := bundle.Read(p.out)
	if unread != nil || p.convert.Force {
		if err := p.convert.Check(p.out); err != nil {
			return err
		}
	}
	client, err := p.client(e)
	if err != nil {
		return err
	}
	defer client.Close()
	snapshot, err := client.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	p.convert.Origin = ref.Repo + "@" + snapshot.Commit()
	if unread == nil && !p.convert.Force {
		if held.Source.Path == p.convert.Origin && held.Precision == p.convert.Precision {
			return p.there(e, held)
		}
		return p.convert.Check(p.out) // refuses: another model is there
	}
	if p.keep {
		if err := snapshot.Keep(); err != nil {
			return err
		}
	}
	if err := p.fetch(ctx, snapshot, ref); err != nil {
		return err
	}
	if err := runConvert(ctx, e, snapshot.Dir(), p.out, p.convert); err != nil {
		return err
	}
	return snapshot.Remove()
}

// there reports a model that an earlier pull of the same commit left: a pod that
// starts again needs it as it is.
func (p pull) there(e cli.Env, m bundle.Manifest) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, m)
	}
	if _, err := fmt.Fprintf(e.Out, "%s is in %s already\n\n", p.convert.Origin, p.out); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return describe(e.Out, m)
}

// fetch gets what describes the model first: most of what the conversion would
// refuse is refused before the weights are fetched.
func (p pull) fetch(ctx context.Context, s *hub.Snapshot, ref hub.Ref) error {
	var names []string
	sizes := map[string]int64{}
	for _, f := range s.Files() {
		names = append(names, f.Path)
		sizes[f.Path] = f.Size
	}
	small, weights, err := convert.FolderFiles(names, p.convert)
	if err != nil {
		return fmt.Errorf("%s cannot be converted: %w", ref, err)
	}
	if err := s.Fetch(ctx, small...); err != nil {
		return err
	}
	if err := convert.CheckFolder(s.Dir(), p.convert); err != nil {
		return fmt.Errorf("%s cannot be converted: %w", ref, err)
	}
	if err := p.reserve(s, sizes[weights]); err != nil {
		return err
	}
	return s.Fetch(ctx, weights)
}

// reserve sees to it that the model, too, has room beside the download.
func (p pull) reserve(s *hub.Snapshot, weights int64) error {
	need := weights
	switch p.convert.Precision {
	case bundle.FP16:
		need = weights / 2
	case bundle.INT8:
		need = weights / 3
	}
	parent := filepath.Dir(filepath.Clean(p.out))
	for !exists(parent) && filepath.Dir(parent) != parent {
		parent = filepath.Dir(parent)
	}
	var out, cache unix.Stat_t
	if err := errors.Join(unix.Stat(parent, &out), unix.Stat(s.Dir(), &cache)); err != nil {
		return fmt.Errorf("look at the disks of %s and %s: %w", p.out, s.Dir(), err)
	}
	if out.Dev == cache.Dev {
		s.Reserve(need)
		return nil
	}
	free, err := freeBytes(parent)
	if err == nil && free < need {
		err = fmt.Errorf("the model needs %s and the disk of %s has %s free: free space, or choose another --out", size(need), p.out, size(free))
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (p pull) client(e cli.Env) (*hub.Client, error) {
	getenv := cli.Getenv(e.Environ)
	token, err := hubToken(getenv)
	if err != nil {
		return nil, cli.Usage(err)
	}
	cache, _ := ort.CacheDir(getenv) // where there is none, New says what to set
	client, err := hub.New(hub.Options{
		Endpoint: getenv("HF_ENDPOINT"), Token: token, Cache: cache,
		Offline: p.offline || isTrue(getenv("HF_HUB_OFFLINE")), Log: e.Log, Progress: downloaded(e),
	})
	if err != nil {
		return nil, cli.Usage(err)
	}
	return client, nil
}

// isTrue reads a flag as huggingface_hub does.
func isTrue(value string) bool {
	switch strings.ToUpper(value) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// maxToken bounds a token's file.
const maxToken = 4 << 10

func hubToken(getenv func(string) string) (string, error) {
	if token := strings.TrimSpace(getenv("HF_TOKEN")); token != "" {
		return token, nil
	}
	path := getenv("HF_TOKEN_PATH")
	if path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("HF_TOKEN_PATH: %w", err)
	}
	if len(data) > maxToken {
		return "", fmt.Errorf("HF_TOKEN_PATH: %s has %d bytes: it is no file of a token", path, len(data))
	}
	return strings.TrimSpace(string(data)), nil
}

// downloaded shows how far a download is: over itself on a terminal, as JSON
// lines with --json, else as a line every few seconds.
func downloaded(e cli.Env) func(hub.Progress) {
	redraw, last := cli.Redraw(e.Err), time.Now()
	return func(p hub.Progress) {
		switch {
		case e.JSON:
			_ = cli.PrintJSON(e.Err, p) // that nobody reads it must not end the download
		case cli.IsTerminal(e.Err):
			redraw(p.Done == p.Total, "%s ", progressText(p))
		case time.Since(last) >= plainInterval || p.Done == p.Total && p.Total > 1<<20:
			last = time.Now()
			fmt.Fprintln(e.Err, progressText(p))
		}
	}
}

func progressText(p hub.Progress) string {
	text := fmt.Sprintf("%s: %s of %s, %3d %%, %s/s", p.File, size(p.Done), size(p.Total), p.Done*100/max(p.Total, 1), size(int64(p.Rate)))
	if p.ETA > 0 {
		text += fmt.Sprintf(", about %s left", time.Duration(p.ETA*float64(time.Second)).Round(time.Second))
	}
	return text
}
