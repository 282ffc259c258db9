package cache

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
)

// defaultEmbeddings is room for about 25,000 texts with embeddings of 256
// dimensions.
const defaultEmbeddings = 32 << 20 // bytes

// maxEmbedding is what one text with its embedding may take, in bytes: an
// embedding of 4096 dimensions and 48 KB of text.
const maxEmbedding = 64 << 10

// Embeddings keeps the embeddings of query texts in memory, so that a text
// asked again is not encoded again, whatever happened to the index meanwhile.
// An embedding depends on model and text alone, so there is no age. All methods
// may be called at the same time; embeddings are copied on the way in and out.
type Embeddings struct {
	entries  *otter.Cache[modelText, []float32]
	counters counters
}

// modelText is compared part by part, so no two of them can be taken for each
// other.
type modelText struct{ fingerprint, text string }

// NewEmbeddings makes an empty cache of at most maxBytes, keys and bookkeeping
// included; 0 stands for 32 MiB.
func NewEmbeddings(maxBytes int) (*Embeddings, error) {
	if maxBytes < 0 {
		return nil, errors.New("cache of embeddings: its bytes must not be negative")
	}
	if maxBytes == 0 {
		maxBytes = defaultEmbeddings
	}
	entries, err := otter.New(&otter.Options[modelText, []float32]{
		MaximumWeight: uint64(maxBytes),
		Weigher:       func(k modelText, v []float32) uint32 { return uint32(embeddingBytes(k, v)) },
		StatsRecorder: stats.NewCounter(),
	})
	if err != nil {
		return nil, fmt.Errorf("cache of embeddings: %w", err)
	}
	return &Embeddings{entries: entries}, nil
}

func embeddingBytes(k modelText, v []float32) int {
	return len(k.fingerprint) + len(k.text) + 4*len(v) + entryOverhead
}

// Get returns a copy of the embedding of text by the model with that
// fingerprint.
func (e *Embeddings) Get(fingerprint, text string) ([]float32, bool) {
	v, ok := e.entries.GetIfPresent(modelText{fingerprint, text})
	if !ok {
		e.counters.misses.Add(1)
		return nil, false
	}
	e.counters.hits.Add(1)
	return slices.Clone(v), true
}

// Set keeps a copy of embedding, unless it and the text are above 64 KiB
// together.
func (e *Embeddings) Set(fingerprint, text string, embedding []float32) {
	k := modelText{fingerprint, strings.Clone(text)} // text may be a piece of a whole request
	if embeddingBytes(k, embedding) > maxEmbedding {
		e.counters.dropped.Add(1)
		return
	}
	e.entries.Set(k, slices.Clone(embedding))
}

// Stats counts what happened since the start.
func (e *Embeddings) Stats() Stats {
	s := e.counters.stats()
	s.Evictions, s.Bytes = e.entries.Stats().Evictions, e.entries.WeightedSize()
	return s
}
