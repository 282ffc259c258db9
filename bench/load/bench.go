package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"sightline/bench/checkpoint"
	"sightline/bench/report"
)

// bench is one run.
type bench struct {
	*options
	log      io.Writer
	tmp      string
	ids      []string // of the items
	words    *words
	capacity float64 // requests a second, read whole
	caching  bool    // servers keep answers
	r        results
}

func (b *bench) path(name string) string { return filepath.Join(b.tmp, name) }

func (b *bench) run(ctx context.Context, out io.Writer) (err error) {
	if b.tmp, err = os.MkdirTemp(b.dir, "sightline-load-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.tmp)) }()
	b.r = results{Date: time.Now().UTC(), Commit: b.commit, Model: b.model, Pictures: b.n, Depth: b.depth, Slots: b.slots, Other: b.other}
	if b.r.Machine, err = report.ThisMachine(); err != nil {
		return err
	}
	if b.r.Machine.Busy() {
		fmt.Fprintf(b.log, "the machine is not idle (load %s): the figures will be worth little\n", b.r.Machine.Load)
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{{"graphs", b.graphs}, {"closed", b.closedLoops}, {"load", b.openLoops}, {"faults", b.faults}, {"memory", b.memory}, {"cached", b.cached}, {"overhead", b.overhead}, {"overload", b.overload}} {
		if !b.does(part.name) {
			continue
		}
		fmt.Fprintf(b.log, "%s:\n", part.name)
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	path := ""
	if b.results != "" {
		if path, err = report.Write(b.results, b.r.Date, b.r.Machine, b.r); err != nil {
			return err
		}
	}
	return report.Show(out, b.r.name(), section(&b.r, path), b.docs)
}

// prepare makes the model, where it is not there, and a catalogue in it.
func (b *bench) prepare(ctx context.Context) error {
	begin := time.Now()
	if err := b.convert(ctx); err != nil {
		return err
	}
	catalogue := b.path("catalogue")
	if err := call(ctx, b.render, "--n", strconv.Itoa(b.n), "--size", "192", "--split", "test", "--out", catalogue); err != nil {
		return fmt.Errorf("draw a catalogue: %w", err)
	}
	feed := filepath.Join(catalogue, "feed.jsonl")
	if err := call(ctx, b.indexd, "import", feed, "--model", b.model, "--data", b.path("data"), "--log-level", "warn"); err != nil {
		return fmt.Errorf("import the catalogue: %w", err)
	}
	var err error
	if b.ids, err = readIDs(feed); err != nil {
		return err
	}
	if b.words, err = readWords(b.model); err != nil {
		return err
	}
	fmt.Fprintf(b.log, "%s, %d pictures: ready after %.0f s\n", b.r.Model, b.n, time.Since(begin).Seconds())
	return nil
}

// convert puts the model's folder in b.model.
func (b *bench) convert(ctx context.Context) (err error) {
	source, precision := b.demo, "fp32"
	switch b.model {
	case "demo":
	case "base", "base-int8":
		source = b.path("checkpoint")
		if err := errors.Join(os.MkdirAll(source, 0o755), checkpoint.WriteBase(source)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(source)) }()
		if b.model == "base-int8" {
			precision = "int8"
		}
	default:
		b.r.Model = "other"
		return nil
	}
	b.model = b.path("model")
	if err := call(ctx, b.indexd, "model", "convert", source, "--out", b.model, "--precision", precision); err != nil {
		return fmt.Errorf("convert the model: %w", err)
	}
	return nil
}

func readIDs(feed string) ([]string, error) {
	f, err := os.Open(feed)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ids []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var item struct{ ID string }
		if err := json.Unmarshal(lines.Bytes(), &item); err != nil {
			return nil, fmt.Errorf("%s: %w", feed, err)
		}
		ids = append(ids, item.ID)
	}
	return ids, lines.Err()
}

func call(ctx context.Context, program string, args ...string) error {
	if text, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil { // #nosec G204 -- the user's own programs
		return fmt.Errorf("%w: %s", err, lastLine(string(text)))
	}
	return nil
}

// do runs a program and reads the JSON that it prints.
func do(ctx context.Context, into any, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...) // #nosec G204 -- the user's own programs
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(errs.String()))
	}
	return json.Unmarshal(out.Bytes(), into)
}

func (b *bench) missing(what, why string) {
	b.r.Missing = append(b.r.Missing, what+": "+why)
	fmt.Fprintf(b.log, "not measured: %s: %s\n", what, why)
}
