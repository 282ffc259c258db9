package encoder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sightline/encoder/bundle"
	"sightline/encoder/picture"
	"sightline/encoder/wordpiece"
)

// Pixels are one picture as the vision tower reads it: [3,S,S] channel-major,
// normalised.
type Pixels []float32

// Features are what the vision tower says of one picture: the unit-length ITC
// embedding [E], nil of a model without, and the patch states (Float set).
type Features struct {
	Embedding []float32
	States    States
}

// Query is a tokenized text: ids [CLS] … [SEP]. Cut counts the pieces that the
// length limit dropped.
type Query struct {
	IDs []int64
	Cut int
}

// Logits are the two raw outputs of the ITM head: [no match, match].
type Logits [2]float32

// Match is the raw logit of the class "match", the term that BLIP adds to the
// cosine (train_retrieval.py, evaluation).
func (l Logits) Match() float32 { return l[1] }

// Probability is softmax(l)[1].
func (l Logits) Probability() float64 {
	return 1 / (1 + math.Exp(-l.Margin()))
}

// Margin is what probabilities are made of: match logit - no-match logit.
func (l Logits) Margin() float64 { return float64(l[1]) - float64(l[0]) }

// FirstToken is token 0 of a text in the ITM pass.
type FirstToken string

// BLIP trains and publishes with [ENC]; Hugging Face's retrieval class and
// BLIP's demo leave [CLS]. On published weights the two give different logits.
const (
	FirstEnc FirstToken = "enc"
	FirstCls FirstToken = "cls"
)

// Model is a loaded bundle. Sessions are loaded at first use or by Warm. A
// Model is safe for concurrent use; the Runtime bounds what runs at once.
type Model struct {
	dir       string
	manifest  bundle.Manifest
	tokenizer *wordpiece.Tokenizer
	limits    picture.Limits
	runtime   Runtime

	loading    chan struct{} // one token: the load under way
	sessionsMu sync.Mutex
	sessions   map[bundle.Graph]Session
	closed     bool
}

// ErrClosed is returned by a Model after Close.
var ErrClosed = errors.New("model is closed")

// Open reads the manifest and the tokenizer of the bundle in dir. Weights are
// read when a graph is first used.
func Open(ctx context.Context, dir string, rt Runtime) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	m, err := bundle.Read(dir)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	if device := rt.Device(); m.Precision == bundle.INT8 && strings.HasPrefix(device, "cuda") {
		return nil, fmt.Errorf("open model %s: its precision is %s, which runs on a CPU only, and the device is %s: "+
			"use --device cpu, or convert the checkpoint with --precision %s", dir, bundle.INT8, device, bundle.FP16)
	}
	tok, err := openTokenizer(filepath.Join(dir, bundle.VocabularyFile), m)
	if err != nil {
		return nil, fmt.Errorf("open model %s: %w", dir, err)
	}
	return &Model{
		dir: dir, manifest: m, tokenizer: tok, limits: picture.DefaultLimits(),
		runtime: rt, loading: make(chan struct{}, 1), sessions: map[bundle.Graph]Session{},
	}, nil
}

// openTokenizer refuses a vocabulary that was changed: other ids would give
// other results under the same fingerprint. Weights are too large to be hashed
// at each start; bundle.Verify does it on demand.
func openTokenizer(path string, m bundle.Manifest) (*wordpiece.Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open vocabulary: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	v, err := wordpiece.ReadVocabulary(bundle.VocabularyFile, io.TeeReader(f, hash))
	if err != nil {
		return nil, err
	}
	if hex.EncodeToString(hash.Sum(nil)) != m.Files[bundle.VocabularyFile].SHA256 {
		return nil, fmt.Errorf("%s is not the one that the model was converted with: convert the checkpoint again", bundle.VocabularyFile)
	}
	t := m.Tokenizer
	v.Lowercase = t.Lowercase
	v.Special.Dec, v.Special.Enc = t.Dec, t.Enc
	return wordpiece.New(v, wordpiece.Options{MaxTokens: t.MaxTokens, Clean: t.Clean, Questions: m.Task == bundle.Answering})
}

// Manifest describes the model.
func (m *Model) Manifest() bundle.Manifest { return m.manifest }

