//go:build !linux || !amd64 || !cgo

package main

import (
	"errors"
	"os"
)

// maskVariable and masked: see mask_linux_amd64.go.
const maskVariable = "VERSUS_MASK"

func masked(load func() error) error {
	if os.Getenv(maskVariable) != "" {
		return errors.New("what a processor can do is hidden on Linux on amd64 with cgo only")
	}
	return load()
}
