//go:build !linux || !amd64

package main

import "errors"

const withoutCommand = "without-amx"

func withoutAMX([]string) error {
	return errors.New("AMX is refused on Linux on amd64 only")
}
