package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/ort"
)

// OnDevice is a model with the device that it runs on.
type OnDevice struct {
	Model *encoder.Model
	// Health asks the device, without waiting for runs; nil while it works.
	Health func(ctx context.Context) error
	// Runtime is what other models can be opened on, to be closed before Close.
	Runtime encoder.Runtime
	// Close frees both. It is called when the last run is over.
	Close func() error
}

// OpenModel is OpenOnDevice for those who ask nothing of the device. The caller calls
// close when the last run is over.
func OpenModel(ctx context.Context, s Settings, environ []string, log *slog.Logger) (m *encoder.Model, closeAll func() error, err error) {
	l, err := OpenOnDevice(ctx, s, environ, log)
	return l.Model, l.Close, err
}

// OpenOnDevice loads the ONNX Runtime library and the folder of a retrieval model.
func OpenOnDevice(ctx context.Context, s Settings, environ []string, log *slog.Logger) (OnDevice, error) {
	return OpenForTask(ctx, bundle.Retrieval, s, environ, log)
}

// OpenForTask loads the ONNX Runtime library and the folder of a model for task,
// one of package bundle's. Another model is refused with the fix.
func OpenForTask(ctx context.Context, task string, s Settings, environ []string, log *slog.Logger) (OnDevice, error) {
	getenv := Getenv(environ)
	library, err := ort.FindLibrary(getenv)
	if err != nil {
		return OnDevice{}, err
	}
	rt, err := ort.New(ort.Options{
		Library: library, Device: s.Device, Threads: s.Threads, Spin: s.Spin,
		Kernel: getenv(ort.KernelVariable), Log: log,
	})
	if err != nil {
		return OnDevice{}, err
	}
	m, err := encoder.Open(ctx, s.Model, rt)
	if err != nil {
		return OnDevice{}, errors.Join(err, rt.Close())
	}
	if err := m.Manifest().Require(task); err != nil {
		return OnDevice{}, errors.Join(fmt.Errorf("%s: %w", s.Model, err), m.Close(), rt.Close())
	}
	log.Debug("model opened", "model", s.Model, "fingerprint", m.Fingerprint(), "device", rt.Device(), "kernel", rt.Kernel(), "onnxruntime", rt.LibraryVersion())
	return OnDevice{Model: m, Health: rt.Health, Runtime: rt, Close: func() error {
		if err := errors.Join(m.Close(), rt.Close()); err != nil {
			return fmt.Errorf("close model: %w", err)
		}
		return nil
	}}, nil
}

// OpenModelBeside opens the model that flag names, for task, on the device of another. A
// model for another task is refused with the fix.
func OpenModelBeside(ctx context.Context, task, flag, dir string, rt encoder.Runtime) (*encoder.Model, error) {
	if err := CheckModel(task, flag, dir); err != nil {
		return nil, err
	}
	m, err := encoder.Open(ctx, dir, rt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return m, nil
}

// CheckModel says what is wrong with the folder of a model for task that flag names.
func CheckModel(task, flag, dir string) error {
	m, err := bundle.Read(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	if err := m.RequireAs(task, flag); err != nil {
		return fmt.Errorf("%s %s: %w", flag, dir, err)
	}
	return nil
}

// RetrievalManifest reads the manifest of the model folder dir, and refuses a
// model for another task.
func RetrievalManifest(dir string) (bundle.Manifest, error) {
	m, err := bundle.Read(dir)
	if err != nil {
		return m, err
	}
	if err := m.Require(bundle.Retrieval); err != nil {
		return bundle.Manifest{}, fmt.Errorf("%s: %w", dir, err)
	}
	return m, nil
}
