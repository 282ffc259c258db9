package embedded

import (
	"cmp"
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

// groupRounds is after how many rounds a grouped search stops guessing.
const groupRounds = 4

// nearestGroups returns the best slot of each of the k best groups, best first.
//
// A round takes the best items of a window, of which the first of each group
// stand for them. If they are too few groups, the next round looks for the rest
// in what is left without all items of the groups found: nothing there is
// better than what an earlier round saw, so the rounds' results follow one
// another. One round does for variants of a product, two to four for fields
// with some hundred values. Where groups are so large that a round finds few, one
// pass over everything takes the place of the rounds left.
func (s *search) nearestGroups(ctx context.Context, k int) ([]scan.Hit, error) {
	var found []scan.Hit
	for range groupRounds {
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
	rest, err := s.compareAll(ctx, k-len(found))
	return append(found, rest...), err
}

// compareAll returns the best slot of each of the k best groups of what is
// allowed, by a comparison in float32 with each: ten times the time of a scan,
// however the groups lie. It leaves allowed to the items without a group.
func (s *search) compareAll(ctx context.Context, k int) ([]scan.Hit, error) {
	words := s.snap.slots / 64
	best := make([]map[string]scan.Hit, s.snap.workers())
	for worker := range best {
		best[worker] = make(map[string]scan.Hit)
	}
	err := s.snap.eachChunk(ctx, func(worker, i int) {
		allowed := slotSet(s.allowed[words*i : words*(i+1)])
		for at := range allowed.all {
			slot := uint32(i*s.snap.slots + at)
			if text, ok := s.group(slot); ok {
				allowed.remove(at)
				h := scan.Hit{Slot: slot, Dot: scan.Dot(s.query, s.snap.vectors.Vector(slot))}
				s.offer(best[worker], text, h)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, other := range best[1:] {
		for text, h := range other {
			s.offer(best[0], text, h)
		}
	}
	all, err := s.nearest(ctx, k)
	if err != nil {
		return nil, err
	}
	all = slices.AppendSeq(all, maps.Values(best[0]))
	slices.SortFunc(all, s.compare)
	return all[:min(k, len(all))], nil
}

// offer makes a hit that of its group if it is better. Those of one item come in
// the order of its pictures.
func (s *search) offer(best map[string]scan.Hit, text string, h scan.Hit) {
	if old, ok := best[text]; !ok || s.compare(h, old) < 0 {
		best[text] = h
	}
}

// compare orders best first.
func (s *search) compare(a, b scan.Hit) int {
	if a.Dot != b.Dot {
		return cmp.Compare(b.Dot, a.Dot)
	}
	return cmp.Compare(s.snap.record(a.Slot).item.ID, s.snap.record(b.Slot).item.ID)
}

// group returns the text that makes a slot part of a group. An item without a
// text in the field is a group of its own.
func (s *search) group(slot uint32) (string, bool) {
	v, ok := s.snap.record(slot).item.Field(s.groupBy)
	return v.Text, ok && v.Type == filter.String
}

// opensGroup says whether a slot is the first of its group, and notes the group.
func (s *search) opensGroup(slot uint32, seen map[string]bool) bool {
	text, ok := s.group(slot)
	if !ok {
		return true
	}
	if seen[text] {
		return false
	}
	seen[text] = true
	return true
}

// dropSeen takes what one round saw, and all else in the same groups, out of
// what is allowed.
func (s *search) dropSeen(ctx context.Context, hits []scan.Hit, texts map[string]bool) error {
	if err := s.dropItems(ctx, hits); err != nil {
		return err
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
		s.snap.addViews(i, members)
		slotSet(s.allowed[words*i : words*(i+1)]).andNot(members)
	})
}
