package eval

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// CheckPlot says, before any work is done, what would keep SavePlot from
// writing path.
func CheckPlot(path string) error {
	if _, err := plotFormat(path); err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("a plot cannot be written to %q: make the folder %q first", path, filepath.Dir(path))
	}
	return nil
}

func plotFormat(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".svg", ".png":
		return ext[1:], nil
	}
	return "", fmt.Errorf("a plot cannot be written to %q: give the file an extension of .svg or .png", path)
}

// SavePlot draws the report into a file, whose extension is the format, svg or
// png. After a failure the file is as it was.
func (r Report) SavePlot(path string) error {
	format, err := plotFormat(path)
	if err != nil {
		return err
	}
	var image bytes.Buffer
	if err := r.Plot(&image, format); err != nil {
		return err
	}
	if err := replaceFile(path, image.Bytes()); err != nil {
		return fmt.Errorf("write plot %s: %w", path, err)
	}
	return nil
}

// replaceFile puts data beside path and renames it, so that nobody reads half
// a file.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".plot-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close()) // temporary files are made for the user alone
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Plot draws ranking quality and latency against the depth of the second look,
// side by side, as "svg" or "png".
func (r Report) Plot(w io.Writer, format string) error {
	if len(r.Rows) == 0 {
		return errors.New("plot: the report has no rows; run at least one query")
	}
	c, err := newCanvas(format)
	if err != nil {
		return err
	}
	if err := r.chart().draw(c); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if _, err := c.WriteTo(w); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

const (
	plotWidth  = 10 * vg.Inch
	plotHeight = 4.4 * vg.Inch
	plotDPI    = 144 // of a PNG: 1440 pixels wide, sharp on a screen of double density
)

func newCanvas(format string) (vg.CanvasWriterTo, error) {
	switch format {
	case "png":
		return vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))}, nil
	case "svg":
		return svgCanvas{vgsvg.New(plotWidth, plotHeight)}, nil
	}
	return nil, fmt.Errorf("plot: format %q is not drawn; use svg or png", format)
}

// svgCanvas names fonts that take the place of the one the plot is laid out
// with. Arial and Liberation Sans are equally wide; without it a machine that
// lacks the latter would show a serif font.
type svgCanvas struct{ *vgsvg.Canvas }

// WriteTo writes the picture.
func (c svgCanvas) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	if _, err := c.Canvas.WriteTo(&b); err != nil {
		return 0, err
	}
	const family = "font-family:Liberation Sans"
	n, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte(family), []byte(family+",Arial,Helvetica,sans-serif")))
	return int64(n), err
}

// chart is the report as the drawing needs it: one place on the horizontal
// axis for each depth, whatever the distance of their numbers.
func (r Report) chart() chart {
	rows := slices.SortedFunc(slices.Values(r.Rows), func(a, b Row) int { return cmp.Compare(a.Depth, b.Depth) })
	values := func(of func(Row) float64) []float64 {
		v := make([]float64, len(rows))
		for i, row := range rows {
			v[i] = of(row)
		}
		return v
	}
	c := chart{title: fmt.Sprintf("%d queries, model %.12s", r.Queries, r.Model)}
	for _, row := range rows {
		c.depths = append(c.depths, fmt.Sprint(row.Depth))
	}
	c.panels[0] = panel{title: "Ranking quality", axis: "mean over all queries (1 is best)", most: 1, series: []series{
		{"R@1", values(func(r Row) float64 { return r.R1 })},
		{"nDCG@10", values(func(r Row) float64 { return r.NDCG })},
		{"MRR", values(func(r Row) float64 { return r.MRR })},
	}}
	c.panels[1] = panel{title: "Latency", axis: "ms a search, one after the other", zero: true, series: []series{
		{"p50", values(func(r Row) float64 { return r.P50 })},
		{"p95", values(func(r Row) float64 { return r.P95 })},
	}}
	return c
}
