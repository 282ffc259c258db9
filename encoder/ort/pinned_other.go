//go:build cgo && !linux

package ort

// pinnedAlloc returns nil: CUDA is used on Linux only.
func pinnedAlloc(int, int) []byte { return nil }

func pinnedFree([]byte) {}
