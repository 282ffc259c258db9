package eval

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

// depths is a report with rows out of order.
func depths() Report {
	return Report{Queries: 50, Model: "3fa9c1d2e0b45566", Rows: []Row{
		{Depth: 100, Quality: Quality{R1: 1, MRR: 1, NDCG: 0.997}, P50: 180, P95: 220},
		{Quality: Quality{R1: 0.92, MRR: 0.95, NDCG: 0.966}, P50: 4, P95: 6},
		{Depth: 20, Quality: Quality{R1: 0.98, MRR: 0.985, NDCG: 0.98}, P50: 41, P95: 50},
	}}
}

func TestPlotPNG(t *testing.T) {
	var b bytes.Buffer
	if err := depths().Plot(&b, "png"); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != 1440 || size.Y < 600 {
		t.Errorf("%v pixels", size)
	}
	// Each series of either panel leaves pixels of its colour on its side.
	colours := map[[3]uint32][2]int{{0x00, 0x72, 0xb2}: {}, {0xd5, 0x5e, 0x00}: {}, {0x00, 0x9e, 0x73}: {}}
	for y := 0; y < img.Bounds().Dy(); y += 3 {
		for x := 0; x < img.Bounds().Dx(); x += 3 {
			r, g, b, _ := img.At(x, y).RGBA()
			if n, ok := colours[[3]uint32{r >> 8, g >> 8, b >> 8}]; ok {
				n[x/720]++
				colours[[3]uint32{r >> 8, g >> 8, b >> 8}] = n
			}
		}
	}
	for colour, n := range colours {
		if third := colour[0] == 0 && colour[1] == 0x9e; n[0] < 20 || (n[1] < 20) != third {
			t.Errorf("colour %x: %v pixels, left and right", colour, n)
		}
	}
}

func TestPlotSVG(t *testing.T) {
	var b bytes.Buffer
	if err := depths().Plot(&b, "svg"); err != nil {
		t.Fatal(err)
	}
	var words []string
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			words = append(words, strings.TrimSpace(string(token)))
		case xml.StartElement:
			if style := attribute(token, "style"); token.Name.Local == "text" && !strings.Contains(style, "Liberation Sans,Arial") {
				t.Errorf("a text in style %q", style)
			}
		}
	}
	text := strings.Join(words, "|")
	for _, want := range []string{"50 queries, model 3fa9c1d2e0b4|", "|R@1|", "|nDCG@10|", "|MRR|", "|p50|", "|p95|", "|0||20||100|", "ms a search", "mean over all queries"} {
		if !strings.Contains(text+"|", want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func TestPlotRefusals(t *testing.T) {
	infinite := depths()
	infinite.Rows[0].P95 = math.Inf(1)
	for want, err := range map[string]error{
		"no rows":            Report{}.Plot(io.Discard, "png"),
		`format "pdf"`:       depths().Plot(io.Discard, "pdf"),
		"infinite":           infinite.Plot(io.Discard, "svg"),
		".svg or .png":       depths().SavePlot("x.pdf"),
		"write plot: closed": depths().Plot(closedWriter{}, "svg"),
	} {
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for path, want := range map[string]string{
		"a.SVG": "", "./b.c.png": "", "a": ".svg or .png", "a.jpg": ".svg or .png", "nowhere/a.svg": `make the folder "nowhere"`, "plot.go/a.svg": "make the folder",
	} {
		if err := CheckPlot(path); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestSavePlot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.svg")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Report{}).SavePlot(path); err == nil {
		t.Error("an empty report was saved")
	}
	if data, err := os.ReadFile(path); string(data) != "old" || err != nil {
		t.Errorf("after a failure: %q, %v", data, err)
	}
	if err := depths().SavePlot(path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); !bytes.HasPrefix(data, []byte("<?xml")) || err != nil {
		t.Errorf("%.20q, %v", data, err)
	}
	if err := depths().SavePlot(filepath.Join(dir, "nowhere", "a.png")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: error %v", err)
	}
	blocked := filepath.Join(dir, "b.png")
	if err := errors.Join(os.Mkdir(blocked, 0o700), depths().SavePlot(blocked)); err == nil {
		t.Error("a plot took the place of a folder")
	}
	if left, err := os.ReadDir(dir); len(left) != 2 || err != nil {
		t.Errorf("files %v, %v", left, err)
	}
}

func TestScale(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		labels    string
	}{
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{0.92, 1, "0.92 0.94 0.96 0.98 1.00"},
		{0, 220, "0 50 100 150 200 250"},
		{0, 0.3, "0.00 0.05 0.10 0.15 0.20 0.25 0.30"},
		{0, 7, "0 1 2 3 4 5 6 7"},
	} {
		var a plot.Axis
		scale(&a, test.low, test.high)
		var labels []string
		for _, tick := range a.Tick.Marker.Ticks(a.Min, a.Max) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != test.labels || a.Min > test.low+1e-9 || a.Max < test.high-1e-9 {
			t.Errorf("%g to %g: ticks %s, axis %g to %g", test.low, test.high, got, a.Min, a.Max)
		}
	}
}

func TestBounds(t *testing.T) {
	for _, test := range []struct {
		p         panel
		low, high float64
	}{
		{panel{series: []series{{values: []float64{0.5, 0.9}}, {values: []float64{0.4}}}}, 0.4, 0.9},
		{panel{series: []series{{values: []float64{0.5, 0.9}}}, zero: true}, 0, 0.9},
		{panel{series: []series{{values: []float64{0, 0}}}}, 0, 1},
		{panel{series: []series{{values: []float64{1, 1}}}, most: 1}, 0.95, 1},
		{panel{series: []series{{values: []float64{0.8, 0.8}}}, most: 1}, 0.78, 0.82},
	} {
		if low, high := test.p.bounds(); math.Abs(low-test.low) > 1e-9 || math.Abs(high-test.high) > 1e-9 {
			t.Errorf("%+v: %g to %g, want %g to %g", test.p, low, high, test.low, test.high)
		}
	}
}
