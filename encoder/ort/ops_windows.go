//go:build cgo && windows

package ort

import (
	"errors"

	onnx "github.com/yalue/onnxruntime_go"
)

// operators are not built for Windows: they find the library by dlopen.
type operators struct{}

func openOperators(string, int) (*operators, error) {
	return nil, errors.New("not built for Windows")
}

func (*operators) register(*onnx.SessionOptions) error { return nil }
func (*operators) hold() bool                          { return true }
func (*operators) release()                            {}
func (*operators) instructions() string                { return "" }
