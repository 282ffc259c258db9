package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"sightline/bench/checkpoint"
	"sightline/bench/report"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
)

// bench is one run.
type bench struct {
	*options
	log       io.Writer
	tmp       string
	tokenizer bundle.Tokenizer
	side      int
	running   map[string]*process
	want      [][2]float32 // logits of transformers in float32
	r         results
}

func (b *bench) path(name string) string { return filepath.Join(b.tmp, name) }

func (b *bench) run(ctx context.Context, out io.Writer) (err error) {
	if b.tmp, err = os.MkdirTemp(b.dir, "sightline-versus-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.tmp)) }()
	b.r = results{Date: time.Now().UTC(), Commit: b.commit, Quick: b.quick, Rounds: b.rounds, Model: "BLIP-base with random weights (ViT-B/16 at 384 px, 577 tokens)"}
	if b.r.Machine, err = report.ThisMachine(); err != nil {
		return err
	}
	if b.r.Machine.Busy() {
		fmt.Fprintf(b.log, "the machine is not idle (load %s): the figures will be worth little, and those of torch, whose threads wait for each other, least\n", b.r.Machine.Load)
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	path := ""
	if b.results != "" {
		if path, err = report.Write(b.results, b.r.Date, b.r.Machine, &b.r); err != nil {
			return err
		}
	}
	name, _ := b.r.section()
	return report.Show(out, name, section(&b.r, path), b.docs)
}

// prepare writes the checkpoint that both sides load, Sightline's bundles of it
// and the inputs.
func (b *bench) prepare(ctx context.Context) error {
	if b.quick {
		b.r.Model = "The demo model, briefly: these figures mean nothing"
	}
	if err := b.convert(ctx, "checkpoint", b.demo, "", checkpoint.WriteBase); err != nil {
		return err
	}
	if slices.Contains(b.tables, tableWrite) {
		if err := b.convert(ctx, captioner, filepath.Join(b.demo, "..", "captioning"), captioner+"-", checkpoint.WriteCaptioner); err != nil {
			return err
		}
	}
	m, err := bundle.Read(b.path(exact))
	if err != nil {
		return err
	}
	b.tokenizer, b.side = m.Tokenizer, m.Vision.Image
	return errors.Join(os.Mkdir(b.path("inputs"), 0o755), writeInputs(b.path("inputs"), b.side))
}

// captioner is the folder of the captioning checkpoint, and what those of its
// bundles begin with.
const captioner = "captioner"

// convert writes a checkpoint and its bundles, whose folders begin with prefix.
func (b *bench) convert(ctx context.Context, name, demo, prefix string, write func(dir string) error) error {
	source := b.path(name)
	err := os.Mkdir(source, 0o755)
	if err == nil && b.quick {
		err = os.CopyFS(source, os.DirFS(demo))
	} else if err == nil {
		err = write(source)
	}
	if err != nil {
		return err
	}
	for _, p := range []string{exact, rounded} {
		if _, err := convert.Convert(ctx, source, b.path(prefix+p), convert.Options{Precision: p}); err != nil {
			return err
		}
	}
	return nil
}

// measure goes through the phases.
func (b *bench) measure(ctx context.Context) error {
	if err := b.probe(ctx); err != nil {
		return err
	}
	for _, tables := range phases() {
		cells := slices.DeleteFunc(b.plan(), func(c cell) bool { return !slices.Contains(tables, c.table) || !slices.Contains(b.tables, c.table) })
		if err := b.phase(ctx, cells); err != nil {
			return err
		}
	}
	b.r.Rows = slices.DeleteFunc(b.r.Rows, func(r row) bool { return len(r.Turns) == 0 })
	return nil
}

// phase has everybody of these cells take turns.
func (b *bench) phase(ctx context.Context, cells []cell) error {
	b.running = map[string]*process{}
	defer func() {
		for _, p := range b.running {
			_ = p.close() // what a worker says when it ends changes no figure
		}
	}()
	for _, step := range []func(context.Context, *[]cell) error{b.open, b.kernel, b.drift} {
		if err := step(ctx, &cells); err != nil {
			return err
		}
	}
	for _, c := range cells {
		for _, e := range c.entrants {
			b.r.Rows = append(b.r.Rows, row{Table: c.table, Cell: c.title, Name: e.name, Batch: c.batch})
		}
	}
	for round := range b.rounds {
		if err := b.round(ctx, cells, round); err != nil {
			return err
		}
	}
	return nil
}

// round goes through the cells; in every second one the entrants of each come in
// the reverse order, as a machine's speed drifts. An entrant of transformers that
// fails is left out from then on.
func (b *bench) round(ctx context.Context, cells []cell, round int) error {
	for i := range cells {
		c := &cells[i]
		order := slices.Clone(c.entrants)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, e := range order {
			a, share, err := b.turn(ctx, *c, e)
			if err != nil && (ctx.Err() != nil || !workers()[e.worker].python) {
				return errors.Join(ctx.Err(), fmt.Errorf("%s, %s: %w", e.name, c.title, err))
			}
			if err != nil {
				b.missing(fmt.Sprintf("%s (%s, %s)", e.name, c.table, c.title), err.Error())
				c.entrants = slices.DeleteFunc(c.entrants, func(x entrant) bool { return x == e })
				continue
			}
			at := slices.IndexFunc(b.r.Rows, func(r row) bool { return r.Table == c.table && r.Cell == c.title && r.Name == e.name })
			b.r.Rows[at].Turns, b.r.Rows[at].Others = append(b.r.Rows[at].Turns, a.MS), append(b.r.Rows[at].Others, share)
			now := row{Batch: c.batch, Turns: [][]float64{a.MS}}
			fmt.Fprintf(b.log, "  %s, %s, %s: %s ms\n", c.table, c.title, e.name, report.Digits(now.spread().Median))
		}
	}
	return nil
}

// turn also says what share of the processors other programs had meanwhile.
func (b *bench) turn(ctx context.Context, c cell, e entrant) (a answer, others float64, err error) {
	p := b.running[e.worker]
	before := ticksNow(p.cmd.Process.Pid)
	a, err = p.ask(ctx, b.request(c, e))
	return a, ticksNow(p.cmd.Process.Pid).others(before), err
}

func (b *bench) request(c cell, e entrant) request {
	r := request{Job: c.job, Way: e.way, Batch: c.batch, Seconds: b.seconds, Beams: c.beams}
	if e.job != "" {
		r.Job = e.job
	}
	first := b.tokenizer.Enc
	if c.job == "text" {
		first = b.tokenizer.Cls
	}
	if c.length > 0 {
		r.Texts = texts(b.tokenizer, first, c.texts, c.length)
	}
	return r
}

// open starts the workers that the cells need and leaves out what they cannot do
// here.
func (b *bench) open(ctx context.Context, cells *[]cell) error {
	for _, name := range needed(*cells) {
		w := workers()[name]
		if w.python && b.r.Versions["torch"] == "" {
			*cells = without(*cells, name)
			continue
		}
		p, err := b.launch(ctx, w)
		switch {
		case err == nil:
			b.running[name] = p
			fmt.Fprintf(b.log, "worker %s: %v\n", name, p.about)
		case ctx.Err() != nil || !w.python && !w.noAMX:
			return errors.Join(ctx.Err(), fmt.Errorf("worker %s: %w", name, err))
		default:
			b.missing(name, err.Error())
			*cells = without(*cells, name)
		}
	}
	if p := b.running[exact]; p != nil {
		b.r.Versions["onnxruntime"] = fmt.Sprint(p.about["onnxruntime"])
	}
	return nil
}

// needed are the workers of cells, in the order in which they come.
func needed(cells []cell) (names []string) {
	for _, c := range cells {
		for _, e := range c.entrants {
			if !slices.Contains(names, e.worker) {
				names = append(names, e.worker)
			}
		}
	}
	return names
}

// without drops the entrants of a worker, and cells with nobody left.
func without(cells []cell, name string) (left []cell) {
	for _, c := range cells {
		c.entrants = slices.DeleteFunc(slices.Clone(c.entrants), func(e entrant) bool { return e.worker == name })
		if len(c.entrants) > 0 {
			left = append(left, c)
		}
	}
	return left
}

func (b *bench) launch(ctx context.Context, w worker) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	checkpoint, bundles := "checkpoint", ""
	if w.captions {
		checkpoint, bundles = captioner, captioner+"-"
	}
	command := []string{b.python, b.baseline, "serve", b.path(checkpoint), b.path("inputs")}
	if !w.python {
		command = []string{self, serveCommand, "-model", b.path(bundles + w.precision), "-inputs", b.path("inputs")}
	}
	if w.noAMX {
		command = append([]string{self, withoutCommand}, command...)
	}
	environ := append([]string{fmt.Sprintf("OMP_NUM_THREADS=%d", runtime.NumCPU())}, w.environ...)
	return start(ctx, environ, command[0], command[1:]...)
}

// probe finds out what of the baseline is there.
func (b *bench) probe(ctx context.Context) error {
	b.r.Versions = map[string]string{}
	out, err := exec.CommandContext(ctx, b.python, b.baseline, "probe").Output() // #nosec G204 -- the user's own program
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = json.Unmarshal(out, &b.r.Versions)
	}
	if err != nil {
		why := err.Error()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			t := tail{}
			_, _ = t.Write(exit.Stderr)
			why = t.last()
		}
		b.missing("transformers", "PYTHON names a Python with torch and transformers ("+why+")")
		return nil
	}
	for _, name := range []string{"pillow", "torchvision"} {
		if b.r.Versions[name] == "" {
			b.missing("transformers' own preparing of pictures", "PYTHON has no "+name)
		}
	}
	return nil
}

func (b *bench) missing(what, why string) {
	b.r.Missing = append(b.r.Missing, what+": "+strings.TrimSpace(why))
	fmt.Fprintf(b.log, "not measured: %s: %s\n", what, why)
}
