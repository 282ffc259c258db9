package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// maxManifest bounds what Read takes into memory; a real one has 3 kB.
const maxManifest = 1 << 20

// Read loads and checks the manifest of the folder dir. It does not hash the
// files; Verify does.
func Read(dir string) (Manifest, error) {
	path := filepath.Join(dir, ManifestFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, fmt.Errorf("%s is not a model folder (no %s): make one with 'indexd model convert CHECKPOINT --out DIR'", dir, ManifestFile)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("open manifest: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return Manifest{}, fmt.Errorf("read %s: %w", path, err)
	}
	m, err := Parse(data)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Parse decodes a manifest strictly and checks that its numbers make sense.
func Parse(data []byte) (Manifest, error) {
	if len(data) > maxManifest {
		return Manifest{}, fmt.Errorf("larger than %d bytes", maxManifest)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Manifest{}, fmt.Errorf("not JSON: %w", err)
	}
	if head.Format != Format {
		return Manifest{}, fmt.Errorf("format %d, this program reads %d: convert the checkpoint again", head.Format, Format)
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("decode: %w", err)
	}
	if m.Task == "" {
		m.Task = Retrieval
	}
	if err := m.check(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

func (m Manifest) check() error {
	if m.Family != "blip" {
		return fmt.Errorf("a model of family %q, this program runs blip", m.Family)
	}
	if err := errors.Join(CheckPrecision(m.Precision), m.checkTask(), m.checkNumbers(), m.checkTokenizer(), m.checkFiles(), m.Calibration.check()); err != nil {
		return err
	}
	identity, err := m.Identity()
	if err != nil {
		return err
	}
	if identity != m.Fingerprint {
		return fmt.Errorf("fingerprint is %s, but the fields give %s: the manifest was edited; convert again", m.Fingerprint, identity)
	}
	return nil
}

// number is one that has to be from 1 to max.
type number struct {
	name       string
	value, max int
}

// checkNumbers bounds what is multiplied and allocated later. The limits lie
// far above every ViT and BERT.
func (m Manifest) checkNumbers() error {
	numbers := []number{
		{"vision.image", m.Vision.Image, 4096},
		{"vision.patch", m.Vision.Patch, m.Vision.Image},
		{"vision.width", m.Vision.Width, 1 << 14},
		{"vision.layers", m.Vision.Layers, 256},
		{"vision.heads", m.Vision.Heads, 1 << 8},
		{"text.width", m.Text.Width, 1 << 14},
		{"text.layers", m.Text.Layers, 256},
		{"text.heads", m.Text.Heads, 1 << 8},
		{"text.positions", m.Text.Positions, 1 << 16},
		{"text.vocabulary", m.Text.Vocabulary, 1 << 24},
	}
	if m.Task == Retrieval {
		numbers = append(numbers, number{"embedding", m.Embedding, 1 << 14})
	}
	var problems []error
	for _, n := range numbers {
		if n.value < 1 || n.value > n.max {
			problems = append(problems, fmt.Errorf("%s is %d, must be 1 to %d", n.name, n.value, n.max))
		}
	}
	for _, std := range m.Pixels.Std {
		if !(std > 0) {
			problems = append(problems, fmt.Errorf("pixels.std is %v, must be above 0", m.Pixels.Std))
			break
		}
	}
	return errors.Join(problems...)
}

func (m Manifest) checkTokenizer() error {
	var problems []error
	t := m.Tokenizer
	if t.MaxTokens < 3 || t.MaxTokens > m.Text.Positions {
		problems = append(problems, fmt.Errorf("tokenizer.max_tokens is %d, must be 3 to %d", t.MaxTokens, m.Text.Positions))
	}
	for _, id := range []int64{t.Pad, t.Unk, t.Cls, t.Sep, t.Dec, t.Enc} {
		if id < 0 || id >= int64(m.Text.Vocabulary) {
			problems = append(problems, fmt.Errorf("tokenizer: id %d of a special token is not one of %d", id, m.Text.Vocabulary))
		}
	}
	if m.FirstToken != "enc" && m.FirstToken != "cls" {
		problems = append(problems, fmt.Errorf("first_token is %q, must be enc or cls", m.FirstToken))
	}
	return errors.Join(problems...)
}

func (m Manifest) checkFiles() error {
	for name := range m.Files {
		if filepath.Base(name) != name || name == "." || name == ".." {
			return fmt.Errorf("file name %q leaves the folder", name)
		}
	}
	return nil
}

// Verify hashes every file of the bundle and returns one error that names all
// files that are missing or differ. A 900 MB bundle takes about a second a core.
func Verify(ctx context.Context, dir string, m Manifest) error {
	names := make([]string, 0, len(m.Files))
	for name := range m.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	var problems []error
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("verify %s: %w", dir, err)
		}
		if err := verifyFile(filepath.Join(dir, name), m.Files[name]); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(problems...)
}

func verifyFile(path string, want File) error {
	have, err := Stamp(path)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("has %d bytes, sha256 %.12s…, the manifest says %d, %.12s…", have.Bytes, have.SHA256, want.Bytes, want.SHA256)
	}
	return nil
}

// Stamp reads the file at path and returns its identity.
func Stamp(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, fmt.Errorf("open: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, fmt.Errorf("hash: %w", err)
	}
	return File{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
