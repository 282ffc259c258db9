package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sightline/bench/report"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// TestMain lets the test's own program measure a graph, as the benchmark's does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == graphCommand {
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
		{[]string{"-model", "huge"}, `-model "huge": use demo`},
		{[]string{"-parts", "load,lunch"}, `-parts "lunch": use some of graphs`},
		{[]string{"-loads", "1,x"}, "-loads"},
		{[]string{"-loads", "0"}, "above 0"},
		{[]string{"-deadlines", "10ms"}, "50ms to 30s"},
		{[]string{"-n", "3"}, "16 or more"},
		{[]string{"extra"}, `"extra" is not a flag`},
	} {
		var out bytes.Buffer
		if _, err := parse(c.args, &out); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	o, err := parse(nil, &bytes.Buffer{})
	if err != nil || o.depth != 50 || o.requests != 20_000 || !slices.Equal(o.deadlines, []time.Duration{300 * time.Millisecond, time.Second}) {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = parse([]string{"-model", "base", "-depth", "7"}, &bytes.Buffer{}); err != nil || o.depth != 7 || o.duration != 2*time.Minute {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestSummarise holds every figure to one worked out by hand.
func TestSummarise(t *testing.T) {
	shots := []shot{
		{took: 10 * time.Millisecond, status: 200, scored: 50, of: 50},
		{took: 20 * time.Millisecond, status: 200, scored: 16, of: 50, stopped: "busy"},
		{took: 30 * time.Millisecond, status: 200, scored: 0, of: 50, stopped: "failed"},
		{took: 40 * time.Millisecond, status: 200, scored: 50, of: 50},
		{took: time.Second, status: 429},
		{took: time.Second, status: 0},
	}
	s := summarise(shots)
	if s.Requests != 6 || s.Whole != 0.5 || s.Partly != 0.25 || s.None != 0.25 || s.MeanDepth != 29 || s.Max != 40 || s.P99 != 40 || s.P50 != 30 {
		t.Errorf("%+v", s)
	}
	if s.Statuses[200] != 4 || s.Statuses[429] != 1 || s.Statuses[0] != 1 || s.Stopped["none"] != 2 || s.others() != "no answer: 16.7 %, 429: 16.7 %" {
		t.Errorf("%+v, %q", s, s.others())
	}
	if none := summarise(shots[4:]); none.P99 != 0 || none.MeanDepth != 0 {
		t.Errorf("%+v", none)
	}
}

// TestOpenLoop: requests come at their rate, from four clients, and count from
// when they were due, also those that have to wait behind a full house.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got shots
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		openLoop(ctx, 400, &got, func() shot {
			time.Sleep(5 * time.Second)
			return shot{status: 200}
		})
		var clients [4]int
		for _, s := range got.all {
			if clients[s.client]++; s.took < 5*time.Second {
				t.Fatalf("%+v", s)
			}
		}
		// 1024 of the first 5 s wait 5 s for their answers, as many after them.
		if n := len(got.all); n < 1900 || n > 3072 || clients[0] < n/2 || clients[3] < n/20 {
			t.Errorf("%d requests of clients %v", n, clients)
		}
		if last := got.all[len(got.all)-1]; last.took < 6*time.Second {
			t.Errorf("the last one counts %v", last.took)
		}
	})
}

func TestClosedLoop(t *testing.T) {
	var mu sync.Mutex
	seen := map[int]bool{}
	all := closedLoop(t.Context(), 4, func(n int) bool { return n < 100 }, func(_ context.Context, n int) shot {
		mu.Lock()
		defer mu.Unlock()
		seen[n] = true
		return shot{status: 200}
	})
	if len(all) != 100 || len(seen) != 100 {
		t.Errorf("%d requests, %d different", len(all), len(seen))
	}
}

// TestAsk: what a searchd answers, and does not, is in the shot.
func TestAsk(t *testing.T) {
	var body string
	answer, status := "", http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		body = b.String()
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	c := newClient(server.URL)
	defer c.close()
	q := query{text: "red mug", depth: 20, deadline: time.Second}
	answer = `{"hits":[{"rank":1,"itc_rank":1},{"rank":2,"itc_rank":2}],"rerank":{"scored":3,"of":20,"stopped":"busy"}}`
	if s := c.ask(t.Context(), q); s.status != 200 || s.scored != 3 || s.of != 20 || s.stopped != "busy" || !s.inOrder || s.took <= 0 {
		t.Errorf("%+v", s)
	}
	if want := `{"deadline_ms":1000,"limit":10,"rerank":{"depth":20},"text":"red mug"}`; body != want {
		t.Errorf("asked %s, want %s", body, want)
	}
	answer = `{"hits":[{"rank":1,"itc_rank":2},{"rank":2,"itc_rank":1}]}`
	if s := c.ask(t.Context(), q); s.inOrder {
		t.Error("hits are out of order")
	}
	if answer = `{"hits":`; c.ask(t.Context(), q).status != 0 {
		t.Error("half an answer counts")
	}
	if status = http.StatusTooManyRequests; c.ask(t.Context(), q).status != 429 {
		t.Error("429 does not count")
	}
	server.Close()
	if s := c.ask(t.Context(), q); s.status != 0 {
		t.Errorf("a server that is not there: %+v", s)
	}
}

