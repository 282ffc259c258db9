package dataset

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
)

// made is a small dataset, with its answers.
func made(t *testing.T, items int) (Set, Answers) {
	t.Helper()
	s := Set{Dir: t.TempDir(), Items: items, Queries: 8, Seed: 1}
	answers, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, answers
}

func cosine(a, b []float32) float64 {
	return dot(widen(make([]float64, Dim), a), widen(make([]float64, Dim), b))
}

// TestGeometry checks what the package says of the vectors.
func TestGeometry(t *testing.T) {
	s, _ := made(t, 25_000)
	var all []Item
	if err := s.Batches(t.Context(), 700, func(part []Item) error { all = append(all, part...); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(all) != s.Items {
		t.Fatal(len(all))
	}
	counts := map[string]int{}
	var variant, query float64
	for row, it := range all {
		counts[it.Category]++
		counts[it.Brand]++
		if back, err := Row(it.ID); err != nil || back != row {
			t.Fatal(it.ID, row, back, err)
		}
		if n := cosine(it.Vector, it.Vector); math.Abs(n-1) > 1e-6 {
			t.Fatal(row, n)
		}
		variant += cosine(it.Vector, all[row/variants*variants].Vector) / float64(len(all))
	}
	queries, err := s.QueryVectors()
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range queries {
		query += cosine(q, all[s.target(i)].Vector) / float64(len(queries))
	}
	for name, n := range counts {
		if share := float64(n) / float64(len(all)); name[0] == 'c' && math.Abs(share-0.1) > 0.02 || name[0] == 'b' && math.Abs(share-0.005) > 0.003 {
			t.Error(name, share)
		}
	}
	// A fifth of the pairs are a vector with itself.
	if len(counts) != categories+brands || math.Abs(variant-0.97) > 0.01 || math.Abs(query-0.71) > 0.03 {
		t.Error(len(counts), variant, query)
	}
}

// TestRepeatable makes the same data with one processor and with several.
func TestRepeatable(t *testing.T) {
	a, first := made(t, 12_345)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b, second := made(t, 12_345)
	for _, paths := range [][2]string{{a.vectors(), b.vectors()}, {a.queries(), b.queries()}} {
		x, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(paths[1])
		if err != nil || !bytes.Equal(x, y) {
			t.Error(err, paths)
		}
	}
	for _, filter := range Filters {
		for q := range a.Queries {
			if !slices.Equal(first[filter][q], second[filter][q]) {
				t.Errorf("answers of query %d with filter %q differ", q, filter)
			}
		}
	}
}

// TestAnswers compares with a sort of everything, and judges by it.
func TestAnswers(t *testing.T) {
	s, answers := made(t, 3000)
	again, err := s.Load(t.Context()) // from the file
	if err != nil || len(again) != len(Filters) {
		t.Fatal(len(again), err)
	}
	judge, err := NewRecall(s, again)
	if err != nil {
		t.Fatal(err)
	}
	defer judge.Close()
	queries, err := s.QueryVectors()
	if err != nil {
		t.Fatal(err)
	}
	for _, filter := range Filters {
		for q, query := range queries {
			want := sorted(t, s, query, filter, s.Where(filter, q))
			want = want[:min(Depth, len(want))]
			rows := make([]int, len(want))
			for i, a := range want {
				if rows[i] = a.Row; answers[filter][q][i].Row != a.Row {
					t.Fatalf("filter %q, query %d, place %d: row %d, not %d", filter, q, i, answers[filter][q][i].Row, a.Row)
				}
			}
			checkRecall(t, judge, filter, q, rows)
		}
	}
}

func sorted(t *testing.T, s Set, query []float32, filter, value string) []Answer {
	t.Helper()
	var all []Answer
	for row := range s.Items {
		if s.value(filter, row) != value {
			continue
		}
		v, err := s.vector(row)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Answer{row, cosine(query, v)})
	}
	slices.SortFunc(all, func(a, b Answer) int {
		if a.Dot > b.Dot {
			return -1
		}
		return 1
	})
	return all
}

func checkRecall(t *testing.T, judge *Recall, filter string, query int, rows []int) {
	t.Helper()
	half := slices.Clone(rows)
	for i := range half {
		if i%2 == 1 {
			half[i] = half[0] // twice the same counts once
		}
	}
	for _, c := range []struct {
		found []int
		want  float64
	}{{rows, 1}, {nil, 0}, {half, float64((len(rows)+1)/2) / float64(len(rows))}, {[]int{-1, judge.set.Items}, 0}} {
		if got, err := judge.Of(filter, query, Depth, c.found); err != nil || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("filter %q, query %d: recall %v, not %v (%v)", filter, query, got, c.want, err)
		}
	}
}
