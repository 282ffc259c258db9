package features

// Stats are the numbers of a Store. The counters begin with Open.
type Stats struct {
	Pictures int
	Live     int64 // bytes of the records of these pictures
	Dead     int64 // other bytes of the files: dropped records, tombstones, damage
	Segments int
	Budget   int64 // bytes that Live and Dead together should stay below; 0 for no bound

	Hits      int64 // Get that returned a record
	Misses    int64 // Get of a picture without one
	Damaged   int64 // records found not to be what was written, and forgotten
	Evictions int64 // pictures dropped for the budget
	Reclaimed int64 // bytes given back by compaction
}

// Stats returns the numbers of now.
func (s *Store) Stats() Stats {
	out := Stats{
		Budget: s.options.Budget,
		Hits:   s.hits.Load(), Misses: s.misses.Load(), Damaged: s.damaged.Load(),
		Evictions: s.evictions.Load(), Reclaimed: s.reclaimed.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Pictures, out.Live, out.Segments = len(s.index.entries), s.index.live, len(s.segments)
	for _, g := range s.segments {
		out.Dead += g.size
	}
	out.Dead -= out.Live
	return out
}
