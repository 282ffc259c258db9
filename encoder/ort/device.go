package ort

import "errors"

// ErrDeviceLost is wrapped by every run and load after a CUDA device stopped
// working: it fell off the bus, or a kernel failed. CUDA cannot be started again
// within a process, so the program has to be restarted. See Runtime.Health.
var ErrDeviceLost = errors.New("the CUDA device is lost, restart the program")

// ErrDeviceMemory is wrapped by a run or load that the device has no memory
// for. The device goes on working: a smaller batch may succeed.
var ErrDeviceMemory = errors.New("not enough memory on the CUDA device")
