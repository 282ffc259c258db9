//go:build cgo && !linux

package main

import (
	"context"
	"errors"
)

func lost(context.Context, settings) (any, error) { return nil, errors.New("on Linux only") }
