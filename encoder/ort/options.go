package ort

import (
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
)

// Options choose the library, the device and how much runs at once.
type Options struct {
	// Library is the path of the ONNX Runtime library, from FindLibrary.
	Library string
	// Device is "cpu", "cuda", "cuda:N" or "auto": the first CUDA device where
	// there is one, else the CPU with a line in the log. "cuda" that cannot be
	// had is an error.
	Device string
	// Threads is how many threads one run uses. 0 is the number of CPUs.
	Threads int
	// Parallel is how many runs go on at once; more wait. 0 is 1 on a CPU, where
	// one run on all cores answers sooner than two that share them, and 2 on a
	// CUDA device, where one run's copies go on beside the other's kernels.
	Parallel int
	// Spin lets idle threads of a run poll for work instead of sleeping.
	Spin bool
	// Kernel says whether graphs use our own operators on the CPU: KernelOff,
	// KernelOn, or "" where this processor has AMX or AVX-512 VNNI. On others ONNX
	// Runtime's operators are taken: ours were not found to be quicker there.
	Kernel string
	// CUDA is read on a CUDA device only.
	CUDA CUDA
	// Profile, where set, starts the names of files in which each session, when
	// it is closed, leaves the time and the device of every operator as JSON.
	Profile string
	// Log receives the fall-back from CUDA to the CPU. nil is slog.Default().
	Log *slog.Logger
}

// KernelVariable is the environment variable that programs take Options.Kernel
// from, for measuring.
const KernelVariable = "SIGHTLINE_KERNEL"

// The values of Options.Kernel beside "".
const (
	KernelOff = "off"
	KernelOn  = "on"
)

// CUDA says how a CUDA device is used. The zero value is what docs/gpu.md was
// measured with.
type CUDA struct {
	// MemoryLimit in bytes bounds the device memory of each loaded graph: its
	// weights and what its runs work in. A run that needs more fails with
	// ErrDeviceMemory. 0 is no limit but the device's.
	MemoryLimit int64
	// Staging in bytes bounds the pinned host memory in which each of Parallel
	// runs hands its inputs over; inputs that do not fit are handed over from
	// where they lie. 0 is 256 MiB, below 0 none.
	Staging int64
	// Provider are options of ONNX Runtime's CUDA provider by their own names,
	// over those that this package sets: {"use_tf32": "1"}.
	Provider map[string]string
}

func (o Options) withDefaults() Options {
	if o.Device == "" {
		o.Device = "cpu"
	}
	if o.Threads <= 0 {
		o.Threads = runtime.NumCPU()
	}
	if o.CUDA.Staging == 0 {
		o.CUDA.Staging = 256 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// device is a parsed Options.Device.
type device struct {
	cuda     bool
	index    int
	fallback bool // to the CPU, where CUDA cannot be had
}

func parseDevice(s string) (device, error) {
	switch kind, number, numbered := strings.Cut(s, ":"); {
	case s == "cpu":
		return device{}, nil
	case s == "auto":
		return device{cuda: true, fallback: true}, nil
	case kind == "cuda" && !numbered:
		return device{cuda: true}, nil
	case kind == "cuda":
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < 64 {
			return device{cuda: true, index: n}, nil
		}
	}
	return device{}, fmt.Errorf("device %q: use cpu, cuda, cuda:N or auto", s)
}

func (d device) String() string {
	if d.cuda {
		return fmt.Sprintf("cuda:%d", d.index)
	}
	return "cpu"
}
