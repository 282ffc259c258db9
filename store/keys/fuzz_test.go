package keys_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"sightline/store/keys"
)

func FuzzParseFile(f *testing.F) {
	k := keys.File{Path: filepath.Join(f.TempDir(), "keys")}
	if _, _, err := k.Create(f.Context(), keys.Wanted{Name: "shop", Scopes: keys.Search | keys.Write, Expires: time.Now().Add(time.Hour)}); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(k.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := keys.ParseFile(data)
		if err != nil {
			return
		}
		for _, k := range all {
			if len(k.ID) != 12 || k.Scopes == 0 || k.Name == "" || k.Created.Year() > 9999 {
				t.Errorf("%+v was taken", k)
			}
			if _, err := json.Marshal(k); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzCheck: whatever is presented is refused or known, without a panic.
func FuzzCheck(f *testing.F) {
	_, secret, err := keys.New(keys.Wanted{Name: "shop", Scopes: keys.Search}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	d, err := keys.OpenDatabase(f.Context(), filepath.Join(f.TempDir(), "keys.db"))
	if err != nil {
		f.Fatal(err)
	}
	r, err := keys.OpenRing(f.Context(), d, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { r.Close(context.Background()) })
	f.Add(string(secret))
	f.Add(string(keys.Session(secret)))
	form := regexp.MustCompile(`^sl_[0-9A-Za-z]{36}$`)
	f.Fuzz(func(t *testing.T, text string) {
		if keys.Check(text) == nil && !form.MatchString(text) {
			t.Errorf("%q has the form of a key", text)
		}
		if _, err := r.Find(text); err == nil {
			t.Errorf("%q is a key", text)
		}
		if _, err := r.FindSession(text); err == nil {
			t.Errorf("%q is a session", text)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	d, err := keys.OpenDatabase(b.Context(), filepath.Join(b.TempDir(), "keys.db"))
	if err != nil {
		b.Fatal(err)
	}
	_, secret, err := d.Create(b.Context(), keys.Wanted{Name: "shop", Scopes: keys.Search})
	if err != nil {
		b.Fatal(err)
	}
	r, err := keys.OpenRing(b.Context(), d, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close(context.Background())
	session := string(keys.Session(secret))
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Find(string(secret)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("session", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.FindSession(session); err != nil {
				b.Fatal(err)
			}
		}
	})
}
