//go:build !cgo

package ort

import (
	"context"
	"errors"

	"sightline/encoder"
)

// ErrNoCgo is what New returns in a program built without cgo.
var ErrNoCgo = errors.New("this program was built without cgo and cannot run models: build it with CGO_ENABLED=1 and a C compiler")

// Runtime cannot be made without cgo.
type Runtime struct{}

// New returns ErrNoCgo.
func New(Options) (*Runtime, error) { return nil, ErrNoCgo }

// Load is never reached.
func (*Runtime) Load(context.Context, string) (encoder.Session, error) { return nil, ErrNoCgo }

// Device is never reached.
func (*Runtime) Device() string { return "" }

// Kernel is never reached.
func (*Runtime) Kernel() string { return "" }

// LibraryVersion is never reached.
func (*Runtime) LibraryVersion() string { return "" }

// Health is never reached.
func (*Runtime) Health(context.Context) error { return ErrNoCgo }

// Close is never reached.
func (*Runtime) Close() error { return nil }
