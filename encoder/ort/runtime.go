//go:build cgo

package ort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	onnx "github.com/yalue/onnxruntime_go"

	"sightline/encoder"
	"sightline/encoder/bundle"
	names "sightline/encoder/onnx"
)

// Runtime loads graphs into ONNX Runtime. It fulfils encoder.Runtime.
type Runtime struct {
	options Options
	device  device
	slots   chan *staging // one a run that may go on
	cuda    *cuda         // nil on the CPU
	ops     *operators    // nil where they are not used
	closed  atomic.Bool
}

// New initialises ONNX Runtime from the library. The library's environment is
// one a process: it is made by the first New and stays until the process ends,
// so a later New with another library path keeps the first library.
func New(options Options) (*Runtime, error) {
	o := options.withDefaults()
	d, err := parseDevice(o.Device)
	if err != nil {
		return nil, err
	}
	if k := o.Kernel; k != "" && k != KernelOff && k != KernelOn {
		return nil, fmt.Errorf("%s is %q: use %s, %s or nothing", KernelVariable, k, KernelOff, KernelOn)
	}
	if err := initialise(o.Library); err != nil {
		return nil, err
	}
	rt := &Runtime{options: o, device: d}
	if d.cuda {
		if err := rt.openCUDA(); err != nil {
			return nil, err
		}
	}
	rt.openSlots()
	rt.openOperators()
	return rt, nil
}

// openOperators makes our own operators known on the CPU. Without them graphs
// run in their plain form, which takes longer and gives the same but for
// rounding; so that is no error.
func (rt *Runtime) openOperators() {
	o := rt.options
	if rt.cuda != nil || o.Kernel == KernelOff {
		return
	}
	ops, err := openOperators(o.Library, o.Threads)
	if err != nil {
		o.Log.Warn("Own kernels cannot be used, matching takes longer", "reason", err)
		return
	}
	if quick := ops.instructions() == "amx" || ops.instructions() == "avx512vnni"; !quick && o.Kernel != KernelOn {
		o.Log.Debug("Own kernels are not quick on this processor and not used", "instructions", ops.instructions())
		ops.release()
		return
	}
	rt.ops = ops
	o.Log.Debug("Own kernels in use", "instructions", rt.Kernel())
}

// Kernel names the instructions of our own kernels, "amx", "avx512vnni", or with
// Options.Kernel on also "avx2" or "portable", which graphs use that have a form for them; "" where none do.
func (rt *Runtime) Kernel() string {
	if rt.ops == nil {
		return ""
	}
	return rt.ops.instructions()
}

// form is the file that is loaded for a graph: that for this device or for our
// own operators, where there is one.
func (rt *Runtime) form(path string) string {
	suffix := ".onnx"
	switch {
	case rt.cuda != nil:
		suffix = bundle.CUDASuffix
	case rt.ops != nil:
		suffix = bundle.KernelSuffix
	}
	if form := strings.TrimSuffix(path, ".onnx") + suffix; isFile(form) == nil {
		return form
	}
	return path
}

// openSlots makes one token a run, when it is known which device it is.
func (rt *Runtime) openSlots() {
	n := rt.options.Parallel
	switch {
	case n <= 0 && rt.cuda != nil:
		n = 2
	case n <= 0:
		n = 1
	}
	rt.slots = make(chan *staging, n)
	for range n {
		rt.slots <- rt.newStaging()
	}
}

// initialise makes the environment unless there is one. Two first calls at the
// same time are told apart by IsInitialized: the loser's error is dropped.
func initialise(library string) error {
	if onnx.IsInitialized() {
		return nil
	}
	onnx.SetSharedLibraryPath(library)
	if err := onnx.InitializeEnvironment(onnx.WithLogLevelError()); err != nil && !onnx.IsInitialized() {
		return fmt.Errorf("start ONNX Runtime from %s (%s or newer is needed; 'make runtime' fetches %s): %w", library, Minimum, Version, err)
	}
	return nil
}

// Device names what graphs run on.
func (rt *Runtime) Device() string { return rt.device.String() }

// LibraryVersion is the version that the loaded library reports.
func (rt *Runtime) LibraryVersion() string { return onnx.GetVersion() }

// Close frees what the runtime holds on a CUDA device, or for our own operators.
// The environment outlives the runtime, see New. Closing twice is harmless.
func (rt *Runtime) Close() error {
	if rt.ops != nil && !rt.closed.Swap(true) {
		rt.ops.release()
	}
	if rt.cuda == nil {
		return nil
	}
	for range cap(rt.slots) {
		st := <-rt.slots
		st.free()
		rt.slots <- st
	}
	return rt.cuda.close()
}

// Load reads the graph at path. ONNX Runtime maps its external weights from
// the same folder and packs them for this CPU. On a CUDA device the form of the
// graph for CUDA is read, where there is one beside it.
func (rt *Runtime) Load(ctx context.Context, path string) (encoder.Session, error) {
	if err := errors.Join(ctx.Err(), rt.lost()); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	path = rt.form(path)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load graph: %w", err)
	}
	inputs, outputs, err := names.Names(data)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	s, err := rt.open(path, inputs, outputs)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return &session{runtime: rt, session: s, inputs: inputs, outputs: outputs}, nil
}

// open makes the library's session, which is a user of our operators.
func (rt *Runtime) open(path string, inputs, outputs []string) (s *onnx.DynamicAdvancedSession, err error) {
	if rt.ops != nil {
		if !rt.ops.hold() {
			return nil, encoder.ErrClosed
		}
		defer func() {
			if err != nil {
				rt.ops.release()
			}
		}()
	}
	so, err := rt.sessionOptions()
	if err != nil {
		return nil, err
	}
	s, err = onnx.NewDynamicAdvancedSession(path, inputs, outputs, so)
	return s, errors.Join(rt.explain(err), so.Destroy())
}

func (rt *Runtime) sessionOptions() (*onnx.SessionOptions, error) {
	so, err := onnx.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	spin := "0"
	if rt.options.Spin {
		spin = "1"
	}
	err = errors.Join(
		so.SetIntraOpNumThreads(rt.options.Threads),
		so.SetInterOpNumThreads(1),
		so.SetGraphOptimizationLevel(onnx.GraphOptimizationLevelEnableAll),
		so.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
	)
	if err == nil && rt.options.Profile != "" {
		err = so.EnableProfiling(rt.options.Profile)
	}
	if err == nil && rt.device.cuda {
		err = rt.appendCUDA(so)
	}
	if err == nil && rt.ops != nil {
		err = rt.ops.register(so)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("session options: %w", err), so.Destroy())
	}
	return so, nil
}
