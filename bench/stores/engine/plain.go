package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"sightline/bench/stores/dataset"
)

// plain is what a good Go programmer writes in an hour: one contiguous matrix,
// a goroutine per processor with a heap of its k best, and the filter asked of
// each item before its dot product. No assembler, no index.
type plain struct {
	inProcess
	vectors []float32 // [len(columns.IDs), dataset.Dim]
	columns columns
}

type columns struct {
	IDs, Titles, Brands, Categories []string
	Prices                          []float64
}

type scored struct {
	row   int
	score float32
}

func plainKind() Kind {
	return Kind{
		Name:    "float32",
		About:   "brute force in plain Go: parallel float32 scan of one matrix, filter per item before the dot product; unsynced files",
		Version: func(context.Context) (string, error) { return runtime.Version(), nil },
		Import:  importPlain,
		Open:    openPlain,
	}
}

func importPlain(ctx context.Context, dir string, set dataset.Set) error {
	f, err := os.Create(filepath.Join(dir, "vectors"))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	var c columns
	err = set.Batches(ctx, batch, func(items []dataset.Item) error {
		for _, it := range items {
			c.add(it)
			if err := binary.Write(out, binary.LittleEndian, it.Vector); err != nil {
				return err
			}
		}
		return nil
	})
	err = errors.Join(err, out.Flush(), f.Close())
	if err != nil {
		return err
	}
	return c.write(filepath.Join(dir, "columns"))
}

func (c *columns) add(it dataset.Item) {
	c.IDs, c.Titles = append(c.IDs, it.ID), append(c.Titles, it.Title)
	c.Brands, c.Categories = append(c.Brands, it.Brand), append(c.Categories, it.Category)
	c.Prices = append(c.Prices, it.Price)
}

func (c *columns) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	return errors.Join(gob.NewEncoder(out).Encode(c), out.Flush(), f.Close())
}

func openPlain(_ context.Context, dir string, _ dataset.Set) (Engine, error) {
	p := &plain{}
	meta, err := os.Open(filepath.Join(dir, "columns"))
	if err != nil {
		return nil, err
	}
	defer meta.Close()
	if err := gob.NewDecoder(bufio.NewReader(meta)).Decode(&p.columns); err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	f, err := os.Open(filepath.Join(dir, "vectors"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p.vectors = make([]float32, len(p.columns.IDs)*dataset.Dim)
	in := bufio.NewReaderSize(f, 1<<20)
	// Read by parts, since binary.Read makes a copy of the whole.
	for part := range slices.Chunk(p.vectors, batch*dataset.Dim) {
		if err := binary.Read(in, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("read vectors: %w", err)
		}
	}
	return p, nil
}

// Close implements Engine.
func (p *plain) Close() error { return nil }

// Search implements Engine.
func (p *plain) Search(ctx context.Context, q Query) ([]Hit, error) {
	column, err := p.column(q.Field)
	if err != nil {
		return nil, err
	}
	workers, n := runtime.GOMAXPROCS(0), len(p.columns.IDs)
	best := make([]topK, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { best[w] = p.scan(q, column, n*w/workers, n*(w+1)/workers) })
	}
	all.Wait()
	merged := slices.Concat(best...)
	slices.SortFunc(merged, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	hits := make([]Hit, min(q.K, len(merged)))
	for i := range hits {
		hits[i] = Hit{ID: p.columns.IDs[merged[i].row], Title: p.columns.Titles[merged[i].row]}
	}
	return hits, ctx.Err()
}

func (p *plain) column(field string) ([]string, error) {
	switch field {
	case "":
		return nil, nil
	case "category":
		return p.columns.Categories, nil
	case "brand":
		return p.columns.Brands, nil
	}
	return nil, fmt.Errorf("no column %q", field)
}

func (p *plain) scan(q Query, column []string, from, to int) topK {
	best := make(topK, 0, q.K)
	for row := from; row < to; row++ {
		if column != nil && column[row] != q.Value {
			continue
		}
		score := dot(q.Vector, p.vectors[row*dataset.Dim:(row+1)*dataset.Dim])
		if len(best) < q.K || score > best[0].score {
			best.add(scored{row, score}, q.K)
		}
	}
	return best
}

// dot adds in eight sums: in one alone, each addition would wait for the one
// before.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 8 && len(b) >= 8 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		s4 += a[4] * b[4]
		s5 += a[5] * b[5]
		s6 += a[6] * b[6]
		s7 += a[7] * b[7]
		a, b = a[8:], b[8:]
	}
	return (s0 + s1) + (s2 + s3) + (s4 + s5) + (s6 + s7)
}
