package catalogue

import (
	"fmt"
	"strconv"
	"strings"
)

// Shapes are drawn in a box from -100 to 100, y down, in sixteenths.
const unit = 16

type point struct{ x, y int }

// outline is a run of points; closed ones are filled or drawn around.
type outline struct {
	points []point
	closed bool
}

// layer is one piece of a drawing in one paint.
type layer struct {
	paint    byte // see palette.paint
	stroke   int  // width in units of the box; 0 fills
	outlines []outline
	front    bool // drawn over what is inside the product
}

// parseLayers reads the drawing of a kind. One line is
//
//	PAINT[*][/WIDTH] PATH
//
// "*" adds the mirror image in x, "/WIDTH" draws a line instead of filling,
// and PATH is SVG's M L Q C Z in absolute coordinates, or E cx cy rx ry (an
// ellipse), or R left top right bottom radius. The line "--" parts what lies
// behind from what lies before a product that is inside.
func parseLayers(lines []string) ([]layer, error) {
	var out []layer
	front := false
	for _, line := range lines {
		if line == "--" {
			front = true
			continue
		}
		l, err := parseLayer(line)
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", line, err)
		}
		l.front = front
		out = append(out, l)
	}
	return out, nil
}

func parseLayer(line string) (layer, error) {
	head, path, ok := strings.Cut(line, " ")
	if !ok || head == "" {
		return layer{}, fmt.Errorf("want a paint and a path")
	}
	l := layer{paint: head[0]}
	head, mirror := strings.CutPrefix(head[1:], "*")
	if width, ok := strings.CutPrefix(head, "/"); ok {
		n, err := strconv.Atoi(width)
		if err != nil {
			return layer{}, fmt.Errorf("line width: %w", err)
		}
		l.stroke = n * unit
	}
	o, err := parsePath(path)
	if err != nil {
		return layer{}, err
	}
	if l.stroke == 0 {
		o.closed = true
		o.points = turned(o.points)
	}
	l.outlines = append(l.outlines, o)
	if mirror {
		l.outlines = append(l.outlines, outline{turned(mirrored(o.points)), o.closed})
	}
	return l, nil
}

func parsePath(path string) (outline, error) {
	p := pen{}
	for _, field := range strings.FieldsFunc(path, func(r rune) bool { return r == ' ' || r == ',' }) {
		if c := field[0]; c >= 'A' && c <= 'Z' {
			p.command, field = c, field[1:]
		}
		if field != "" {
			n, err := strconv.Atoi(field)
			if err != nil {
				return outline{}, fmt.Errorf("path %q: %w", path, err)
			}
			p.args = append(p.args, n*unit)
		}
		if err := p.step(); err != nil {
			return outline{}, fmt.Errorf("path %q: %w", path, err)
		}
	}
	if len(p.args) > 0 || len(p.out.points) < 2 {
		return outline{}, fmt.Errorf("path %q ends early", path)
	}
	return p.out, nil
}

// pen turns commands into points.
type pen struct {
	command byte
	args    []int
	out     outline
}

// needs says how many numbers a command takes.
func needs(command byte) int {
	switch command {
	case 'M', 'L':
		return 2
	case 'Q', 'E':
		return 4
	case 'R':
		return 5
	case 'C':
		return 6
	}
	return 0
}

func (p *pen) step() error {
	n := needs(p.command)
	if p.command == 'Z' {
		p.out.closed = true
		return nil
	}
	if n == 0 {
		return fmt.Errorf("unknown command %q", p.command)
	}
	if len(p.args) < n {
		return nil
	}
	a := p.args
	p.args = nil
	if len(p.out.points) == 0 && (p.command == 'L' || p.command == 'Q' || p.command == 'C') {
		return fmt.Errorf("%q before M", p.command)
	}
	switch p.command {
	case 'M', 'L':
		p.to(point{a[0], a[1]})
	case 'Q':
		p.quad(point{a[0], a[1]}, point{a[2], a[3]})
	case 'C':
		p.cubic(point{a[0], a[1]}, point{a[2], a[3]}, point{a[4], a[5]})
	case 'E':
		p.out = outline{ellipse(point{a[0], a[1]}, a[2], a[3], 32), true}
	case 'R':
		p.out = outline{roundBox(a[0], a[1], a[2], a[3], a[4]), true}
	}
	return nil
}

func (p *pen) to(q point) { p.out.points = append(p.out.points, q) }

// steps of a curve: at 256 px the longest chord is some 6 px, its deviation
// under half a pixel.
const steps = 10

func (p *pen) quad(b, c point) {
	a := p.out.points[len(p.out.points)-1]
	for i := 1; i <= steps; i++ {
		j := steps - i
		at := func(a, b, c int) int { return (j*j*a + 2*i*j*b + i*i*c) / (steps * steps) }
		p.to(point{at(a.x, b.x, c.x), at(a.y, b.y, c.y)})
	}
}

func (p *pen) cubic(b, c, d point) {
	const n = 2 * steps
	a := p.out.points[len(p.out.points)-1]
	for i := 1; i <= n; i++ {
		j := n - i
		at := func(a, b, c, d int) int { return (j*j*j*a + 3*i*j*j*b + 3*i*i*j*c + i*i*i*d) / (n * n * n) }
		p.to(point{at(a.x, b.x, c.x, d.x), at(a.y, b.y, c.y, d.y)})
	}
}

func ellipse(c point, rx, ry, n int) []point {
	return arc(nil, c, rx, ry, 0, turn, n)
}

// arc appends n points from one angle towards another.
func arc(to []point, c point, rx, ry, from, angle, n int) []point {
	for i := range n {
		a := from + angle*i/n
		to = append(to, point{c.x + rx*cosine(a)/trig, c.y + ry*sine(a)/trig})
	}
	return to
}

func roundBox(x0, y0, x1, y1, r int) []point {
	const quarter, n = turn / 4, 7
	var out []point
	for i, c := range []point{{x1 - r, y0 + r}, {x1 - r, y1 - r}, {x0 + r, y1 - r}, {x0 + r, y0 + r}} {
		out = arc(out, c, r, r, (i+3)*quarter, quarter*n/(n-1), n)
	}
	return out
}

func mirrored(in []point) []point {
	out := make([]point, len(in))
	for i, p := range in {
		out[i] = point{-p.x, p.y}
	}
	return out
}

// turned makes every outline run the same way around: where two of a layer
// overlap, the rasterizer then adds instead of cutting a hole.
func turned(in []point) []point {
	area := 0
	for i, p := range in {
		q := in[(i+1)%len(in)]
		area += p.x*q.y - q.x*p.y
	}
	if area >= 0 {
		return in
	}
	out := make([]point, len(in))
	for i, p := range in {
		out[len(in)-1-i] = p
	}
	return out
}
