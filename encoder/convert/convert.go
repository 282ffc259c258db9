// Package convert turns a BLIP checkpoint into a bundle, in Go alone: it reads
// the weights (convert/checkpoint), settles what the configuration leaves
// open, and writes weights, tokenizer, graphs (convert/graph) and manifest.
package convert

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"sightline/encoder/bundle"
)

// Options are the choices that a checkpoint does not make itself. The zero
// value converts a Hugging Face folder.
type Options struct {
	// Precision of the bundle: "fp32", the reference; "fp16", half the size and
	// several times faster on a CUDA device; or "int8", a third of the size and
	// several times faster on a CPU. "" is fp32.
	Precision string
	// Config (med_config.json) and Vocabulary (vocab.txt) are needed for an
	// original .pth, which has neither beside it.
	Config     string
	Vocabulary string
	// ImageSize in pixels, a multiple of the patch. Where it is not that of the
	// checkpoint, position embeddings are interpolated. 0 keeps the checkpoint's.
	ImageSize int
	// Task is bundle.Retrieval, Captioning or Answering, for a checkpoint of
	// pre-training, which has the weights of the first two. "" takes what the
	// weights are for, retrieval of both.
	Task string
	// Clean switches BLIP's caption cleaning "on" or "off"; "" is on for an
	// original .pth and off for a Hugging Face folder, as their own code does.
	Clean string
	// Origin names where a Hugging Face folder is from, in the manifest; "" is the
	// folder's name.
	Origin string
	// Force replaces a bundle that is in the way.
	Force bool
	// Log receives what the conversion decided. nil is silent.
	Log *slog.Logger
	// Progress, where set, is called with bytes of weights written so far and in all.
	Progress func(done, total int64)
}

// Convert reads the checkpoint src, a Hugging Face folder or an original .pth,
// and writes a bundle to the folder out, which must not exist yet unless
// Options.Force. It is written beside out and renamed when complete. Memory
// stays below 100 MB whatever the checkpoint's size: tensors are streamed.
func Convert(ctx context.Context, src, out string, o Options) (bundle.Manifest, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := o.Check(out); err != nil {
		return bundle.Manifest{}, err
	}
	s, err := openSource(src, o)
	if err != nil {
		return bundle.Manifest{}, fmt.Errorf("convert %s: %w", src, err)
	}
	defer s.weights.Close()
	partial, err := makePartial(out)
	if err != nil {
		return bundle.Manifest{}, fmt.Errorf("convert %s: make output folder: %w", src, err)
	}
	defer func() { _ = os.RemoveAll(partial) }() // after a successful rename there is nothing left to remove
	m, err := write(ctx, s, partial, o)
	if err != nil {
		return bundle.Manifest{}, fmt.Errorf("convert %s: %w", src, err)
	}
	// Again: files may have come there while the weights were written.
	if err := checkFree(out, o.Force); err != nil {
		return bundle.Manifest{}, err
	}
	if err := moveInto(partial, out, o.Force); err != nil {
		return bundle.Manifest{}, fmt.Errorf("convert %s: %w", src, err)
	}
	return m, nil
}

// Check tells, before anything is done, whether Convert would refuse the options
// or the output folder.
func (o Options) Check(out string) error {
	if o.Precision != "" {
		if err := bundle.CheckPrecision(o.Precision); err != nil {
			return err
		}
	}
	if t := o.Task; t != "" && t != bundle.Retrieval && t != bundle.Captioning && t != bundle.Answering {
		return fmt.Errorf("task is %q: use %s, %s or %s", t, bundle.Retrieval, bundle.Captioning, bundle.Answering)
	}
	if o.Clean != "" && o.Clean != "on" && o.Clean != "off" {
		return fmt.Errorf("clean is %q: use on or off", o.Clean)
	}
	if out == "" {
		return errors.New("no output folder: name one with --out DIR")
	}
	return checkFree(out, o.Force)
}

