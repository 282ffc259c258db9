package eval

import (
	"errors"
	"math"
)

// point is one pair of a query and a candidate that was read.
type point struct {
	logit, cosine float64
	relevant      bool
}

// logistic is the logistic regression of relevance on logit and cosine, by
// Newton's method (iteratively reweighted least squares). The penalty, l2 × half
// the sum of squares, is on the slopes of inputs of mean 0 and deviation
// 1, so that it does not matter that logits are ten times as wide as cosines;
// the bias has none. The weights are those of the inputs as they came.
func logistic(points []point) (logit, cosine, bias float64, err error) {
	l, c := scaleOf(points, func(p point) float64 { return p.logit }), scaleOf(points, func(p point) float64 { return p.cosine })
	f := regression{strength: l2, points: make([]standard, len(points))}
	for i, p := range points {
		f.points[i] = standard{vector{l.of(p.logit), c.of(p.cosine), 1}, p.relevant}
	}
	w, err := f.fit()
	if err != nil {
		return 0, 0, 0, err
	}
	logit, cosine = w[0]/l.deviation, w[1]/c.deviation
	return logit, cosine, w[2] - logit*l.mean - cosine*c.mean, nil
}

// deviations turn an input into one of mean 0 and deviation 1.
type deviations struct{ mean, deviation float64 }

// scaleOf leaves an input that does not vary as it is: its weight becomes 0.
func scaleOf(points []point, input func(point) float64) deviations {
	var d deviations
	for _, p := range points {
		d.mean += input(p) / float64(len(points))
	}
	for _, p := range points {
		off := input(p) - d.mean
		d.deviation += off * off / float64(len(points))
	}
	if d.deviation = math.Sqrt(d.deviation); !(d.deviation > 1e-12) {
		d.deviation = 1
	}
	return d
}

func (d deviations) of(v float64) float64 { return (v - d.mean) / d.deviation }

// vector holds logit, cosine and bias.
type vector [3]float64

func (v vector) dot(w vector) float64 { return v[0]*w[0] + v[1]*w[1] + v[2]*w[2] }

type standard struct {
	x        vector
	relevant bool
}

// regression is a fit under way.
type regression struct {
	points   []standard
	strength float64
}

// fit goes along Newton's steps, half as far each time that the loss does not
// fall: far from the end a full step can overshoot. The loss is convex, so
// where no step lowers it the end is reached as nearly as float64 comes.
func (f regression) fit() (vector, error) {
	var w vector
	loss := f.loss(w)
	for range maxNewton {
		gradient, hessian := f.derivatives(w)
		if math.Sqrt(gradient.dot(gradient)) < tolerance*float64(len(f.points)) {
			return w, nil
		}
		step, ok := solve(hessian, gradient)
		if !ok {
			return w, errors.New("weights cannot be fitted: logits or cosines are not finite, or too large")
		}
		size := 1.0
		for ; size > 1e-10; size /= 2 {
			next := vector{w[0] - size*step[0], w[1] - size*step[1], w[2] - size*step[2]}
			if l := f.loss(next); l < loss {
				w, loss = next, l
				break
			}
		}
		if size <= 1e-10 {
			return w, nil
		}
	}
	return w, errors.New("weights did not settle within 100 steps: are the queries' relevant ids those of this index?")
}

func (f regression) loss(w vector) float64 {
	sum := f.strength / 2 * (w[0]*w[0] + w[1]*w[1])
	for _, p := range f.points {
		z := p.x.dot(w)
		if p.relevant {
			z = -z
		}
		sum += softplus(z)
	}
	return sum
}

func (f regression) derivatives(w vector) (gradient vector, hessian [3]vector) {
	gradient = vector{f.strength * w[0], f.strength * w[1], 0}
	// A little on the bias too keeps the matrix regular where all probabilities
	// have become 0 or 1.
	hessian[0][0], hessian[1][1], hessian[2][2] = f.strength, f.strength, ridge*float64(len(f.points))
	for _, p := range f.points {
		is := 1 / (1 + math.Exp(-p.x.dot(w)))
		off, weight := is-one(p.relevant), is*(1-is)
		for i := range p.x {
			gradient[i] += off * p.x[i]
			for j := range p.x {
				hessian[i][j] += weight * p.x[i] * p.x[j]
			}
		}
	}
	return gradient, hessian
}

// solve gives x of a·x = b for a symmetric, positive a, by Cholesky's way; false
// where a is not.
func solve(a [3]vector, b vector) (x vector, ok bool) {
	var l [3]vector // lower triangle: l·lᵀ = a
	for i := range l {
		for j := range l[:i] {
			l[i][j] = (a[i][j] - l[i].dot(l[j])) / l[j][j]
		}
		square := a[i][i] - l[i].dot(l[i])
		if !(square > 0) || math.IsInf(square, 1) {
			return x, false
		}
		l[i][i] = math.Sqrt(square)
		x[i] = (b[i] - l[i].dot(x)) / l[i][i]
	}
	for i := len(x) - 1; i >= 0; i-- {
		for k := i + 1; k < len(x); k++ {
			x[i] -= l[k][i] * x[k]
		}
		x[i] /= l[i][i]
	}
	return x, true
}
