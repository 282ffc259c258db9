package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sightline/bench/checkpoint"
	"sightline/bench/report"
)

// bench is one run.
type bench struct {
	*options
	log io.Writer
	tmp string
	r   results
}

// subject is a model and the pictures that it sees.
type subject struct {
	name, about string
	side, n     int // of the pictures
	dir         string
	workers     []int // of the baseline's data loader, each tried
	write       func(dir string) error
}

func (s subject) path(name string) string { return filepath.Join(s.dir, name) }

func (b *bench) run(ctx context.Context, out io.Writer) (err error) {
	if b.tmp, err = os.MkdirTemp(b.dir, "sightline-ingest-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.tmp)) }()
	b.r = results{Date: time.Now().UTC(), Commit: b.commit, Batch: b.batch, Rounds: b.rounds}
	if b.r.Machine, err = report.ThisMachine(); err != nil {
		return err
	}
	if b.r.Machine.Busy() {
		fmt.Fprintf(b.log, "the machine is not idle (load %s): the figures will be worth little\n", b.r.Machine.Load)
	}
	if err := b.probe(ctx); err != nil {
		return err
	}
	for _, name := range b.models {
		m, err := b.model(ctx, b.subject(name))
		if err != nil {
			return fmt.Errorf("model %s: %w", name, err)
		}
		b.r.Models = append(b.r.Models, m)
	}
	path := ""
	if b.results != "" {
		if path, err = report.Write(b.results, b.r.Date, b.r.Machine, &b.r); err != nil {
			return err
		}
	}
	return report.Show(out, name, section(&b.r, path), b.docs)
}

func (b *bench) subject(name string) subject {
	s := subject{name: name, dir: filepath.Join(b.tmp, name), side: 192, n: b.n, workers: []int{0, 1}}
	if name == "base" {
		s.about = "BLIP-base with random weights (ViT-B/16 at 384 px, 577 tokens), pictures of 256 px, patch states int8"
		s.side, s.n, s.workers = 256, b.nBase, []int{0} // preparing pixels is 1 % of the tower's time there
		s.write = func(dir string) error {
			return errors.Join(os.MkdirAll(dir, 0o755), checkpoint.WriteBase(dir))
		}
		return s
	}
	s.about = "the demo model (96 px, 65 tokens of 192), pictures of 192 px, patch states fp32"
	s.write = func(dir string) error { return os.CopyFS(dir, os.DirFS(b.demo)) }
	return s
}

// model prepares a subject and has everybody take turns, in the reverse order
// every second round, as a machine's speed drifts.
func (b *bench) model(ctx context.Context, s subject) (m modelResult, err error) {
	m = modelResult{Name: s.name, About: s.about, Pictures: s.n}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	fmt.Fprintf(b.log, "%s: %d pictures\n", s.name, s.n)
	if err := s.write(s.path("checkpoint")); err != nil {
		return m, err
	}
	if text, err := exec.CommandContext(ctx, b.indexd, "model", "convert", s.path("checkpoint"), "--out", s.path("model")).CombinedOutput(); err != nil { // #nosec G204 -- the user's own program
		return m, fmt.Errorf("convert: %w: %s", err, text)
	}
	if m.Bytes, err = draw(ctx, b.render, s.path("pictures"), s.n, s.side); err != nil {
		return m, err
	}
	contenders := b.contenders(s)
	for _, c := range contenders {
		m.Rows = append(m.Rows, result{Name: c.name})
	}
	for round := range b.rounds {
		order := indices(len(contenders))
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			t, err := contenders[i].take(ctx)
			if err != nil {
				return m, fmt.Errorf("%s: %w", contenders[i].name, err)
			}
			m.Rows[i].Turns = append(m.Rows[i].Turns, t)
			fmt.Fprintf(b.log, "  round %d, %s: %.1f pictures/s\n", round+1, contenders[i].name, t.rate())
		}
	}
	return m, nil
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// contender takes its turn in a process of its own.
type contender struct {
	name string
	take func(ctx context.Context) (turn, error)
}

func (b *bench) contenders(s subject) []contender {
	all := []contender{
		{ours, func(ctx context.Context) (turn, error) { return b.imported(ctx, s) }},
		{alone, func(ctx context.Context) (turn, error) {
			self, err := os.Executable()
			if err != nil {
				return turn{}, err
			}
			return printed(ctx, self, limitCommand, "-model", s.path("model"), "-pictures", s.path("pictures"), "-n", fmt.Sprint(s.n), "-batch", fmt.Sprint(b.batch))
		}},
	}
	if b.r.Versions == nil {
		return all
	}
	dtypes := []string{"float32"}
	if slices.Contains(b.r.Machine.Features, report.AMX) {
		dtypes = append(dtypes, "bfloat16")
	}
	for _, dtype := range dtypes {
		for _, workers := range s.workers {
			name := "transformers, " + map[string]string{"float32": "fp32", "bfloat16": "bf16 autocast"}[dtype]
			if workers > 0 {
				name += fmt.Sprintf(", %d process for pixels", workers)
			}
			all = append(all, contender{name, func(ctx context.Context) (turn, error) {
				return printed(ctx, b.python, b.baseline, "time", s.path("checkpoint"), s.path("pictures"),
					"--dtype", dtype, "--workers", fmt.Sprint(workers), "--batch", fmt.Sprint(b.batch))
			}})
		}
	}
	return all
}

// imported runs the real program into a new data folder.
func (b *bench) imported(ctx context.Context, s subject) (t turn, err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(s.path("data"))) }()
	var sum struct {
		Written, Failed int
		Seconds         float64
		Stages          map[string]float64 `json:"stage_seconds"`
	}
	begin := time.Now()
	used, err := do(ctx, &sum, b.indexd, "import", s.path("pictures"), "--model", s.path("model"), "--data", s.path("data"),
		"--batch", fmt.Sprint(b.batch), "--json", "--log-level", "warn")
	if err != nil {
		return t, err
	}
	if sum.Written != s.n {
		return t, fmt.Errorf("%d of %d pictures were written, %d failed", sum.Written, s.n, sum.Failed)
	}
	return turn{Pictures: s.n, Seconds: sum.Seconds, CPU: used.Seconds(), Wall: time.Since(begin).Seconds(), Stages: sum.Stages}, nil
}

// printed runs a program that prints its turn.
func printed(ctx context.Context, program string, args ...string) (turn, error) {
	var t turn
	begin := time.Now()
	_, err := do(ctx, &t, program, args...)
	t.Wall = time.Since(begin).Seconds()
	return t, err
}

// do runs a program, reads the JSON that it prints, and returns what it used of
// the processor.
func do(ctx context.Context, into any, program string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, program, args...) // #nosec G204 -- the user's own programs
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, lastLine(errs.String()))
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		return 0, fmt.Errorf("read what %s printed: %w", filepath.Base(program), err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// probe finds out what of the baseline is there.
func (b *bench) probe(ctx context.Context) error {
	_, err := do(ctx, &b.r.Versions, b.python, b.baseline, "probe")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		b.r.Versions = nil
		b.missing("transformers", fmt.Sprintf("PYTHON names a Python with torch, transformers and pillow (%v)", err))
	} else if !slices.Contains(b.r.Machine.Features, report.AMX) {
		b.missing("transformers in bf16", "the processor has no "+report.AMX)
	}
	return nil
}

func (b *bench) missing(what, why string) {
	b.r.Missing = append(b.r.Missing, what+": "+why)
	fmt.Fprintf(b.log, "not measured: %s: %s\n", what, why)
}
