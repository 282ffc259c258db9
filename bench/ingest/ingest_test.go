package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sightline/bench/report"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// TestMain lets the test's own program measure the vision tower, as the
// benchmark's does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == limitCommand {
		if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-models", "demo,huge"}, `-models "huge": use demo, base`},
		{[]string{"-rounds", "0"}, "above 0"},
		{[]string{"-n", "0"}, "above 0"},
		{[]string{"extra"}, `"extra" is not a flag`},
	} {
		var out bytes.Buffer
		if _, err := parse(c.args, &out); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	if o, err := parse(nil, &bytes.Buffer{}); err != nil || len(o.models) != 2 || o.batch != 8 {
		t.Errorf("%+v, %v", o, err)
	}
}

func sample() *results {
	turns := func(seconds ...float64) (all []turn) {
		for _, s := range seconds {
			all = append(all, turn{Pictures: 1000, Seconds: s, CPU: 2 * s, Wall: s + 1})
		}
		return all
	}
	own := turns(2, 4, 2.5)
	own[2].Stages = map[string]float64{"decode": 3, "encode": 2.25, "write": 0.5}
	return &results{
		Machine: report.Machine{CPU: "Some Processor", Cores: 2, Load: "0.10 0.20 0.30"}, Batch: 8, Rounds: 3,
		Missing:  []string{"transformers in bf16: the processor has no amx_bf16"},
		Versions: map[string]string{"torch": "2.0", "pillow": "1.0"},
		Models: []modelResult{{
			Name: "demo", About: "a model", Pictures: 1000, Bytes: 5_000_000,
			Rows: []result{{ours, own}, {alone, turns(1.8, 4, 2)}, {"transformers, fp32", turns(8, 8, 10)}},
		}},
	}
}

// TestSection holds every figure of the table to one worked out by hand: rates
// are medians, and ratios are of the same round.
func TestSection(t *testing.T) {
	text := section(sample(), "some/where/x.json")
	for _, want := range []string{
		"| **indexd import**  | 400 (250–500) |", "| 5.00 ", // 2.5 s of 2 cores for 1000
		"| vision tower alone | 500 (250–556) | 0.90× (0.80–1.00) | 4.00 ",
		"| transformers, fp32 | 125 (100–125) | 4.00× (2.00–4.00) | 16.0 ",
		"runs at 0.90 of its vision tower's own rate; the aim of 0.90 is reached.",
		"Of an import of 2.50 s (3.50 s with", "decode 3.00, encode 2.25, write 0.50.",
		"Not measured: transformers in bf16: the processor has no amx_bf16.",
		"Baseline: pillow 1.0, torch 2.0.", "bench/ingest/results/x.json", "1000 pictures of 5 kB",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestSmoke runs all that needs no Python on a few pictures. A Python without
// transformers is a line in the section.
func TestSmoke(t *testing.T) {
	if _, err := ort.FindLibrary(os.Getenv); err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	programs, dir := t.TempDir(), t.TempDir()
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", programs+"/", "sightline/cmd/indexd", "sightline/demo/render").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	o, err := parse([]string{
		"-n", "12", "-rounds", "2", "-models", "demo", "-indexd", filepath.Join(programs, "indexd"), "-render", filepath.Join(programs, "render"),
		"-demo", "../../demo/model/retrieval", "-python", "/no/such/python", "-dir", dir, "-results", filepath.Join(dir, "results"),
	}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	b := &bench{options: o, log: &log}
	if err := b.run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if text := out.String(); !strings.Contains(text, "Not measured: transformers: PYTHON names") || !strings.Contains(text, "/no/such/python") {
		t.Errorf("a missing Python is not named:\n%s", text)
	}
	for _, row := range b.r.Models[0].Rows {
		for _, turn := range row.Turns {
			if turn.Pictures != 12 || turn.Seconds <= 0 || turn.CPU <= 0 {
				text, _ := json.Marshal(turn)
				t.Errorf("%s: %s", row.Name, text)
			}
		}
		if len(row.Turns) != 2 {
			t.Errorf("%s: %d turns", row.Name, len(row.Turns))
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "sightline-*")); len(left) > 0 {
		t.Error("temporary data is left:", left)
	}
}
