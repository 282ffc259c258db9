//go:build race

package queuetest

// Race tells whether the race detector is on, with which SQLite, translated
// to Go, takes ten times as long.
const Race = true
