package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sightline/bench/capacity/sim"
)

// A plot is written as text: drawing libraries give the same picture another
// text with each version, and the test compares it.
const (
	plotWidth, plotHeight = 720, 300
	panelLeft, panelRight = 46, 12
	panelTop, panelBottom = 40, 42
)

// line is one series.
type line struct {
	name   string
	colour string // of Okabe and Ito
	points [][2]float64
}

type panel struct {
	title string
	unit  string
	most  float64
	lines []line
}

func (b *book) savePlots(dir string) error {
	path := filepath.Join(dir, "load.svg")
	if err := os.WriteFile(path, []byte(b.plot()), 0o644); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

// plot is latency and depth of the demo model against load.
func (b *book) plot() string {
	colours := []string{"#0072b2", "#d55e00"}
	times := panel{title: "95 % are answered within", unit: "ms", most: 800}
	depth := panel{title: "Candidates read, of 50", unit: "mean depth", most: 50}
	for i, d := range deadlines() {
		at := func(read func(sim.Result) float64) (lines []line) {
			curve := line{name: fmt.Sprintf("deadline %.0f ms", 1000*d), colour: colours[i]}
			for n, r := range b.curve(d) {
				curve.points = append(curve.points, [2]float64{loads()[n], read(r)})
			}
			return []line{curve}
		}
		times.lines = append(times.lines, at(func(r sim.Result) float64 { return r.P95 })...)
		depth.lines = append(depth.lines, at(func(r sim.Result) float64 { return r.MeanDepth })...)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Arial,Helvetica,sans-serif" font-size="11" fill="#282828">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", plotWidth, plotHeight)
	times.draw(&s, 0)
	depth.draw(&s, plotWidth/2)
	s.WriteString("</svg>\n")
	return s.String()
}

// draw puts a panel of half the width at left.
func (p panel) draw(s *strings.Builder, left int) {
	const most = 3.0 // load
	x := func(load float64) float64 {
		return float64(left+panelLeft) + load/most*float64(plotWidth/2-panelLeft-panelRight)
	}
	y := func(v float64) float64 {
		return plotHeight - panelBottom - v/p.most*float64(plotHeight-panelTop-panelBottom)
	}
	text := func(x, y float64, anchor, text string) {
		fmt.Fprintf(s, `<text x="%.0f" y="%.0f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, text)
	}
	text(x(0), 16, "start", p.title+" ("+p.unit+")")
	for i := range 6 {
		v := p.most / 5 * float64(i)
		fmt.Fprintf(s, `<path d="M%.0f %.1fH%.0f" stroke="#d7d7d7"/>`+"\n", x(0), y(v), x(most))
		text(x(0)-5, y(v)+4, "end", fmt.Sprintf("%.0f", v))
	}
	for i := range 7 {
		text(x(float64(i)/2), plotHeight-panelBottom+15, "middle", fmt.Sprintf("%g", float64(i)/2))
	}
	text(x(most/2), plotHeight-10, "middle", "load, of capacity at depth 50 (simulated)")
	for i, l := range p.lines {
		l.draw(s, x, y)
		if l.name != "" {
			fmt.Fprintf(s, `<path d="M%.0f 28h18" stroke="%s" stroke-width="2"/>`+"\n", x(0)+float64(70*i), l.colour)
			text(x(0)+float64(70*i)+23, 32, "start", l.name)
		}
	}
}

func (l line) draw(s *strings.Builder, x, y func(float64) float64) {
	var path []string
	for _, p := range l.points {
		path = append(path, fmt.Sprintf("%.1f %.1f", x(p[0]), y(p[1])))
	}
	if len(path) > 0 {
		fmt.Fprintf(s, `<path d="M%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, "L"), l.colour)
	}
}