// Fingerprint identifies weights, preprocessing and tokenizer. It travels with
// embeddings, patch states and cache keys.
func (m *Model) Fingerprint() string { return m.manifest.Fingerprint }

// Probability of a match, 0 to 1: by the manifest's calibration where there is
// one, else the softmax of the raw logits.
func (m *Model) Probability(l Logits) float64 {
	if c := m.manifest.Calibration; c != nil {
		return c.Probability(l.Margin())
	}
	return l.Probability()
}

// Device names what the model runs on.
func (m *Model) Device() string { return m.runtime.Device() }

// Pixels decodes the bytes of a JPEG, PNG or WebP. Errors are *picture.Error.
func (m *Model) Pixels(data []byte) (Pixels, error) {
	img, err := picture.Decode(data, m.limits)
	if err != nil {
		return nil, err
	}
	small := picture.Resize(img, m.manifest.Vision.Image)
	return picture.Normalize(small, m.manifest.Pixels.Mean, m.manifest.Pixels.Std), nil
}

// Tokenize turns a text into ids, first [CLS], last [SEP], at most
// Manifest().Tokenizer.MaxTokens of them.
func (m *Model) Tokenize(text string) Query {
	e := m.tokenizer.Encode(text)
	return Query{IDs: e.IDs, Cut: e.Cut}
}

// Warm loads the graphs that a search needs and runs each once, so that the
// first user does not wait: text, vision, and match over exact (fp32) or int8
// patch states, whichever the data folder holds. Index-only callers need not
// call it.
func (m *Model) Warm(ctx context.Context, exact bool) error {
	q := m.Tokenize("warm up")
	if _, err := m.Texts(ctx, []Query{q}); err != nil {
		return fmt.Errorf("warm up text: %w", err)
	}
	v := m.manifest.Vision
	f, err := m.Images(ctx, []Pixels{make(Pixels, 3*v.Image*v.Image)})
	if err != nil {
		return fmt.Errorf("warm up vision: %w", err)
	}
	states := f[0].States
	if !exact {
		states = states.Quantize()
	}
	if _, err := m.Match(ctx, q, []States{states}); err != nil {
		return fmt.Errorf("warm up match: %w", err)
	}
	return nil
}

// Close frees the sessions, not the Runtime. It waits for a load and for runs
// under way. Closing twice is harmless.
func (m *Model) Close() error {
	m.sessionsMu.Lock()
	m.closed = true
	m.sessionsMu.Unlock()
	m.loading <- struct{}{}
	defer func() { <-m.loading }()
	m.sessionsMu.Lock()
	defer m.sessionsMu.Unlock()
	var problems []error
	for g, s := range m.sessions {
		if err := s.Close(); err != nil {
			problems = append(problems, fmt.Errorf("close graph %s: %w", g, err))
		}
		delete(m.sessions, g)
	}
	return errors.Join(problems...)
}

// session loads graph g once. Loads are serialised: two at a time would hold
// two copies of the weights while ONNX Runtime packs them. A load that waits
// ends with its ctx, and graphs that are loaded already do not wait at all.
func (m *Model) session(ctx context.Context, g bundle.Graph) (Session, error) {
	if s, err := m.loaded(g); s != nil || err != nil {
		return s, err
	}
	select {
	case m.loading <- struct{}{}:
		defer func() { <-m.loading }()
	case <-ctx.Done():
		return nil, fmt.Errorf("load graph %s: wait for another load: %w", g, ctx.Err())
	}
	if s, err := m.loaded(g); s != nil || err != nil {
		return s, err
	}
	s, err := m.runtime.Load(ctx, filepath.Join(m.dir, g.File()))
	if err != nil {
		return nil, fmt.Errorf("load graph %s: %w", g, err)
	}
	m.sessionsMu.Lock()
	defer m.sessionsMu.Unlock()
	m.sessions[g] = s // also after closed: Close waits for the load and frees it
	return s, nil
}

// loaded is the session of g, nil where it has not been loaded.
func (m *Model) loaded(g bundle.Graph) (Session, error) {
	m.sessionsMu.Lock()
	defer m.sessionsMu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	return m.sessions[g], nil
}
