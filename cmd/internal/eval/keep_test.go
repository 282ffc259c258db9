package eval

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sightline/api"
)

func saved(at time.Time) Saved {
	return Saved{Time: at, Items: 2000, File: "queries.jsonl", Report: Report{Queries: 50, Model: "f00d", Rows: []Row{{Depth: 20, Quality: Quality{R1: 0.9}, P50: 12}}}}
}

func TestKept(t *testing.T) {
	data := t.TempDir()
	k := KeptIn(data)
	if all, err := k.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("before any was made: %v, %v", all, err)
	}
	begin := time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC)
	for i := range keptMost + 3 {
		if name, err := k.Save(saved(begin.Add(time.Duration(i) * time.Second))); err != nil || !keptNames.MatchString(name) {
			t.Fatalf("%q, %v", name, err)
		}
	}
	other := filepath.Join(data, keptDir, "notes.json")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := k.List(t.Context())
	if err != nil || len(all) != keptMost {
		t.Fatalf("%d evaluations, %v", len(all), err)
	}
	newest := all[0]
	if newest.Time != begin.Add((keptMost+2)*time.Second) || newest.Items != 2000 || newest.Queries != 50 || newest.Model != "f00d" || newest.File != "queries.jsonl" {
		t.Errorf("the newest is %+v", newest)
	}
	body, err := k.Get(t.Context(), newest.Name)
	var got Saved
	if err := errors.Join(err, json.Unmarshal(body, &got)); err != nil || len(got.Rows) != 1 || got.Rows[0].R1 != 0.9 || got.Rows[0].P50 != 12 {
		t.Errorf("%s, %v", body, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a file that is not ours: %v", err)
	}
}

func TestKeptRefuses(t *testing.T) {
	data := t.TempDir()
	k := KeptIn(data)
	name, err := k.Save(saved(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(data, "secret.json")
	broken, linked := "20260101T000000.000Z", "20260102T000000.000Z"
	for _, err := range []error{
		os.WriteFile(secret, []byte(`{"queries": 1}`), 0o600),
		os.WriteFile(k.path(broken), []byte(`{"queries`), 0o600),
		os.Symlink(secret, k.path(linked)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, wrong := range []string{"", ".", "..", "../secret", "secret", name + ".json", "x/" + name, name + "\x00", "20990101T000000.000Z"} {
		if body, err := k.Get(t.Context(), wrong); !errors.Is(err, api.ErrNoEvaluation) {
			t.Errorf("%q: %s, %v", wrong, body, err)
		}
	}
	for _, wrong := range []string{broken, linked} {
		if body, err := k.Get(t.Context(), wrong); err == nil || body != nil {
			t.Errorf("%q: %s, %v", wrong, body, err)
		}
	}
	if all, err := k.List(t.Context()); err != nil || len(all) != 1 || all[0].Name != name {
		t.Errorf("%v, %v", all, err)
	}
	large := saved(time.Now())
	large.File = strings.Repeat("x", keptBytes)
	if _, err := k.Save(large); err == nil {
		t.Error("a report of more than the bound was kept")
	}
}
