package embedded

import (
	"context"
	"maps"
	"slices"

	"sightline/store/embedded/scan"
	"sightline/store/filter"
)

// groupWindow is how many items a round of a grouped search looks at for each
// group still wanted: most variants of a product lie close together, and four
// times the window costs a tenth of a scan.
const groupWindow = 4

// nearestGroups returns the best slot of each of the k best groups, best first.
//
// A round takes the best items of a window, of which the first of each group
// stand for them. If they are too few groups, the next round looks for the rest
// in what is left without all items of the groups found: nothing there is
// better than what an earlier round saw, so the rounds' results follow one
// another. Each round finds a new group at least, and many more unless the
// groups are far larger than the window.
func (s *search) nearestGroups(ctx context.Context, k int) ([]scan.Hit, error) {
	var found []scan.Hit
	for {
		window := groupWindow * (k - len(found))
		hits, err := s.nearest(ctx, window)
		if err != nil {
			return nil, err
		}
		texts := make(map[string]bool)
		for _, h := range hits {
			if len(found) < k && s.opensGroup(h.Slot, texts) {
				found = append(found, h)
			}
		}
		if len(found) == k || len(hits) < window {
			return found, nil
		}
		if err := s.dropSeen(ctx, hits, texts); err != nil {
			return nil, err
		}
	}
}

// opensGroup says whether a slot is the first of its group, and notes the
// group. An item without a text in the field is a group of its own.
func (s *search) opensGroup(slot uint32, seen map[string]bool) bool {
	v, ok := s.snap.record(slot).item.Field(s.groupBy)
	if !ok || v.Type != filter.String {
		return true
	}
	if seen[v.Text] {
		return false
	}
	seen[v.Text] = true
	return true
}

// dropSeen takes what one round saw, and all else in the same groups, out of
// what is allowed.
func (s *search) dropSeen(ctx context.Context, hits []scan.Hit, texts map[string]bool) error {
	if s.allowed == nil {
		if err := s.allow(ctx, nil); err != nil {
			return err
		}
	}
	for _, h := range hits {
		s.allowed[h.Slot/64] &^= 1 << (h.Slot % 64)
	}
	if len(texts) == 0 {
		return nil
	}
	group := filter.In{Field: s.groupBy}
	for _, text := range slices.Sorted(maps.Keys(texts)) { // In wants its values sorted
		group.Values = append(group.Values, filter.Value{Type: filter.String, Text: text})
	}
	words := s.snap.slots / 64
	return s.snap.visit(ctx, group, func(_, i int, members slotSet) {
		slotSet(s.allowed[words*i : words*(i+1)]).andNot(members)
	})
}
