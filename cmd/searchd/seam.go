//go:build !faults

package main

import "sightline/encoder"

// seam is where bench/load makes the second look hang or fail, in programs built
// with -tags faults.
func seam(m *encoder.Model) secondModel { return m }
