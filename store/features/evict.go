package features

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"sightline/store/internal/folder"
)

// mostLive is how many bytes of records that count fit the budget; 0 when
// there is none.
func (s *Store) mostLive() int64 { return s.options.Budget / 5 * 4 }

// evictAtOnce bounds how long readers wait for evictions: about 0.1 ms.
const evictAtOnce = 256

// evict drops the pictures used least recently until the rest fits the budget.
// s.appending is held. A disk too full for the tombstones does not matter: what
// comes back with the next Open is dropped again, by its budget.
func (s *Store) evict() {
	most := s.mostLive()
	if most == 0 {
		return
	}
	for n := evictAtOnce; n == evictAtOnce; {
		s.mu.Lock()
		for n = 0; n < evictAtOnce && s.index.live > most; n++ {
			k := s.index.oldest.key
			s.index.drop(k)
			s.owed = append(s.owed, k)
		}
		s.mu.Unlock()
		s.evictions.Add(int64(n))
	}
	if len(s.owed) > 0 {
		_ = s.pay()
		s.nudge()
	}
}

// The order of last use is kept in the file "use" from Close to Open: useMagic,
// CRC-32C of what follows, then the short keys, most recent first. After a
// crash pictures stored since the last Close count as more recent than those,
// and their order among each other is that of the segments. It decides what
// goes first, nothing else. It is not written while others read, for walking
// through a million pictures takes longer than they should wait.
const useMagic = "SLFUSE\x00\x01"

func usePath(dir string) string { return filepath.Join(dir, "use") }

func (s *Store) saveUse() error {
	if s.options.Budget == 0 {
		return nil
	}
	s.mu.Lock()
	out := make([]byte, len(useMagic)+4, len(useMagic)+4+8*len(s.index.entries))
	for e := s.index.newest; e != nil; e = e.older {
		out = binary.LittleEndian.AppendUint64(out, e.key.short())
	}
	s.mu.Unlock()
	copy(out, useMagic)
	binary.LittleEndian.PutUint32(out[len(useMagic):], crc32.Checksum(out[len(useMagic)+4:], castagnoli()))
	return outOfSpace(folder.WriteFile(s.dir, usePath(s.dir), out))
}

// loadUse brings the index into the order of the file. A damaged or missing
// one leaves the order of the segments.
func (s *Store) loadUse() error {
	data, err := os.ReadFile(usePath(s.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read order of use: %w", err)
	}
	order, ok := parseUse(data)
	if !ok {
		return nil
	}
	entries := make(map[uint64]*entry, len(s.index.entries))
	for k, e := range s.index.entries {
		entries[k.short()] = e
	}
	for _, short := range order {
		if e, ok := entries[short]; ok {
			s.index.age(e)
		}
	}
	return nil
}

func parseUse(data []byte) ([]uint64, bool) {
	const head = len(useMagic) + 4
	if len(data) < head || string(data[:len(useMagic)]) != useMagic || len(data)%8 != head%8 ||
		binary.LittleEndian.Uint32(data[len(useMagic):]) != crc32.Checksum(data[head:], castagnoli()) {
		return nil, false
	}
	order := make([]uint64, 0, (len(data)-head)/8)
	for at := head; at < len(data); at += 8 {
		order = append(order, binary.LittleEndian.Uint64(data[at:]))
	}
	return order, true
}
