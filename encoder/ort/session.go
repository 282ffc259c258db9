//go:build cgo

package ort

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	onnx "github.com/yalue/onnxruntime_go"

	"sightline/encoder"
)

// session is one loaded graph. running lets Close wait for runs under way.
type session struct {
	runtime *Runtime
	session *onnx.DynamicAdvancedSession
	inputs  []string
	outputs []string

	running sync.RWMutex
	closed  bool
}

// Run feeds the inputs in the graph's order. When ctx ends the run is told to
// terminate; ONNX Runtime looks at that flag between operators.
func (s *session) Run(ctx context.Context, inputs ...encoder.Tensor) ([]encoder.Tensor, error) {
	var st *staging
	select {
	case st = <-s.runtime.slots:
		defer func() { s.runtime.slots <- st }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the device: %w", ctx.Err())
	}
	s.running.RLock()
	defer s.running.RUnlock()
	if s.closed {
		return nil, encoder.ErrClosed
	}
	if err := s.runtime.lost(); err != nil {
		return nil, err
	}
	out := make([]onnx.Value, len(s.outputs))
	defer func() { destroyAll(out) }()
	inputs, err := s.place(inputs, out)
	if err != nil {
		return nil, err
	}
	values, err := s.bind(st.take(inputs))
	defer destroyAll(values)
	if err != nil {
		return nil, err
	}
	if err := s.runTerminable(ctx, values, out); err != nil {
		return nil, s.runtime.explain(err)
	}
	return s.collect(out)
}

func (s *session) runTerminable(ctx context.Context, in, out []onnx.Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ro, err := onnx.NewRunOptions()
	if err != nil {
		return fmt.Errorf("run options: %w", err)
	}
	// The terminating call must be over before the options are freed.
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = ro.Terminate() // fails only where the flag cannot be set; the run then ends by itself
	})
	err = s.session.RunWithOptions(in, out, ro)
	if !stop() {
		<-terminated
	}
	if derr := ro.Destroy(); derr != nil {
		err = errors.Join(err, fmt.Errorf("free run options: %w", derr))
	}
	if cerr := ctx.Err(); cerr != nil && err != nil {
		return cerr
	}
	return err
}

// place binds the outputs that the caller has memory for, and returns the inputs
// without them.
func (s *session) place(tensors []encoder.Tensor, out []onnx.Value) (inputs []encoder.Tensor, err error) {
	for _, t := range tensors {
		i := slices.Index(s.outputs, t.Name)
		if i < 0 {
			inputs = append(inputs, t)
			continue
		}
		data, err := t.Float32s()
		if err == nil && out[i] != nil {
			err = errors.New("is there twice")
		}
		if err == nil {
			out[i], err = onnx.NewTensor(t.Shape, data)
		}
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", t.Name, err)
		}
	}
	return inputs, nil
}

// bind makes one value per graph input around the caller's slices. The values
// made so far come back with an error, for the caller to free.
func (s *session) bind(inputs []encoder.Tensor) ([]onnx.Value, error) {
	values := make([]onnx.Value, 0, len(s.inputs))
	for _, name := range s.inputs {
		t, ok := find(inputs, name)
		if !ok {
			return values, fmt.Errorf("input %s is missing", name)
		}
		v, err := value(t)
		if err != nil {
			return values, fmt.Errorf("input %s: %w", name, err)
		}
		values = append(values, v)
	}
	return values, nil
}

func find(inputs []encoder.Tensor, name string) (encoder.Tensor, bool) {
	for _, t := range inputs {
		if t.Name == name {
			return t, true
		}
	}
	return encoder.Tensor{}, false
}

func value(t encoder.Tensor) (onnx.Value, error) {
	switch data := t.Data.(type) {
	case []float32:
		return onnx.NewTensor(t.Shape, data)
	case []int64:
		return onnx.NewTensor(t.Shape, data)
	case []int8:
		return onnx.NewTensor(t.Shape, data)
	}
	return nil, fmt.Errorf("values of type %T are not supported", t.Data)
}

// collect takes the outputs out of their values. The binding has copied them
// into Go memory, which stays when the values are freed.
func (s *session) collect(out []onnx.Value) ([]encoder.Tensor, error) {
	tensors := make([]encoder.Tensor, len(out))
	for i, v := range out {
		t := encoder.Tensor{Name: s.outputs[i], Shape: v.GetShape().Clone()}
		switch v := v.(type) {
		case *onnx.Tensor[float32]:
			t.Data = v.GetData()
		case *onnx.Tensor[int64]:
			t.Data = v.GetData()
		case *onnx.Tensor[int8]:
			t.Data = v.GetData()
		default:
			return nil, fmt.Errorf("output %s has unsupported type %T", s.outputs[i], v)
		}
		tensors[i] = t
	}
	return tensors, nil
}

func destroyAll(values []onnx.Value) {
	for _, v := range values {
		if v != nil {
			_ = v.Destroy() // never fails: it releases one C object
		}
	}
}

// Close frees the session after the runs under way. Closing twice is harmless.
func (s *session) Close() error {
	s.running.Lock()
	defer s.running.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.runtime.lost() != nil {
		return nil // to free memory of a dead device may end the process
	}
	if err := s.session.Destroy(); err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	if s.runtime.ops != nil {
		s.runtime.ops.release()
	}
	return nil
}
