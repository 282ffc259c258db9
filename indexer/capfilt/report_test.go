package capfilt_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sightline/indexer/capfilt"
	"sightline/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the goldens")

// hostile is a catalogue of shops that mean no good.
func hostile() *world {
	w := newWorld()
	w.add(`<script>alert(1)</script>`, `<img src=x onerror=alert(2)>, "red" mug & 'more'`, "red mug", "<b>red</b> mug")
	w.add("=1+1", "@SUM(A1), red mug", "red mug b", "red mug")
	w.add("huge", strings.Repeat("red mug | ", 400)+strings.Repeat("ä", 40), "red mug c", "red mug")
	w.add("kept", "", "red mug d", "red mug")
	w.entries["missing"] = store.Entry{Item: store.Item{ID: "missing", Title: "Red mug"}, Picture: strings.Repeat("ab", 32), Embedding: make([]float32, 64)}
	broken := w.keep([]byte("\x89PNG\r\n\x1a\nnot a picture"), "")
	w.entries["broken"] = store.Entry{Item: store.Item{ID: "broken", Title: "Red mug"}, Picture: broken, Embedding: make([]float32, 64)}
	w.entries["none"] = store.Entry{Item: store.Item{ID: "none", Title: "Red mug"}, Embedding: make([]float32, 64)}
	return w
}

var dataURL = regexp.MustCompile(`data:image/jpeg;base64,[A-Za-z0-9+/=&#;]{100,}`)

// TestGoldens: the three tables of a catalogue that means no good.
func TestGoldens(t *testing.T) {
	w, dir := hostile(), t.TempDir()
	r, sum := w.judged(t, dir)
	if sum.Failed != 3 || sum.Judged != 7 {
		t.Errorf("%+v", sum)
	}
	alt := filepath.Join(dir, "alt.csv")
	for _, err := range []error{r.WriteTable(), r.WritePage(t.Context(), sum, stored{w}), r.WriteAlt(alt)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"report.csv", "report.html", "alt.csv"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got := dataURL.ReplaceAllString(string(data), "PICTURE") // encoders may change
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from testdata; look at it, then go test -run TestGoldens -update\n%s", name, got)
		}
		for _, tag := range []string{"<script>alert", "<img src=x", "<b>red", "\n=1+1", "\n@SUM", ",=1+1", ",@SUM"} {
			if name == "report.html" && strings.Contains(got, tag) || name != "report.html" && tag[0] != '<' && strings.Contains(got, tag) {
				t.Errorf("%s has %q as it came", name, tag)
			}
		}
		if name == "report.html" && strings.Count(got, "PICTURE") != 3 {
			t.Errorf("%d pictures on the page, want 3", strings.Count(got, "PICTURE"))
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.*.*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestLongPage: the page is bounded and says so.
func TestLongPage(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	var lines []byte
	for i := range 1010 {
		id := fmt.Sprintf("%04d", i)
		w.add(id, "Blue dress", "red mug", "green")
		row, err := json.Marshal(capfilt.Row{ID: id, Picture: w.entries[id].Picture, Title: "Blue dress", Flags: []string{capfilt.Mismatch}})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, row...), '\n')
	}
	f, err := os.OpenFile(filepath.Join(dir, capfilt.ReportFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(lines); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	r := open(t, dir)
	sum, err := capfilt.Left(t.Context(), w, r)
	if err != nil || sum.Left != 0 {
		t.Fatal(err, sum)
	}
	if sum, err = r.Count(sum); err != nil || sum.Flags[capfilt.Mismatch] != 1010 {
		t.Fatal(err, sum)
	}
	if err := r.WritePage(t.Context(), sum, stored{w}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), `scope="row"`); n != 1000 || !strings.Contains(string(data), "10 further rows are in report.csv") {
		t.Errorf("%d rows", n)
	}
}
