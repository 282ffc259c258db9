package keys_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/store"
	"sightline/store/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keeper is what both kinds of lists do for the command.
type keeper interface {
	keys.Source
	Create(ctx context.Context, w keys.Wanted) (keys.Key, store.Secret, error)
	List(ctx context.Context) ([]keys.Key, error)
	Revoke(ctx context.Context, id string) error
}

// keepers are a way to open each kind, again and again.
func keepers(t *testing.T) map[string]func() keeper {
	t.Helper()
	return keepersIn(t, t.TempDir())
}

func keepersIn(t *testing.T, dir string) map[string]func() keeper {
	t.Helper()
	return map[string]func() keeper{
		"database": func() keeper {
			d, err := keys.OpenDatabase(t.Context(), filepath.Join(dir, "data", keys.DatabaseFile))
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
		"file": func() keeper { return keys.File{Path: filepath.Join(dir, "keys.jsonl")} },
	}
}

func create(t *testing.T, k keeper, w keys.Wanted) (keys.Key, string) {
	t.Helper()
	key, secret, err := k.Create(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(secret)
}

func ring(t *testing.T, s keys.Source) *keys.Ring {
	t.Helper()
	r, err := keys.OpenRing(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// TestKeys: what is created in one program works in another one's ring, until it
// is revoked.
func TestKeys(t *testing.T) {
	for name, open := range keepers(t) {
		t.Run(name, func(t *testing.T) {
			k := open()
			first, one := create(t, k, keys.Wanted{Name: "shop <1>", Scopes: keys.Search})
			r := ring(t, open())
			got, err := r.Find(one)
			if err != nil || got.ID != first.ID || got.Name != "shop <1>" || got.Scopes != keys.Search {
				t.Fatalf("%+v, %v", got, err)
			}
			second, two := create(t, k, keys.Wanted{Name: "feed", Scopes: keys.Search | keys.Write, Expires: time.Now().Add(time.Hour)})
			eventually(t, "the new key", func() bool { _, err := r.Find(two); return err == nil })
			if r.Len() != 2 {
				t.Errorf("%d keys", r.Len())
			}
			if err := k.Revoke(t.Context(), first.ID); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the revocation", func() bool { _, err := r.Find(one); return errors.Is(err, keys.ErrRevoked) })
			if _, err := r.FindSession(string(keys.Session(store.Secret(one)))); !errors.Is(err, keys.ErrRevoked) {
				t.Errorf("session of a revoked key: %v", err)
			}
			listed(t, k, first, second)
			if err := k.Revoke(t.Context(), "0123456789ab"); !errors.Is(err, keys.ErrNoKey) {
				t.Errorf("revoking what is not there: %v", err)
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func listed(t *testing.T, k keeper, first, second keys.Key) {
	t.Helper()
	list, err := k.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%d keys, %v", len(list), err)
	}
	for _, got := range list {
		want := map[string]string{first.ID: "revoked", second.ID: "active"}[got.ID]
		if state := got.State(time.Now()); state != want {
			t.Errorf("%s is %s, want %s", got.Name, state, want)
		}
		if got.ID == second.ID && (!got.Expires.Equal(second.Expires) || !got.Created.Equal(second.Created) || got.Scopes.String() != "search,write") {
			t.Errorf("got %+v, want %+v", got, second)
		}
	}
	before := list[0].Revoked
	if err := k.Revoke(t.Context(), first.ID); err != nil {
		t.Errorf("revoking again: %v", err)
	}
	if list, err = k.List(t.Context()); err != nil || !list[0].Revoked.Equal(before) {
		t.Errorf("revoked at %s, then at %s: %v", before, list[0].Revoked, err)
	}
}

// TestNothingAtRest: neither list holds what is needed to use a key.
func TestNothingAtRest(t *testing.T) {
	dir := t.TempDir()
	for name, open := range keepersIn(t, dir) {
		t.Run(name, func(t *testing.T) {
			k := open()
			key, secret := create(t, k, keys.Wanted{Name: "shop", Scopes: keys.Search})
			session := string(keys.Session(store.Secret(secret)))
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			files := 0
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				files++
				data, err := os.ReadFile(path)
				for _, s := range []string{secret, secret[3:33], session, session[4:]} {
					if strings.Contains(string(data), s) {
						t.Errorf("%s holds the key or its session", path)
					}
				}
				if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s: %s", path, info.Mode())
				}
				return err
			})
			if err != nil || files == 0 {
				t.Errorf("%d files, %v", files, err)
			}
			for _, text := range []string{fmt.Sprintf("%+v", key), fmt.Sprintf("%v %q", store.Secret(secret), store.Secret(secret))} {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows the key", text)
				}
			}
		})
	}
}

func TestForm(t *testing.T) {
	form := regexp.MustCompile(`^sl_[0-9A-Za-z]{36}$`)
	seen := map[string]bool{}
	for range 200 {
		_, secret, err := keys.New(keys.Wanted{Name: "x", Scopes: keys.Admin}, time.Now())
		text := string(secret)
		if err != nil || !form.MatchString(text) || seen[text] || keys.Check(text) != nil {
			t.Fatalf("%v, %v", err, keys.Check(text))
		}
		seen[text] = true
		for i := range text { // any one character, and any two neighbours
			wrong := []byte(text)
			wrong[i] ^= 1
			if keys.Check(string(wrong)) == nil {
				t.Fatalf("a wrong character at %d is not noticed", i)
			}
			if i > 3 && text[i] != text[i-1] {
				wrong = []byte(text)
				wrong[i], wrong[i-1] = wrong[i-1], wrong[i]
				if keys.Check(string(wrong)) == nil {
					t.Fatalf("swapped characters at %d are not noticed", i)
				}
			}
		}
	}
}

func TestFindRefuses(t *testing.T) {
	d := keepers(t)["database"]()
	_, expired := create(t, d, keys.Wanted{Name: "late", Scopes: keys.Search, Expires: time.Now().Add(1100 * time.Millisecond)})
	_, other, err := keys.New(keys.Wanted{Name: "other", Scopes: keys.Search}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := ring(t, d)
	eventually(t, "the key to expire", func() bool { _, err := r.Find(expired); return errors.Is(err, keys.ErrExpired) })
	for text, want := range map[string]error{
		"": keys.ErrMalformed, "sl_": keys.ErrMalformed, expired[:38]: keys.ErrMalformed, expired + "x": keys.ErrMalformed,
		" " + expired[1:]: keys.ErrMalformed, string(other): keys.ErrUnknown, strings.ToUpper(expired): keys.ErrMalformed,
	} {
		if k, err := r.Find(text); !errors.Is(err, want) || k != nil {
			t.Errorf("%.5s… of %d bytes: %v, want %v", text, len(text), err, want)
		}
	}
	session := string(keys.Session(other))
	for text, want := range map[string]error{
		"": keys.ErrMalformed, session: keys.ErrUnknown, session[1:]: keys.ErrMalformed, string(other): keys.ErrMalformed,
		string(keys.Session(store.Secret(expired))): keys.ErrExpired,
	} {
		if k, err := r.FindSession(text); !errors.Is(err, want) || k != nil {
			t.Errorf("session %.5s…: %v, want %v", text, err, want)
		}
	}
}

// TestLastUsed: noted soon after the first use and when the ring closes.
func TestLastUsed(t *testing.T) {
	open := keepers(t)["database"]
	d := open()
	key, secret := create(t, d, keys.Wanted{Name: "shop", Scopes: keys.Search})
	r, err := keys.OpenRing(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Find(secret); err != nil {
		t.Fatal(err)
	}
	other := open()
	defer other.Close()
	eventually(t, "the use to be noted", func() bool {
		list, err := other.List(t.Context())
		return err == nil && list[0].ID == key.ID && time.Since(list[0].LastUsed) < time.Hour
	})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Find(secret); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestWanted(t *testing.T) {
	now := time.Now()
	for _, w := range []keys.Wanted{
		{},
		{Name: "x"},
		{Scopes: keys.Search},
		{Name: " ", Scopes: keys.Search},
		{Name: "a\nb", Scopes: keys.Search},
		{Name: "x", Scopes: 8},
		{Name: strings.Repeat("é", 101), Scopes: keys.Search},
		{Name: "\xff", Scopes: keys.Search},
		{Name: "x", Scopes: keys.Search, Expires: now.Add(-time.Hour)},
	} {
		if _, secret, err := keys.New(w, now); err == nil || secret != "" {
			t.Errorf("%+v was taken", w)
		}
	}
	if _, _, err := keys.New(keys.Wanted{Name: strings.Repeat("é", 100), Scopes: keys.Search}, now); err != nil {
		t.Error(err)
	}
}

func TestParseScopes(t *testing.T) {
	for text, want := range map[string]keys.Scopes{
		"search": keys.Search, "write, search": keys.Search | keys.Write, "admin,admin": keys.Admin,
	} {
		if got, err := keys.ParseScopes(text); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "Search", "search,", "all", "search write"} {
		if got, err := keys.ParseScopes(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// TestBrokenFile: a ring keeps what it read last and says that it is out of date.
func TestBrokenFile(t *testing.T) {
	f := keys.File{Path: filepath.Join(t.TempDir(), "keys.jsonl")}
	if _, err := keys.OpenRing(t.Context(), f, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	_, secret := create(t, f, keys.Wanted{Name: "shop", Scopes: keys.Search})
	logged := make(chan string, 10)
	r, err := keys.OpenRing(t.Context(), f, slog.New(slog.NewTextHandler(lines(logged), nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	if err := os.WriteFile(f.Path, []byte("{\n\n# note\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if line := <-logged; !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "line 1") || !strings.Contains(line, "line 4") {
		t.Errorf("logged %s", line)
	}
	if _, err := r.Find(secret); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(f.Path, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mended file", func() bool { _, err := r.Find(secret); return errors.Is(err, keys.ErrUnknown) })
}

type lines chan<- string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestForeignDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := os.WriteFile(path, []byte("this is no database, but a letter to a friend, who waits for it"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := keys.OpenDatabase(t.Context(), path); err == nil {
		d.Close()
		t.Error("a foreign file was opened")
	}
}
