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
	return OnDevice{Model: m, Health: rt.Health, Close: func() error {
		if err := errors.Join(m.Close(), rt.Close()); err != nil {
			return fmt.Errorf("close model: %w", err)
		}
		return nil
	}}, nil
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
