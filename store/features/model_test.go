package features

import (
	"context"
	"os"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestModel does random things to a store and to a map, and compares.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		var budget int64
		if rapid.Bool().Draw(rt, "with budget") {
			budget = 8000
		}
		m := &model{dir: dir, budget: budget, want: map[int]bool{}, ctx: t.Context()}
		m.reopen(rt)
		defer func() { m.must(rt, m.s.Close()) }()
		picture := rapid.IntRange(0, 60)
		rt.Repeat(map[string]func(*rapid.T){
			"put":     func(rt *rapid.T) { m.put(rt, picture.Draw(rt, "picture")) },
			"put2":    func(rt *rapid.T) { m.put(rt, picture.Draw(rt, "picture")) },
			"delete":  func(rt *rapid.T) { m.delete(rt, picture.Draw(rt, "picture")) },
			"get":     func(rt *rapid.T) { m.get(rt, picture.Draw(rt, "picture")) },
			"compact": func(rt *rapid.T) { m.must(rt, m.s.Compact(m.ctx)) },
			"reopen":  m.reopen,
			"":        m.check,
		})
	})
}

type model struct {
	s      *Store
	dir    string
	budget int64
	want   map[int]bool
	ctx    context.Context
}

func (m *model) must(rt *rapid.T, err error) {
	if err != nil {
		rt.Fatal(err)
	}
}

func (m *model) reopen(rt *rapid.T) {
	if m.s != nil {
		m.must(rt, m.s.Close())
	}
	var err error
	m.s, err = open(m.dir, "model", Options{Budget: m.budget}, 1500)
	m.must(rt, err)
	if m.s.Recovered() != (Recovery{}) {
		rt.Fatalf("recovered %+v", m.s.Recovered())
	}
}

func (m *model) put(rt *rapid.T, i int) {
	m.must(rt, m.s.Put(m.ctx, keyOf(i), recordOf(i)))
	m.want[i] = true
	m.get(rt, i)
}

func (m *model) delete(rt *rapid.T, i int) {
	m.must(rt, m.s.Delete(m.ctx, keyOf(i)))
	delete(m.want, i)
}

func (m *model) get(rt *rapid.T, i int) {
	got, ok, err := m.s.Get(m.ctx, keyOf(i))
	if err != nil || ok && !reflect.DeepEqual(got, recordOf(i)) {
		rt.Fatalf("picture %d: %+v, %v", i, got, err)
	}
	if ok && !m.want[i] || !ok && m.want[i] && m.budget == 0 {
		rt.Fatalf("picture %d: %v", i, ok)
	}
}

func (m *model) check(rt *rapid.T) {
	got := m.s.Stats()
	if m.budget > 0 && got.Live > m.budget/5*4 || m.budget == 0 && got.Pictures != len(m.want) {
		rt.Fatalf("%+v, want %d pictures", got, len(m.want))
	}
	if m.budget > 0 && got.Pictures < len(m.want) && got.Live < m.budget/2 {
		rt.Fatalf("dropped too much: %+v of %d", got, len(m.want))
	}
	m.s.mu.Lock() // a compaction may be at work
	defer m.s.mu.Unlock()
	for _, file := range m.s.segments {
		if file.live < 0 || file.live > file.size {
			rt.Fatalf("segment %d: %d of %d bytes live", file.number, file.live, file.size)
		}
	}
}
