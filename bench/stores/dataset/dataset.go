// Package dataset makes the catalogue that all engines are measured on: unit
// vectors in clusters, what a shop says of each item, queries, and their exact
// answers.
//
// Vectors lie as a shop's do: around 1,000 centres there are products (cosine
// 0.86 to the centre) and around each product five variants (cosine 0.98 to the
// product). A centre belongs to one of 10 categories and a product to one of 200
// brands. A query lies near an item (cosine 0.71), as a text's embedding lies
// near that of a picture. Uniformly random vectors would be no test: all of them
// are equally far from a query, so that nothing can be left out.
//
// Everything follows from the seed, whatever the number of processors.
package dataset

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
)

const (
	// Dim is that of BLIP's embeddings.
	Dim = 256
	// Depth is how many exact answers are kept of each query and filter.
	Depth = 200

	centres    = 1000
	categories = 10
	brands     = 200
	variants   = 5

	productSpread = 0.6
	variantSpread = 0.2
	querySpread   = 1.0

	// block is what one goroutine makes from one seed: 10 MB of vectors.
	block    = 10_000
	rowBytes = 4 * Dim
)

// Set is a dataset in a folder.
type Set struct {
	Dir     string
	Items   int
	Queries int
	Seed    uint64
}

// Make writes the vectors of items and queries. Dir exists.
func (s Set) Make(ctx context.Context) error {
	if err := s.writeVectors(ctx); err != nil {
		return fmt.Errorf("make vectors: %w", err)
	}
	if err := s.writeQueries(ctx); err != nil {
		return fmt.Errorf("make queries: %w", err)
	}
	return nil
}

func (s Set) vectors() string { return filepath.Join(s.Dir, "vectors.f32") }
func (s Set) queries() string { return filepath.Join(s.Dir, "queries.f32") }

func (s Set) writeVectors(ctx context.Context) error {
	f, err := os.Create(s.vectors())
	if err != nil {
		return err
	}
	around := s.centres()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < s.Items; from += block {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := f.WriteAt(s.block(around, from), int64(from)*rowBytes)
			return err
		})
	}
	return errors.Join(group.Wait(), f.Close())
}

// block makes the vectors of a block of rows. A block has whole products.
func (s Set) block(around [][]float32, from int) []byte {
	r := s.random(uint64(from) + 1)
	out := make([]byte, 0, block*rowBytes)
	var product []float32
	for row := from; row < min(from+block, s.Items); row++ {
		if row%variants == 0 {
			product = near(r, around[s.centre(row)], productSpread)
		}
		out = appendVector(out, near(r, product, variantSpread))
	}
	return out
}

func (s Set) centres() [][]float32 {
	r := s.random(0)
	out := make([][]float32, centres)
	for i := range out {
		out[i] = near(r, make([]float32, Dim), 1)
	}
	return out
}

// random is one of the seed's streams of numbers.
func (s Set) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(s.Seed, stream)) // #nosec G404 -- data that must repeat, not secrets
}

// near returns a unit vector in a random direction from a unit vector: cosine
// 1/sqrt(1+spread²) to it.
func near(r *rand.Rand, centre []float32, spread float64) []float32 {
	v := make([]float32, Dim)
	var sum float64
	for i := range v {
		v[i] = centre[i] + float32(r.NormFloat64()*spread/math.Sqrt(Dim))
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	return v
}

func (s Set) writeQueries(ctx context.Context) error {
	var out []byte
	for i := range s.Queries {
		v, err := s.vector(s.target(i))
		if err != nil {
			return err
		}
		out = appendVector(out, near(s.random(1<<40+uint64(i)), v, querySpread))
	}
	return errors.Join(os.WriteFile(s.queries(), out, 0o600), ctx.Err())
}

// vector reads one row.
func (s Set) vector(row int) ([]float32, error) {
	f, err := os.Open(s.vectors())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw := make([]byte, rowBytes)
	if _, err := f.ReadAt(raw, int64(row)*rowBytes); err != nil {
		return nil, fmt.Errorf("read vector %d: %w", row, err)
	}
	return decode(raw), nil
}

// QueryVectors reads all of them.
func (s Set) QueryVectors() ([][]float32, error) {
	raw, err := os.ReadFile(s.queries())
	if err != nil {
		return nil, fmt.Errorf("read queries: %w", err)
	}
	out := make([][]float32, len(raw)/rowBytes)
	for i := range out {
		out[i] = decode(raw[i*rowBytes : (i+1)*rowBytes])
	}
	return out, nil
}

// Batches calls do with all items in their order, size at a time. What it is
// given belongs to it.
func (s Set) Batches(ctx context.Context, size int, do func([]Item) error) error {
	f, err := os.Open(s.vectors())
	if err != nil {
		return fmt.Errorf("read dataset: %w", err)
	}
	defer f.Close()
	in, raw := bufio.NewReaderSize(f, 1<<20), make([]byte, rowBytes)
	for from := 0; from < s.Items; from += size {
		batch := make([]Item, 0, size)
		for row := from; row < min(from+size, s.Items); row++ {
			if _, err := io.ReadFull(in, raw); err != nil {
				return fmt.Errorf("read vector %d: %w", row, err)
			}
			batch = append(batch, s.item(row, decode(raw)))
		}
		if err := errors.Join(ctx.Err(), do(batch)); err != nil {
			return err
		}
	}
	return nil
}

func appendVector(out []byte, v []float32) []byte {
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

func decode(raw []byte) []float32 {
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}
