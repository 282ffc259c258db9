package embedded

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"sightline/store"
	"sightline/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirVariable); dir != "" {
		crashChild(dir) // this process is TestKilled's child and never returns
	}
	goleak.VerifyTestMain(m)
}

// A worn index has only some free slots in its first chunk and nothing live, so
// that the suite meets a chunk's end, its index and compaction with few items.
var conformanceIndexes = map[string]struct{ slots, worn int }{
	"small chunks": {slots: testSlots},
	"worn chunks":  {slots: testSlots, worn: testSlots - 4},
	"full chunks":  {slots: chunkSlots},
}

func TestConformance(t *testing.T) {
	for name, c := range conformanceIndexes {
		open := func(t *testing.T, dir, fingerprint string) (store.Index, error) {
			x, err := Open(t.Context(), Options{Dir: dir, Dim: storetest.Dim, Fingerprint: fingerprint, chunkSlots: c.slots})
			if err != nil {
				return nil, err // not a nil *Index in an interface
			}
			return x, nil
		}
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Index {
				x, err := open(t, t.TempDir(), storetest.Fingerprint)
				if err != nil {
					t.Fatal(err)
				}
				wear(t, x, c.worn)
				return x
			})
			storetest.RunDurable(t, open)
		})
	}
}

func wear(t *testing.T, x store.Index, slots int) {
	t.Helper()
	for i := range slots {
		worn := plain("worn", 0)
		worn.Embedding = make([]float32, storetest.Dim)
		worn.Embedding[i%storetest.Dim] = 1
		if err := x.(*Index).matrix.apply(nil, []row{{record: &record{item: worn.Item}, vector: worn.Embedding}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.(*Index).matrix.apply([]string{"worn"}, nil, 0); err != nil {
		t.Fatal(err)
	}
}
