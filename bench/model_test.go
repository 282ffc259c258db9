// Package bench times Sightline on a full-size BLIP-base with random weights.
// `make bench` runs it.
package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sightline/bench/checkpoint"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// BenchmarkBase converts BLIP-base with the real program and times its graphs.
// SIGHTLINE_BENCH_CHECKPOINT names a Hugging Face folder to use instead of
// random weights.
func BenchmarkBase(b *testing.B) {
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		encodertest.Missing(b, "onnxruntime", err)
	}
	source := os.Getenv("SIGHTLINE_BENCH_CHECKPOINT")
	if source == "" {
		source = b.TempDir()
		if err := checkpoint.WriteBase(source); err != nil {
			b.Fatal(err)
		}
	}
	for _, precision := range []string{bundle.FP32, bundle.INT8} {
		b.Run(precision, func(b *testing.B) { benchPrecision(b, library, source, precision) })
	}
}

// benchPrecision times a bundle of that precision. match/int8 reads int8 patch
// states, whatever the bundle's weights are, and match/int8/plain does so without
// our own operators.
func benchPrecision(b *testing.B, library, source, precision string) {
	dir := filepath.Join(b.TempDir(), "model")
	b.Run("convert", func(b *testing.B) { benchConvert(b, source, dir, precision) })
	m, plain := openModel(b, library, dir, ""), openModel(b, library, dir, ort.KernelOff)
	b.Run("vision", func(b *testing.B) { benchVision(b, m) })
	for _, n := range []int{8, 16} {
		b.Run(fmt.Sprintf("text/L=%d", n), func(b *testing.B) { benchText(b, m, n) })
	}
	states := oneState(b, m)
	for _, n := range []int{8, 16} {
		b.Run(fmt.Sprintf("match/int8/L=%d", n), func(b *testing.B) { benchMatch(b, m, n, states.Quantize()) })
		b.Run(fmt.Sprintf("match/int8/plain/L=%d", n), func(b *testing.B) { benchMatch(b, plain, n, states.Quantize()) })
		b.Run(fmt.Sprintf("match/fp32/L=%d", n), func(b *testing.B) { benchMatch(b, m, n, states) })
		b.Run(fmt.Sprintf("match/projected/L=%d", n), func(b *testing.B) { benchProjected(b, library, dir, n, states) })
		b.Run(fmt.Sprintf("texts/L=%d", n), func(b *testing.B) { benchTexts(b, m, n, states) })
	}
}

func openModel(b *testing.B, library, dir, kernel string) *encoder.Model {
	b.Helper()
	rt, err := ort.New(ort.Options{Library: library, Spin: os.Getenv("SIGHTLINE_SPIN") != "", Kernel: kernel})
	if err != nil {
		b.Fatal(err)
	}
	m, err := encoder.Open(b.Context(), dir, rt)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close() })
	return m
}

// benchConvert builds indexd and runs it as a user would, for its own peak of
// memory.
func benchConvert(b *testing.B, source, dir, precision string) {
	program := filepath.Join(b.TempDir(), "indexd")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "sightline/cmd/indexd").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), program, "model", "convert", source, "--out", dir, "--precision", precision, "--force")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		stop, peak := make(chan struct{}), make(chan int, 1)
		go watchPeak(cmd.Process.Pid, stop, peak)
		err := cmd.Wait()
		close(stop)
		b.ReportMetric(float64(<-peak)/1024, "MB-peak")
		if err != nil {
			b.Fatal(err)
		}
	}
}

