package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"sightline/encoder"
	"sightline/encoder/ort"
)

// OpenModel loads the ONNX Runtime library and the model folder. The caller
// calls close when the last run is over.
func OpenModel(ctx context.Context, s Settings, environ []string, log *slog.Logger) (m *encoder.Model, closeAll func() error, err error) {
	library, err := ort.FindLibrary(Getenv(environ))
	if err != nil {
		return nil, nil, err
	}
	rt, err := ort.New(ort.Options{Library: library, Device: s.Device, Threads: s.Threads, Spin: s.Spin, Log: log})
	if err != nil {
		return nil, nil, err
	}
	m, err = encoder.Open(ctx, s.Model, rt)
	if err != nil {
		return nil, nil, errors.Join(err, rt.Close())
	}
	log.Debug("model opened", "model", s.Model, "fingerprint", m.Fingerprint(), "device", rt.Device(), "onnxruntime", rt.LibraryVersion())
	return m, func() error {
		if err := errors.Join(m.Close(), rt.Close()); err != nil {
			return fmt.Errorf("close model: %w", err)
		}
		return nil
	}, nil
}
