//go:build cgo

package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	d, err := compare("x", []float32{3, 4.5}, []float32{3, 4})
	if err != nil || math.Abs(d.Relative-0.1) > 1e-9 || d.Worst != 0.5 || d.Spread != 1 || d.Values != 2 {
		t.Errorf("%+v (%v)", d, err)
	}
	nan := float32(math.NaN())
	for name, pair := range map[string][2][]float32{"nan": {{nan}, {1}}, "lengths": {{1}, {1, 2}}, "nothing": {nil, nil}} {
		if _, err := compare(name, pair[0], pair[1]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRecord(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(100-i)*time.Millisecond)
	}
	r := record{Batch: 32, Callers: 2}.with(times, 2*time.Second)
	if r.Runs != 100 || r.P50 != 50 || r.P95 != 95 || r.PerSecond != 1600 {
		t.Errorf("%+v", r)
	}
}

// TestProfileSum: of each operator the fastest run counts, and where it ran.
func TestProfileSum(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node := func(name, op, provider, dur string) string {
		return `{"cat":"Node","name":"` + name + `","dur":` + dur + `,"args":{"op_name":"` + op + `","provider":"` + provider + `"}}`
	}
	if _, err := readProfile(dir); err == nil {
		t.Error("no file gave no error")
	}
	write("run_1.json", "["+strings.Join([]string{
		node("a", "Gemm", "CUDA", "9"), node("a", "Gemm", "CUDA", "4"), node("b", "Gemm", "CUDA", "6"),
		node("c", "Gemm", "CPU", "1"), `{"cat":"Session","name":"a","dur":1,"args":{}}`,
	}, ",")+"]")
	ops, err := readProfile(dir)
	if err != nil || len(ops) != 2 || ops[0] != (operator{"Gemm", "CUDA", 2, 10}) || ops[1] != (operator{"Gemm", "CPU", 1, 1}) {
		t.Errorf("%+v (%v)", ops, err)
	}
}

func TestCommands(t *testing.T) {
	for want, args := range map[string][]string{"name a command": nil, "no command": {"x"}, "usage": {"convert"}, "flags": {"time", "-x"}} {
		if err := run(t.Context(), args, os.Stderr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %s", args, err, want)
		}
	}
}
