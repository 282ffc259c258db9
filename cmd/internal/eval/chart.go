package eval

import (
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// chart is two panels over the same depths.
type chart struct {
	title  string
	depths []string
	panels [2]panel
}

type panel struct {
	title  string
	axis   string  // what the vertical axis shows, with its unit
	zero   bool    // the axis begins at 0, where lengths are compared; else near the lowest value
	most   float64 // no value is above it; 0: no such bound
	series []series
}

// series has one value for each depth.
type series struct {
	name   string
	values []float64
}

const (
	titleSize = vg.Length(15)
	panelSize = vg.Length(12)
	textSize  = vg.Length(10.5)
	margin    = vg.Length(12)
	lineWidth = vg.Length(1.8)
)

func (c chart) draw(to vg.CanvasSizer) error {
	whole := draw.New(to)
	whole.SetColor(color.White)
	whole.Fill(whole.Path())
	whole = draw.Crop(whole, margin, -margin, margin, -margin)
	style := sans(titleSize)
	style.XAlign, style.YAlign = draw.XCenter, draw.YTop
	whole.FillText(style, vg.Point{X: whole.Center().X, Y: whole.Max.Y + margin/2}, c.title)
	tiles := draw.Tiles{Cols: len(c.panels), Rows: 1, PadX: 2 * margin, PadTop: 1.8 * titleSize}
	for i, p := range c.panels {
		if err := p.draw(tiles.At(whole, i, 0), c.depths); err != nil {
			return err
		}
	}
	return nil
}

// draw puts the legend above the lines, where it cannot cover one.
func (p panel) draw(c draw.Canvas, depths []string) error {
	pl, err := p.plot(depths)
	if err != nil {
		return err
	}
	const rows = 3.4 * panelSize // of the panel's title and the legend
	pl.Draw(draw.Crop(c, 0, 0, 0, -rows))
	style := sans(panelSize)
	style.YAlign = draw.YTop
	c.FillText(style, vg.Point{X: c.Min.X, Y: c.Max.Y}, p.title)
	at := draw.Crop(c, 0, 0, 0, -1.6*panelSize)
	for i, s := range p.series {
		l := pl.Legend
		l.Top, l.Left, l.TextStyle = true, true, sans(textSize)
		line, points, err := look(i, s.values)
		if err != nil {
			return err
		}
		l.Add(s.name, line, points)
		l.Draw(at)
		at.Min.X += l.ThumbnailWidth + l.TextStyle.Width(s.name) + 2*margin
	}
	return nil
}

func (p panel) plot(depths []string) (*plot.Plot, error) {
	pl := plot.New()
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{Y: 215}
	pl.Add(grid)
	for i, s := range p.series {
		line, points, err := look(i, s.values)
		if err != nil {
			return nil, err
		}
		pl.Add(line, points)
	}
	pl.X.Label.Text, pl.Y.Label.Text = "candidates that get the second look (0: first stage alone)", p.axis
	var ticks plot.ConstantTicks
	for i, d := range depths {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: d})
	}
	pl.X.Tick.Marker = ticks
	pl.X.Min, pl.X.Max = -0.2, float64(len(depths))-0.8
	low, high := p.bounds()
	scale(&pl.Y, low, high)
	for _, a := range []*plot.Axis{&pl.X, &pl.Y} {
		dress(a)
	}
	return pl, nil
}

// dress gives an axis the font of the chart and lines that stay behind the data.
func dress(a *plot.Axis) {
	quiet := color.Gray{Y: 120}
	for _, s := range []*text.Style{&a.Label.TextStyle, &a.Tick.Label} {
		s.Font = sans(textSize).Font
	}
	a.Label.Padding = vg.Points(5)
	a.Color, a.Tick.Color = quiet, quiet
	a.Padding = 0
}

func sans(size vg.Length) draw.TextStyle {
	return draw.TextStyle{
		Color: color.Gray{Y: 40}, Handler: plot.DefaultTextHandler,
		Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
	}
}

// look is how the i-th series of a panel is drawn. The colours are those of
// Okabe and Ito, which people with any kind of colour blindness tell apart;
// shapes and dashes say the same in grey.
func look(i int, values []float64) (*plotter.Line, *plotter.Scatter, error) {
	looks := []struct {
		color  color.Color
		glyph  draw.GlyphDrawer
		dashes []vg.Length
	}{
		{color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, draw.CircleGlyph{}, nil},
		{color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}, draw.BoxGlyph{}, []vg.Length{6, 2}},
		{color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, draw.PyramidGlyph{}, []vg.Length{2, 2}},
	}
	xys := make(plotter.XYs, len(values))
	for at, v := range values {
		xys[at] = plotter.XY{X: float64(at), Y: v}
	}
	line, points, err := plotter.NewLinePoints(xys)
	if err != nil {
		return nil, nil, err
	}
	l := looks[i%len(looks)]
	line.LineStyle = draw.LineStyle{Color: l.color, Width: lineWidth, Dashes: l.dashes}
	points.GlyphStyle = draw.GlyphStyle{Color: l.color, Shape: l.glyph, Radius: 2 * lineWidth}
	return line, points, nil
}

// leastSpan is the shortest axis, as a share of its highest value: on a shorter
// one noise would look like a trend.
const leastSpan = 0.05

func (p panel) bounds() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range p.series {
		low, high = min(low, slices.Min(s.values)), max(high, slices.Max(s.values))
	}
	switch {
	case high == 0:
		return 0, 1
	case p.zero:
		return 0, high
	}
	if room := leastSpan*high - (high - low); room > 0 {
		low, high = low-room/2, high+room/2
	}
	if p.most > 0 && high > p.most {
		low, high = low-(high-p.most), p.most
	}
	return low, high
}

// slack is for quotients that should be whole: 0.3/0.1 is a little less than 3.
const slack = 1e-9

// scale widens the axis to whole ticks, 4 to 11 of them at round numbers.
func scale(a *plot.Axis, low, high float64) {
	step := roundStep(high - low)
	first, last := math.Floor(low/step+slack), math.Ceil(high/step-slack)
	digits := max(0, int(-math.Floor(math.Log10(step)+slack)))
	var ticks plot.ConstantTicks
	for n := first; n <= last; n++ {
		ticks = append(ticks, plot.Tick{Value: n * step, Label: strconv.FormatFloat(n*step, 'f', digits, 64)})
	}
	a.Tick.Marker = ticks
	a.Min, a.Max = first*step, last*step
}

// roundStep is the largest of 1, 2 and 5 times a power of ten that goes into
// span four times.
func roundStep(span float64) float64 {
	most := span / 4 * (1 + slack)
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, m := range []float64{5, 2} {
		if m*power <= most {
			return m * power
		}
	}
	return power
}
