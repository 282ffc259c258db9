package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"sightline/demo/catalogue"
)

// shop is a rendered catalogue, with what its pictures show.
type shop struct {
	dir      string
	world    *catalogue.World
	pictures []catalogue.Picture
	records  map[string]catalogue.Record // by picture
	families map[int][]string
}

func openShop(dir string) (*shop, error) {
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w: make it with go run ./demo/render --out %s", err, dir)
	}
	var m struct {
		Split catalogue.Split
		Seed  uint64
		N     int
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	s := &shop{dir: dir, world: catalogue.NewWorld(), records: map[string]catalogue.Record{}, families: map[int][]string{}}
	s.pictures = s.world.Plan(m.Split, m.N, m.Seed)
	for _, p := range s.pictures {
		s.records[p.ID] = p.Record
		s.families[p.Family] = append(s.families[p.Family], p.ID)
	}
	return s, nil
}

// products are the shop's items, as the feed has them.
func (s *shop) products() []catalogue.Product {
	out := make([]catalogue.Product, len(s.pictures))
	for i, p := range s.pictures {
		out[i] = s.world.Product(p)
	}
	return out
}

func writeLines[T any](path string, rows []T) error {
	var b bytes.Buffer
	for _, r := range rows {
		if err := json.NewEncoder(&b).Encode(r); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// eachLine reads JSON lines.
func eachLine[T any](path string, do func(T)) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		do(v)
	}
	return lines.Err()
}
