package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
)

// newKey makes a key with the command and returns the key and its id.
func newKey(t *testing.T, args ...string) (key, id string) {
	t.Helper()
	out, errs, code := searchd(t, nil, append([]string{"key", "create", "--json"}, args...)...)
	var made struct{ Key, ID string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != cli.ExitOK || made.Key == "" {
		t.Fatalf("exit code %d, %v: %s", code, err, errs)
	}
	return made.Key, made.ID
}

func TestKeyCommands(t *testing.T) {
	dir := t.TempDir()
	for name, place := range map[string][]string{
		"data folder": {"--data", filepath.Join(dir, "data")}, "file": {"--keys", filepath.Join(dir, "keys.jsonl")},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := searchd(t, nil, append([]string{"key", "create", "--name", "shop", "--scopes", "search,write", "--expires", "90d"}, place...)...)
			if code != cli.ExitOK || !regexp.MustCompile(`^sl_[0-9A-Za-z]{36}\n$`).MatchString(out) || !strings.Contains(errs, "of shop, for search,write, until 20") {
				t.Fatalf("exit code %d, %q, %q", code, out, errs)
			}
			_, id := newKey(t, append([]string{"--name", "feed"}, place...)...)
			out, errs, code = searchd(t, nil, append([]string{"key", "revoke", id}, place...)...)
			if code != cli.ExitOK || out != id+" is revoked\n" {
				t.Errorf("exit code %d, %q, %q", code, out, errs)
			}
			out, _, code = searchd(t, nil, append([]string{"key", "list", "--json"}, place...)...)
			var list struct {
				Keys []struct {
					ID, Name, State, Key string
					Scopes               []string
					Created              time.Time `json:"created_at"`
					Expires              time.Time `json:"expires_at"`
				}
			}
			if err := json.Unmarshal([]byte(out), &list); err != nil || code != cli.ExitOK || len(list.Keys) != 2 {
				t.Fatalf("exit code %d, %v: %s", code, err, out)
			}
			for _, k := range list.Keys {
				want := map[string]string{"shop": "active", "feed": "revoked"}[k.Name]
				days := k.Expires.Sub(k.Created).Hours() / 24
				if k.State != want || k.Key != "" || k.Name == "shop" && (days < 89.9 || days > 90.1 || strings.Join(k.Scopes, ",") != "search,write") {
					t.Errorf("%+v", k)
				}
			}
			out, _, _ = searchd(t, nil, append([]string{"key", "list"}, place...)...)
			if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "ID ") || strings.Contains(out, "sl_") {
				t.Errorf("%s", out)
			}
		})
	}
}

func TestKeyRefusals(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	key, _ := newKey(t, "--name", "x", "--data", there)
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(dir, "absent")
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"all that is wrong": {[]string{"create", "--scopes", "all", "--expires", "soon"}, 2, []string{"--name", `"all"`, "--expires", "90d"}},
		"no days":           {[]string{"create", "--name", "x", "--expires", "0d"}, 2, []string{"--expires"}},
		"too long":          {[]string{"create", "--name", "x", "--expires", "99999999h"}, 2, []string{"--expires"}},
		"bad name":          {[]string{"create", "--name", "a\nb"}, 2, []string{"control characters"}},
		"broken file":       {[]string{"create", "--name", "x", "--keys", broken}, 1, []string{broken, "line 1"}},
		"revoke what":       {[]string{"revoke"}, 2, []string{"usage"}},
		"revoke nothing":    {[]string{"revoke", "0123456789ab"}, 1, []string{"no keys"}},
		"revoke unknown":    {[]string{"revoke", "0123456789ab", "--data", there}, 1, []string{"0123456789ab", "no key with this id", "searchd key list"}},
		"revoke by the key": {[]string{"revoke", key, "--data", there}, 2, []string{"by its id"}},
		"list no file":      {[]string{"list", "--keys", absent}, 1, []string{absent}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"key"}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--data") {
				args = append(args, "--data", absent)
			}
			out, errs, code := searchd(t, nil, args...)
			if code != c.code || out != "" || strings.Contains(errs, key) {
				t.Errorf("exit code %d, want %d: %s%s", code, c.code, out, errs)
			}
			for _, word := range c.want {
				if !strings.Contains(errs, word) {
					t.Errorf("%q does not say %q", errs, word)
				}
			}
		})
	}
	out, _, code := searchd(t, nil, "key", "list", "--json", "--data", absent)
	if code != cli.ExitOK || out != `{"keys":[]}`+"\n" {
		t.Errorf("exit code %d, %q", code, out)
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("looking made a data folder")
	}
}
