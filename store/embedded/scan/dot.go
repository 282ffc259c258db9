package scan

// Dot returns the dot product of two vectors of equal length in float32, in
// eight partial sums that are added as a tree, whatever kernel a scan uses. It
// is off by at most (len/8 + 12) * 2^-24 * |a| * |b| (2.6e-6 for unit vectors
// of 256). Equal on all machines whose compiler does not fuse x*y + z (it does
// on arm64 and with GOAMD64=v3), and always equal within one program.
func Dot(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	b = b[:len(a)]
	for len(a) >= 8 && len(b) >= 8 { // both tests let the compiler drop its bounds checks
		x, y := (*[8]float32)(a), (*[8]float32)(b)
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		s4 += x[4] * y[4]
		s5 += x[5] * y[5]
		s6 += x[6] * y[6]
		s7 += x[7] * y[7]
		a, b = a[8:], b[8:]
	}
	sum := ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
