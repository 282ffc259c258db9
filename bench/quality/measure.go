package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sightline/bench/report"
)

// bench is one run, in a folder of its own that is removed at its end.
type bench struct {
	*options
	log io.Writer
	tmp string
	r   *results
}

// setup is one way of keeping the same pictures.
type setup struct {
	name, precision string
	index           []string // flags of the import
	depths          string
	views           bool // rate searches by picture too
}

func setups() []setup {
	return []setup{
		{name: "fp32", precision: "fp32", depths: "10,20,50,100", views: true},
		{name: "int8, int8 patch states", precision: "int8", index: []string{"--states", "int8"}, depths: "50"},
		{name: "fp32, int8 patch states, pooled", precision: "fp32", index: []string{"--states", "int8", "--features", "pooled"}, depths: "50"},
	}
}

func measure(ctx context.Context, o *options, log io.Writer) (r *results, err error) {
	b := &bench{options: o, log: log, r: &results{Date: time.Now().UTC(), Commit: o.commit, Pictures: o.n, Seed: o.seed}}
	if b.tmp, err = os.MkdirTemp(o.dir, "sightline-quality-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.tmp)) }()
	if b.r.Machine, err = report.ThisMachine(); err != nil {
		return nil, err
	}
	return b.r, errors.Join(b.searches(ctx), b.captions(ctx), b.faults(ctx))
}

// do runs one of the programs in the temporary folder and returns what it prints.
// capfilt ends with 3 where it found something.
func (b *bench) do(ctx context.Context, program string, args ...string) (string, error) {
	path, err := filepath.Abs(filepath.Join(b.programs, program))
	if err != nil {
		return "", err
	}
	fmt.Fprintln(b.log, program, args)
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, path, args...) // #nosec G204 -- the user's own programs
	c.Dir, c.Stdout, c.Stderr = b.tmp, &out, &errs
	err = c.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("%s %v: %w: %s", program, args, err, errs.Bytes())
	}
	return out.String(), nil
}

// convert makes a bundle of one of the demo's models.
func (b *bench) convert(ctx context.Context, model, to, precision string) error {
	from, err := filepath.Abs(filepath.Join(b.demo, model))
	if err != nil {
		return err
	}
	_, err = b.do(ctx, "indexd", "model", "convert", from, "--out", to, "--precision", precision, "--force")
	return err
}

func (b *bench) searches(ctx context.Context) error {
	if _, err := b.do(ctx, "render", "--n", fmt.Sprint(b.n), "--seed", fmt.Sprint(b.seed), "--split", "test", "--out", "shop"); err != nil {
		return err
	}
	for i, s := range setups() {
		model, data := fmt.Sprintf("model-%d", i), fmt.Sprintf("data-%d", i)
		if err := b.convert(ctx, "retrieval", model, s.precision); err != nil {
			return err
		}
		at := []string{"--data", data, "--model", model}
		if _, err := b.do(ctx, "indexd", append(append([]string{"import", "shop/feed.jsonl"}, at...), s.index...)...); err != nil {
			return err
		}
		files := map[string]string{"text": "shop/queries.jsonl"}
		if s.views {
			files["picture"] = "shop/views.jsonl"
		}
		for _, by := range []string{"text", "picture"} {
			if files[by] == "" {
				continue
			}
			if err := b.rate(ctx, evaluation{Name: s.name, By: by}, append(at, "--queries", files[by], "--depths", s.depths), data); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) rate(ctx context.Context, r evaluation, flags []string, data string) error {
	begin := time.Now()
	text, err := b.do(ctx, "searchd", append([]string{"eval", "--json"}, flags...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), &r.Eval); err != nil {
		return fmt.Errorf("read what searchd eval printed: %w", err)
	}
	r.Seconds = time.Since(begin).Seconds()
	if r.Bytes, err = size(filepath.Join(b.tmp, data), "features"); err != nil {
		return err
	}
	b.r.Runs = append(b.r.Runs, r)
	return nil
}

// size of all files below folders of a name.
func size(dir, folder string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) != folder {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

func (b *bench) captions(ctx context.Context) error {
	if err := b.convert(ctx, "captioning", "captioner", "fp32"); err != nil {
		return err
	}
	b.r.Captured = b.n / 5
	text, err := b.do(ctx, "rate", "--model", "captioner", "--n", fmt.Sprint(b.r.Captured), "--seed", fmt.Sprint(b.seed))
	if all := tables(text); err == nil && len(all) == 1 {
		b.r.Captions = all[0]
		return nil
	}
	return errors.Join(err, errors.New("demo/rate printed no table"))
}

// faults does what bench/capfilt/run.sh does first.
func (b *bench) faults(ctx context.Context) error {
	b.r.Faulty = b.n * 2 / 5
	steps := [][]string{
		{"render", "--n", fmt.Sprint(b.r.Faulty), "--seed", fmt.Sprint(b.seed), "--split", "test", "--out", "planted"},
		{"capfilt", "plant", "--catalogue", "planted"},
		{"indexd", "import", "planted/planted.jsonl", "--data", "planted-data", "--model", "model-0"},
		{"indexd", "capfilt", "--data", "planted-data", "--model", "model-0", "--captioner", "captioner", "--out", "report", "--samples", "3"},
		{"capfilt", "rate", "--catalogue", "planted", "--report", "report"},
	}
	var text string
	var err error
	for _, s := range steps {
		if text, err = b.do(ctx, s[0], s[1:]...); err != nil {
			return err
		}
	}
	if b.r.Faults = tables(text); len(b.r.Faults) != 4 {
		return fmt.Errorf("bench/capfilt printed %d tables, not 4", len(b.r.Faults))
	}
	return nil
}
