package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"sightline/store"
)

// groupSize items are always written and deleted together.
const groupSize = 10

func group(version int64) ([]store.Entry, []string) {
	entries, ids := make([]store.Entry, groupSize), make([]string, groupSize)
	for i := range entries {
		ids[i] = fmt.Sprintf("g%d", i)
		entries[i] = entry(ids[i], version, between(float64(i)/groupSize))
	}
	return entries, ids
}

// checkSnapshots reads while one writer replaces and deletes a group of items:
// every read must see the whole group at one version, or none of it.
func checkSnapshots(t *testing.T, x store.Index) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			if err := readGroup(ctx, x); err != nil {
				t.Error(err)
			}
		})
	}
	err := writeGroup(t.Context(), x, 40)
	stop()
	readers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if got := mustStats(t, x).Items; got != groupSize {
		t.Errorf("%d items at the end, want %d", got, groupSize)
	}
}

func writeGroup(ctx context.Context, x store.Index, rounds int64) error {
	for version := int64(1); version <= rounds; version++ {
		entries, ids := group(version)
		if err := x.Upsert(ctx, entries); err != nil {
			return fmt.Errorf("upsert: %w", err)
		}
		if version%4 != 1 {
			continue
		}
		if n, err := x.Delete(ctx, ids); err != nil || n != groupSize {
			return fmt.Errorf("delete: %d items, %w", n, err)
		}
	}
	return nil
}

// readGroup searches until ctx ends and returns the first broken rule.
func readGroup(ctx context.Context, x store.Index) error {
	var lastVersion int64
	var lastGeneration uint64
	for {
		version, generation, err := readOnce(ctx, x)
		switch {
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		case version != 0 && version < lastVersion || generation < lastGeneration:
			return fmt.Errorf("went back from version %d to %d, generation %d to %d", lastVersion, version, lastGeneration, generation)
		}
		lastVersion, lastGeneration = max(version, lastVersion), generation
	}
}

// readOnce returns the version that a search saw, 0 for an empty index.
func readOnce(ctx context.Context, x store.Index) (version int64, generation uint64, err error) {
	hits, err := x.Search(ctx, store.Query{Embedding: axis(0), K: 3 * groupSize})
	if err != nil {
		return 0, 0, err
	}
	versions := make([]int64, len(hits))
	for i, h := range hits {
		versions[i] = h.Item.Version
	}
	version, err = whole("search", versions)
	if err != nil {
		return 0, 0, err
	}
	_, ids := group(0)
	entries, err := x.Get(ctx, ids)
	if err != nil {
		return 0, 0, err
	}
	versions = versions[:0]
	for _, e := range entries {
		versions = append(versions, e.Item.Version)
	}
	if _, err := whole("get", versions); err != nil {
		return 0, 0, err
	}
	if err := countOnce(ctx, x); err != nil {
		return 0, 0, err
	}
	stats, err := x.Stats(ctx)
	return version, stats.Generation, err
}

func whole(what string, versions []int64) (int64, error) {
	if len(versions) == 0 {
		return 0, nil
	}
	for _, v := range versions {
		if v != versions[0] || len(versions) != groupSize {
			return 0, fmt.Errorf("%s saw a torn write: versions %v", what, versions)
		}
	}
	return versions[0], nil
}