// TestFaultRow sorts requests around a hang from 5 to 15 s.
func TestFaultRow(t *testing.T) {
	const s = time.Second
	var f faultRow
	f.fill([]shot{
		{due: 1 * s, took: s, status: 200, scored: 9, of: 9},
		{due: 6 * s, took: s, status: 200, of: 9, stopped: "deadline", inOrder: true},
		{due: 7500 * time.Millisecond, status: 200, of: 9, stopped: "failed", inOrder: true},
		{due: 8 * s, status: 200, of: 9, stopped: "failed", inOrder: false},
		{due: 16 * s, status: 200, of: 9, stopped: "failed", inOrder: true},
		{due: 17 * s, took: s, status: 200, scored: 9, of: 9},
		{due: 20 * s, took: s, status: 200, scored: 9, of: 9},
	}, 5*s, 15*s)
	if f.Noticed != 2.5 || f.Recovered != 3 || f.Disorder != 1 || f.Before.Requests != 1 || f.Waiting.Requests != 1 || f.During.Requests != 2 || f.After.Requests != 1 {
		t.Errorf("%+v", f)
	}
	var never faultRow
	never.fill([]shot{{due: 6 * s, took: 20 * s, status: 0}}, 5*s, 15*s)
	if never.Noticed != -1 || never.Recovered != -1 || seconds(never.Recovered) != "never" {
		t.Errorf("%+v", never)
	}
}

func TestSlope(t *testing.T) {
	m := memoryRow{Requests: 1000}
	for n := 0; n < 1000; n += 10 {
		rss := int64(100_000_000 + n*200)
		if n < 100 {
			rss = int64(n) // loading does not count
		}
		m.Samples = append(m.Samples, sample{n, rss})
	}
	if m.settle(); m.Slope < 1_999_999 || m.Slope > 2_000_001 || m.Begin != 100_020_000 || m.End != 100_198_000 {
		t.Errorf("slope %v from %d to %d", m.Slope, m.Begin, m.End)
	}
}

func TestSection(t *testing.T) {
	r := results{
		Model: "base", Depth: 32, Slots: 64, Machine: report.Machine{CPU: "Some Processor", Load: "0 0 0"}, Missing: []string{"graph x: none."},
		Closed: []closedRow{
			{Clients: 1, PerSecond: 10, CPU: 3, summary: summary{Requests: 100, MeanDepth: 32, P50: 95}},
			{Clients: 16, PerSecond: 12},
			{Clients: 16, OneText: true, PerSecond: 30},
		},
		Open: []openRow{
			{Load: 2, Rate: 20, Deadline: 300, Slots: 64, Clients: []clientShare{{0.7, summary{Requests: 70, MeanDepth: 15}}}, summary: summary{Requests: 100, P99: 351, Whole: 0.25, Statuses: map[int]int{200: 75, 429: 25}}},
			{Load: 1, Rate: 10, Deadline: 300, summary: summary{P99: 350}},
		},
		Faults: []faultRow{{Kind: "hang", Lasted: 12, Noticed: 2.25, Recovered: -1, Rate: 5, Deadline: 300}},
		Memory: &memoryRow{Ready: 120e6, Slope: -50_000}, Graphs: []graphCost{{Graph: "match", Anon: 522e6}},
	}
	text := section(&r, "some/where/x.json")
	for _, want := range []string{
		"`make bench-load-base`", "bench/load/results/x.json", "Not measured: graph x: none.\n", "| 10.0 ", "| 320 ", "| 30.0 ",
		"1.20× as often as one with texts of their own", "3.00× with one text", "above the deadline + 50 ms in 1 of 2 rows", "429: 25.0 %", "searchd's own",
		"| 70.0 % ", "| hangs for 12 s ", "| 2.25 s ", "| never ", "120 MB when ready", "-0.05 MB per 10,000", "| match | 522 ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestSmoke runs every part, briefly, with the programs of this tree.
func TestSmoke(t *testing.T) {
	if os.Getenv("SIGHTLINE_TEST_LONG") == "" {
		t.Skip("takes a minute and a half: set SIGHTLINE_TEST_LONG=1")
	}
	if _, err := ort.FindLibrary(os.Getenv); err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	programs, dir := t.TempDir(), t.TempDir()
	for _, args := range [][]string{
		{"-o", programs + "/", "sightline/cmd/indexd", "sightline/cmd/searchd", "sightline/demo/render"},
		{"-tags", "faults", "-o", filepath.Join(programs, "faulty"), "sightline/cmd/searchd"},
	} {
		if text, err := exec.CommandContext(t.Context(), "go", append([]string{"build"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	at := func(name string) string { return filepath.Join(programs, name) }
	o, err := parse([]string{
		"-n", "32", "-depth", "20", "-closed", "1s", "-duration", "1s", "-loads", "0.5,2", "-deadlines", "500ms", "-requests", "200",
		"-indexd", at("indexd"), "-searchd", at("searchd"), "-faulty", at("faulty"), "-render", at("render"),
		"-demo", "../../demo/model/retrieval", "-dir", dir, "-results", filepath.Join(dir, "results"),
	}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	b := &bench{options: o, log: &log}
	if err := b.run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	r := b.r
	if len(r.Graphs) != len(uses()) || len(r.Closed) != 6 || len(r.Open) != 3 || len(r.Faults) != 2 || r.Memory == nil || len(r.Missing) > 0 {
		text, _ := json.MarshalIndent(r, "", " ")
		t.Errorf("%s", text)
	}
	for _, f := range r.Faults {
		if f.Noticed < 0 || f.Recovered < 0 || f.Disorder > 0 {
			t.Errorf("%+v", f)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "sightline-*")); len(left) > 0 {
		t.Error("temporary data is left:", left)
	}
}