// watchPeak sends the largest resident size seen, in kB. It reads the process's
// own high-water mark: the one that wait reports also counts this program's,
// from before the child became another one.
func watchPeak(pid int, stop <-chan struct{}, peak chan<- int) {
	highest := 0
	for {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // gone at the end, absent elsewhere than on Linux
		if _, rest, ok := strings.Cut(string(data), "VmHWM:"); ok {
			var kb int
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				highest = max(highest, kb)
			}
		}
		select {
		case <-stop:
			peak <- highest
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func pixels(m *encoder.Model) encoder.Pixels {
	side := m.Manifest().Vision.Image
	px := make(encoder.Pixels, 3*side*side)
	for i := range px {
		px[i] = float32(i*7919%1000)/500 - 1
	}
	return px
}

func oneState(b *testing.B, m *encoder.Model) encoder.States {
	b.Helper()
	f, err := m.Images(b.Context(), []encoder.Pixels{pixels(m)})
	if err != nil {
		b.Fatal(err)
	}
	return f[0].States
}

func query(n int) encoder.Query {
	q := encoder.Query{IDs: make([]int64, n)}
	for i := range q.IDs {
		q.IDs[i] = int64(1000 + 37*i)
	}
	return q
}

func benchVision(b *testing.B, m *encoder.Model) {
	oneState(b, m) // load and pack
	b.ReportAllocs()
	for b.Loop() {
		oneState(b, m)
	}
	perUnit(b, "ms/picture", 1)
}

func benchText(b *testing.B, m *encoder.Model, n int) {
	q := []encoder.Query{query(n)}
	run := func() {
		if _, err := m.Texts(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	run()
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	perUnit(b, "ms/text", 1)
}

// batch is the number of pairs in one run, as in the design's table.
const batch = 32

func benchMatch(b *testing.B, m *encoder.Model, n int, s encoder.States) {
	states := make([]encoder.States, batch)
	for i := range states {
		states[i] = s
	}
	run := func() {
		if _, err := m.Match(b.Context(), query(n), states); err != nil {
			b.Fatal(err)
		}
	}
	run()
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	perUnit(b, "ms/pair", batch)
}

// benchProjected runs the projected graph at a batch of 8: at 32 its keys and
// values would take 1.4 GB.
func benchProjected(b *testing.B, library, dir string, n int, s encoder.States) {
	const pairs = 8
	rt, err := ort.New(ort.Options{Library: library})
	if err != nil {
		b.Fatal(err)
	}
	session, err := rt.Load(b.Context(), filepath.Join(dir, bundle.GraphMatchProjected.File()))
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	var flat []float32
	for range pairs {
		flat = append(flat, s.Float...)
	}
	in := []encoder.Tensor{
		{Name: "ids", Shape: []int64{1, int64(n)}, Data: query(n).IDs},
		{Name: "states", Shape: []int64{pairs, int64(s.Tokens), int64(s.Width)}, Data: flat},
	}
	run := func() {
		if _, err := session.Run(b.Context(), in...); err != nil {
			b.Fatal(err)
		}
	}
	run()
	for b.Loop() {
		run()
	}
	perUnit(b, "ms/pair", pairs)
}

func benchTexts(b *testing.B, m *encoder.Model, n int, s encoder.States) {
	queries := make([]encoder.Query, batch)
	for i := range queries {
		queries[i] = query(n)
	}
	run := func() {
		if _, err := m.MatchTexts(b.Context(), s, queries); err != nil {
			b.Fatal(err)
		}
	}
	run()
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	perUnit(b, "ms/pair", batch)
}

// BenchmarkCaptioner converts a captioner of BLIP-base's size and times what it
// does once a picture and in each step of a beam search.
func BenchmarkCaptioner(b *testing.B) {
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		encodertest.Missing(b, "onnxruntime", err)
	}
	source := b.TempDir()
	if err := checkpoint.WriteCaptioner(source); err != nil {
		b.Fatal(err)
	}
	for _, precision := range []string{bundle.FP32, bundle.INT8} {
		dir := filepath.Join(b.TempDir(), "model")
		if _, err := convert.Convert(b.Context(), source, dir, convert.Options{Precision: precision}); err != nil {
			b.Fatal(err)
		}
		m := openModel(b, library, dir, "")
		for _, pictures := range []int{1, 8} {
			for _, beams := range []int{1, 3} {
				b.Run(fmt.Sprintf("%s/P=%d/beams=%d", precision, pictures, beams), func(b *testing.B) { benchSteps(b, m, pictures, beams) })
			}
		}
	}
}

// benchSteps reads a caption of ten tokens with all pictures: ms/kv is what comes
// before the first step, ms/step one of all pictures.
func benchSteps(b *testing.B, m *encoder.Model, pictures, beams int) {
	const steps = 10
	states, ids := make([]encoder.States, pictures), make([][]int64, pictures*beams)
	for i := range states {
		states[i] = oneState(b, m)
	}
	for i := range ids {
		ids[i] = []int64{int64(1000 + i)}
	}
	var kv, all time.Duration
	for b.Loop() {
		begin := time.Now()
		d, err := m.Decoder(b.Context(), states)
		if err != nil {
			b.Fatal(err)
		}
		kv += time.Since(begin)
		begin = time.Now()
		for range steps {
			if _, err := d.Step(b.Context(), nil, ids); err != nil {
				b.Fatal(err)
			}
		}
		all += time.Since(begin)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(kv.Seconds()*1e3/float64(b.N), "ms/kv")
	b.ReportMetric(all.Seconds()*1e3/float64(b.N*steps), "ms/step")
}

func perUnit(b *testing.B, unit string, n int) {
	b.ReportMetric(float64(b.Elapsed())/float64(time.Millisecond)/float64(b.N*n), unit)
}
