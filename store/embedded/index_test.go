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

// Four slots a chunk make the suite meet chunk borders and compaction.
var chunkSizes = map[string]int{"chunks of 4": 4, "full chunks": chunkSlots}

func TestConformance(t *testing.T) {
	for name, slots := range chunkSizes {
		open := func(t *testing.T, dir, fingerprint string) (store.Index, error) {
			x, err := Open(t.Context(), Options{Dir: dir, Dim: storetest.Dim, Fingerprint: fingerprint, chunkSlots: slots})
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
				return x
			})
			storetest.RunDurable(t, open)
		})
	}
}
