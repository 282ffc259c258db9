package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sightline/bench/stores/dataset"
	"sightline/bench/stores/engine"
)

// TestMain lets the test's own program be the worker, as the benchmark's is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerCommand {
		if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// TestSmoke runs every engine that is here on 2,000 items and reads what comes
// out. Engines that are missing are a line in the table.
func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	if err := os.WriteFile(page, []byte("# Measurements\n\nOther text.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-n", "2000", "-queries", "5", "-rounds", "2", "-limit", "50ms", "-dir", dir, "-results", filepath.Join(dir, "results"), "-docs", page}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	if err := (&bench{options: o, log: &log}).run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	t.Logf("%s\n%s", &log, &out)
	files, err := filepath.Glob(filepath.Join(dir, "results", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	r, err := readResults(files[0])
	if err != nil {
		t.Fatal(err)
	}
	checkResults(t, r)
	checkPage(t, page, out.String())
	if left, _ := filepath.Glob(filepath.Join(dir, "sightline-stores-*")); len(left) > 0 {
		t.Error("temporary data is left:", left)
	}
}

func checkResults(t *testing.T, r *results) {
	t.Helper()
	missing := map[string]string{}
	for _, e := range r.Engines {
		missing[e.Name] = e.Missing
	}
	for _, k := range engine.Kinds() {
		why, known := missing[k.Name]
		if !known {
			t.Errorf("%s is not in the results", k.Name)
		} else if why != "" {
			t.Logf("%s was skipped: %s", k.Name, why)
		}
	}
	for _, e := range r.Sizes[0].Engines {
		least := 1.0
		if strings.Contains(e.Name, "int8") {
			least = 0.9
		}
		if e.Failed != "" || e.Import <= 0 || e.Open <= 0 || e.Memory <= 0 || e.Peak < e.Memory || e.Disk < 2000*dataset.Dim {
			t.Errorf("incomplete: %+v", e)
		}
		for _, c := range cells() {
			got, ok := e.find(c)
			if !ok || got.Searches != 5 && got.P50 < 1000 || got.Recall < least || got.P95 < got.P50 || len(got.Rounds) != 2 {
				t.Errorf("%s, %s: %+v", e.Name, c.title(), got)
			}
		}
	}
}

// checkPage renders twice: the second must change nothing.
func checkPage(t *testing.T, page, printed string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Measurements\n\nOther text.\n\n"+sectionBegin) || !strings.Contains(string(text), printed) {
		t.Errorf("the page is:\n%s", text)
	}
	if again := replaceSection(string(text), printed); again != string(text) {
		t.Errorf("a second rendering differs:\n%s", again)
	}
}

func TestFlags(t *testing.T) {
	for _, wrong := range [][]string{{"-n", "10"}, {"-n", "x"}, {"-engines", "faiss"}, {"-rounds", "0"}, {"here"}, {"-limit", "0s"}} {
		if _, err := parse(wrong, new(bytes.Buffer)); err == nil {
			t.Errorf("%v is accepted", wrong)
		}
	}
	var help bytes.Buffer
	if _, err := parse([]string{"--help"}, &help); err == nil || !strings.Contains(help.String(), "make bench-stores") {
		t.Error(err, help.String())
	}
}

// TestInterrupt ends a run in the middle: it leaves nothing behind.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	o, err := parse([]string{"-n", "50000", "-engines", "embedded,float32", "-dir", dir}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(3*time.Second, cancel)
	var log bytes.Buffer
	err = (&bench{options: o, log: &log}).run(ctx, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("%v\n%s", err, &log)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Error("temporary data is left:", left)
	}
}

// TestWorkerRefuses what is no task, and an order that it cannot carry out.
func TestWorkerRefuses(t *testing.T) {
	if err := work(t.Context(), []string{"{"}, strings.NewReader(""), new(bytes.Buffer)); err == nil {
		t.Error("a broken task is accepted")
	}
	if err := work(t.Context(), []string{`{"Engine":"none"}`}, strings.NewReader(""), new(bytes.Buffer)); err == nil {
		t.Error("an unknown engine is accepted")
	}
	var out bytes.Buffer
	if err := work(t.Context(), []string{`{"Engine":"float32"}`}, strings.NewReader(`{"Do":"search","Clients":1}`), &out); err != nil {
		t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Err == "" {
		t.Error(err, out.String())
	}
}
