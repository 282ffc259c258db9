//go:build !race

package queuetest

// Race tells whether the race detector is on.
const Race = false
