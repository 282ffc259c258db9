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

// group returns items with none to two views. Their pictures tell the version.
func group(version int64) ([]store.Entry, []string) {
	entries, ids := make([]store.Entry, groupSize), make([]string, groupSize)
	for i := range entries {
		ids[i] = fmt.Sprintf("g%d", i)
		e := entry(ids[i], version, between(float64(i)/groupSize))
		e.Picture = groupPicture(e.Item, 0)
		for n := range groupViews(version) {
			nearer := between((float64(i) + 0.3*float64(n+1)) / groupSize)
			e.Views = append(e.Views, store.View{Picture: groupPicture(e.Item, n+1), Embedding: nearer})
		}
		entries[i] = e
	}
	return entries, ids
}

func groupViews(version int64) int { return int(version % 3) }

func groupPicture(it store.Item, n int) string {
	return pictureKey(fmt.Sprint(it.ID, " at ", it.Version), n)
}

// wholeHit: of the pictures of its version, the last view is the nearest.
func wholeHit(h store.Hit) error {
	if want := groupViews(h.Item.Version); h.View != want || h.Picture != groupPicture(h.Item, want) {
		return fmt.Errorf("search saw a torn write: view %d of %s at version %d, want %d", h.View, h.Item.ID, h.Item.Version, want)
	}
	return nil
}

func wholeEntry(e store.Entry) error {
	for n, p := range pictures(e) {
		if p.Picture != groupPicture(e.Item, n) || len(e.Views) != groupViews(e.Item.Version) {
			return fmt.Errorf("get saw a torn write: picture %d of %d of %s at version %d", n, len(e.Views), e.Item.ID, e.Item.Version)
		}
	}
	return nil
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
		if err := wholeHit(h); err != nil {
			return 0, 0, err
		}
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
		if err := wholeEntry(e); err != nil {
			return 0, 0, err
		}
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