// checkFree refuses to replace anything that is not a bundle.
func checkFree(out string, force bool) error {
	entries, err := os.ReadDir(out)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("output folder: %w", err)
	}
	ours := bundleFiles(out)
	for _, e := range entries {
		if !ours[e.Name()] || e.IsDir() {
			return fmt.Errorf("output folder %s holds other files (%s): choose an empty or new one", out, e.Name())
		}
	}
	if !force {
		return fmt.Errorf("output folder %s holds a model already: choose another --out, or replace it with --force", out)
	}
	return nil
}

// bundleFiles names the files of the bundle in dir, none where there is no
// bundle. Bundles of other formats, which bundle.Read refuses, may be replaced
// too; a manifest.json of another program lists no weights.
func bundleFiles(dir string) map[string]bool {
	var m struct {
		Fingerprint string
		Files       map[string]json.RawMessage
	}
	if err := readJSON(filepath.Join(dir, bundle.ManifestFile), &m); err != nil || m.Fingerprint == "" {
		return nil
	}
	if _, ok := m.Files[bundle.WeightsFile]; !ok {
		return nil
	}
	names := map[string]bool{bundle.ManifestFile: true}
	for name := range m.Files {
		names[name] = true
	}
	return names
}

// makePartial makes the folder that is written beside out. It gets the rights
// of any new folder: MkdirTemp's, the owner's alone, would keep a server of
// another user from the model.
func makePartial(out string) (string, error) {
	if err := os.MkdirAll(parent(out), 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(parent(out), "."+filepath.Base(out)+".partial-"+rand.Text())
	return path, os.Mkdir(path, 0o755)
}

func parent(out string) string { return filepath.Dir(filepath.Clean(out)) }

// moveInto renames the finished folder to its place. With force the old bundle
// is set aside first, so that at no time a half one stands there.
func moveInto(partial, out string, force bool) error {
	old := partial + ".old"
	if err := os.Rename(out, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("set old model aside: %w", err)
	}
	if err := os.Rename(partial, out); err != nil {
		return errors.Join(fmt.Errorf("move model into place: %w", err), os.Rename(old, out))
	}
	if err := os.RemoveAll(old); err != nil && force {
		return fmt.Errorf("remove old model: %w", err)
	}
	return nil
}

// write fills dir: weights, vocabulary, graphs, and the manifest last.
func write(ctx context.Context, s *source, dir string, o Options) (bundle.Manifest, error) {
	m := s.manifest
	m.Files = map[string]bundle.File{}
	plan, err := s.plan()
	if err != nil {
		return m, err
	}
	located, stamp, err := writeWeights(ctx, filepath.Join(dir, bundle.WeightsFile), plan, o.Progress)
	if err != nil {
		return m, fmt.Errorf("write weights: %w", err)
	}
	m.Files[bundle.WeightsFile] = stamp
	if err := writeFile(dir, bundle.VocabularyFile, s.vocabularyText(), m.Files); err != nil {
		return m, err
	}
	if m.Graphs, err = writeGraphs(dir, m, located); err != nil {
		return m, err
	}
	if m.Fingerprint, err = m.Identity(); err != nil {
		return m, err
	}
	settleCalibration(&m, o.Log)
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, fmt.Errorf("write manifest: %w", err)
	}
	if _, err := bundle.Parse(data); err != nil {
		return m, fmt.Errorf("the manifest of this checkpoint would not load: %w", err)
	}
	return m, writeFile(dir, bundle.ManifestFile, append(data, '\n'), map[string]bundle.File{})
}

// settleCalibration drops a calibration that was fitted on another model: its
// probabilities would look right and be wrong.
func settleCalibration(m *bundle.Manifest, log *slog.Logger) {
	c := m.Calibration
	if c == nil || c.Fingerprint == m.Fingerprint {
		return
	}
	note := fmt.Sprintf("%s is for model %s and was left out", bundle.CalibrationFile, c.Fingerprint)
	m.Calibration, m.Source.Notes = nil, append(m.Source.Notes, note)
	log.Warn(note, "this_model", m.Fingerprint, "fix", "fit it anew with 'searchd eval --calibrate'")
}

func writeFile(dir, name string, data []byte, files map[string]bundle.File) error {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	stamp, err := bundle.Stamp(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	files[name] = stamp
	return nil
}
