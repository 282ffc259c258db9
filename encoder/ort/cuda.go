//go:build cgo

package ort

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync/atomic"

	onnx "github.com/yalue/onnxruntime_go"

	names "sightline/encoder/onnx"
)

// cuda is the state of a CUDA device in use. probe is a graph of one addition:
// where it fails, the device is lost.
type cuda struct {
	probe  *onnx.DynamicAdvancedSession
	cause  atomic.Pointer[error] // of the loss
	closed atomic.Bool
}

// openCUDA runs the probe, since a library without a usable device loads all
// the same. It falls back to the CPU where that is allowed, and says so.
func (rt *Runtime) openCUDA() error {
	probe, err := rt.loadProbe()
	if err == nil {
		rt.cuda = &cuda{probe: probe}
		if err = rt.cuda.run(); err == nil {
			return nil
		}
		rt.cuda = nil
	}
	if rt.device.fallback {
		rt.options.Log.Warn("CUDA cannot be used, running on the CPU", "reason", err)
		rt.device = device{}
		return nil
	}
	return fmt.Errorf("device %s cannot be used: set %s to the library of an onnxruntime-gpu package with libonnxruntime_providers_cuda.so beside it and CUDA on the library path (docs/gpu.md), or choose --device cpu: %w", rt.device, LibraryVariable, err)
}

func (rt *Runtime) loadProbe() (*onnx.DynamicAdvancedSession, error) {
	so, err := onnx.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	if err := rt.appendCUDA(so); err != nil {
		return nil, errors.Join(err, so.Destroy())
	}
	s, err := onnx.NewDynamicAdvancedSessionWithONNXData(probeGraph(), []string{"x"}, []string{"y"}, so)
	if err := errors.Join(err, so.Destroy()); err != nil {
		return nil, fmt.Errorf("load a test graph: %w", err)
	}
	return s, nil
}

func probeGraph() []byte {
	end := func(name string) []names.Value {
		return []names.Value{{Name: name, Type: names.Float, Dims: []int64{1}, Free: []string{""}}}
	}
	m := names.Model{Name: "probe", Producer: "sightline", Inputs: end("x"), Outputs: end("y")}
	m.Nodes = []names.Node{{Op: "Add", Name: "add", Inputs: []string{"x", "x"}, Outputs: []string{"y"}}}
	return m.Marshal()
}

// run computes 1+1 on the device, 0.1 ms.
func (c *cuda) run() error {
	x, err := onnx.NewTensor([]int64{1}, []float32{1})
	if err != nil {
		return fmt.Errorf("test graph: %w", err)
	}
	y, err := onnx.NewEmptyTensor[float32]([]int64{1})
	if err != nil {
		return errors.Join(fmt.Errorf("test graph: %w", err), x.Destroy())
	}
	defer destroyAll([]onnx.Value{x, y})
	if err := c.probe.Run([]onnx.Value{x}, []onnx.Value{y}); err != nil {
		return fmt.Errorf("run a test graph: %w", err)
	}
	if got := y.GetData()[0]; got != 2 {
		return fmt.Errorf("the device computes 1+1 = %g", got)
	}
	return nil
}

// lose records the first cause.
func (c *cuda) lose(cause error) {
	c.cause.CompareAndSwap(nil, &cause)
}

func (c *cuda) close() error {
	if c.closed.Swap(true) || c.cause.Load() != nil {
		return nil
	}
	if err := c.probe.Destroy(); err != nil {
		return fmt.Errorf("close test graph: %w", err)
	}
	return nil
}

// lost is an error that wraps ErrDeviceLost and the cause, nil while all is well.
func (rt *Runtime) lost() error {
	if rt.cuda == nil {
		return nil
	}
	if cause := rt.cuda.cause.Load(); cause != nil {
		return fmt.Errorf("%w: %w", ErrDeviceLost, *cause)
	}
	return nil
}

// Health tries the device and returns an error that wraps ErrDeviceLost when it
// does not answer rightly, nil on the CPU. It does not wait for other runs.
func (rt *Runtime) Health(ctx context.Context) error {
	if err := errors.Join(ctx.Err(), rt.lost()); err != nil || rt.cuda == nil || rt.cuda.closed.Load() {
		return err
	}
	if err := rt.cuda.run(); err != nil {
		rt.cuda.lose(err)
	}
	return rt.lost()
}

// explain tells what an error of a run or load means. ONNX Runtime gives CUDA's
// errors as text only, and some pass (a batch that no kernel can take) while
// others do not; which, the probe decides.
func (rt *Runtime) explain(err error) error {
	switch {
	case err == nil || rt.cuda == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case outOfMemory(err.Error()):
		return fmt.Errorf("%w: %w", ErrDeviceMemory, err)
	}
	if probe := rt.cuda.run(); probe == nil {
		return err
	}
	rt.cuda.lose(err)
	return rt.lost()
}

// outOfMemory knows ONNX Runtime's arena and CUDA's own message.
func outOfMemory(message string) bool {
	return strings.Contains(message, "Failed to allocate memory") || strings.Contains(message, "Available memory of") || strings.Contains(message, "out of memory")
}

// provider are the options of the CUDA provider.
func (rt *Runtime) provider() map[string]string {
	settings := map[string]string{
		"device_id": strconv.Itoa(rt.device.index),
		// Keeps the arena at what batches need; the default doubles it and never
		// gives back.
		"arena_extend_strategy": "kSameAsRequested",
		// The default tries every algorithm at each new batch size.
		"cudnn_conv_algo_search": "HEURISTIC",
		// The default sums up float16 in float16.
		"enable_skip_layer_norm_strict_mode": "1",
		// An fp32 bundle is the reference; TF32 would round its products to 11 bits.
		"use_tf32": "0",
	}
	if limit := rt.options.CUDA.MemoryLimit; limit > 0 {
		settings["gpu_mem_limit"] = strconv.FormatInt(limit, 10)
	}
	maps.Copy(settings, rt.options.CUDA.Provider)
	return settings
}

func (rt *Runtime) appendCUDA(so *onnx.SessionOptions) error {
	co, err := onnx.NewCUDAProviderOptions()
	if err != nil {
		return fmt.Errorf("CUDA options: %w", err)
	}
	err = co.Update(rt.provider())
	if err == nil {
		err = so.AppendExecutionProviderCUDA(co)
	}
	if err := errors.Join(err, co.Destroy()); err != nil {
		return fmt.Errorf("CUDA provider: %w", err)
	}
	return nil
}
