package decode_test

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"testing"

	"sightline/encoder/decode"
)

// The toy language of testdata/generate.py.
const (
	words = 48
	end   = 3
)

func mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func toyLogits(first, before, last int64, position int) []float32 {
	key := uint64(((first*64+before)*64+last)*64 + int64(position))
	out := make([]float32, words)
	for i := range out {
		out[i] = float32(mix(key*words+uint64(i))>>44) * (8.0 / (1 << 20))
	}
	out[end] += 0.25 * float32(position-6)
	return out
}

// toy is a Stepper that also holds Generate to its promises.
type toy struct {
	t       *testing.T
	rows    [][]int64
	steps   int
	read    int // tokens of all rows
	most    int // rows of a step
	before  func(step int) error
	logits  func(row []int64) []float32
	started bool
}

func (s *toy) Step(_ context.Context, parents []int, ids [][]int64) ([][]float32, error) {
	if s.before != nil {
		if err := s.before(s.steps); err != nil {
			return nil, err
		}
	}
	if (parents == nil) == s.started {
		s.t.Errorf("step %d: parents %v", s.steps, parents)
	}
	s.started = true
	s.steps++
	s.most = max(s.most, len(ids))
	rows := make([][]int64, len(ids))
	out := make([][]float32, len(ids))
	for i := range ids {
		if len(ids[i]) != len(ids[0]) || len(ids[i]) == 0 {
			s.t.Fatalf("row %d has %d tokens, the first %d", i, len(ids[i]), len(ids[0]))
		}
		if parents != nil {
			if i > 0 && s.rows[parents[i]][0] != s.rows[parents[i-1]][0] && parents[i] < parents[i-1] {
				s.t.Errorf("step %d: pictures out of order: %v", s.steps, parents)
			}
			rows[i] = slices.Clone(s.rows[parents[i]])
		}
		rows[i] = append(rows[i], ids[i]...)
		s.read += len(ids[i])
		out[i] = s.of(rows[i])
	}
	s.rows = rows
	return out, nil
}

func (s *toy) of(row []int64) []float32 {
	if s.logits != nil {
		return s.logits(row)
	}
	var before int64
	if len(row) > 1 {
		before = row[len(row)-2]
	}
	return toyLogits(row[0], before, row[len(row)-1], len(row))
}

// options are Defaults with the toy's end token.
func options(edit func(*decode.Options)) decode.Options {
	o := decode.Defaults()
	o.End = end
	if edit != nil {
		edit(&o)
	}
	return o
}

var errStop = errors.New("stop")

func TestToyIsExact(t *testing.T) { // the reference computes the same in float32
	for i, v := range toyLogits(1, 2, 3, 4) {
		if scaled := v * (1 << 20) / 8; i != end && (scaled != float32(uint32(scaled)) || bits.Len32(uint32(scaled)) > 20) {
			t.Errorf("logit %d is %v", i, v)
		}
	}
}
