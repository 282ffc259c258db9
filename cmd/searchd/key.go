package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/store"
	"sightline/store/keys"
)

func keyCommand(environ []string, s cli.Streams) *cobra.Command {
	root := cli.Group(&cobra.Command{
		Use: "key", Short: "Make, list and revoke API keys",
		Long: `Make, list and revoke the API keys that searchd asks for.

They are kept in the data folder, or with --keys in a file that can be handed to
several servers, a Secret of Kubernetes for instance. Only hashes are kept: a key
is shown once, when it is made. A searchd that runs takes up changes within a
second.`,
		Example: `  searchd key create --name shop --scopes search
  searchd key list
  searchd key revoke 3f9a0c1d2e4b`,
	})
	create := &cobra.Command{
		Use: "create", Short: "Make a key and print it",
		Long: `Make a key and print it, alone on the standard output. What it is for:

  search   searches, items, their pictures
  write    changes of the catalogue, jobs, events; and reading items
  admin    /metrics`,
		Example: `  searchd key create --name shop --scopes search
  searchd key create --name feed --scopes search,write --expires 90d --json
  searchd key create --name pods --scopes search --keys ./keys.jsonl`,
		Args: cli.Args(cobra.NoArgs), RunE: cli.Do(environ, s, createKey),
	}
	create.Flags().String("name", "", "whose the key is, for people and logs")
	create.Flags().String("scopes", "search", "what the key is for: search, write, admin, separated by commas")
	create.Flags().String("expires", "", "when it ends: 90d, 12h (default: never)")
	list := &cobra.Command{
		Use: "list", Short: "List the keys, without what is needed to use them",
		Example: "  searchd key list --data ./sightline-data\n  searchd key list --json",
		Args:    cli.Args(cobra.NoArgs), RunE: cli.Do(environ, s, listKeys),
	}
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a key for good",
		Example: "  searchd key revoke 3f9a0c1d2e4b",
		Args:    cli.Args(cobra.ExactArgs(1)), RunE: cli.Do(environ, s, revokeKey),
	}
	for _, c := range []*cobra.Command{create, list, revoke} {
		c.Flags().String("data", "./sightline-data", "data folder, which holds the keys")
		c.Flags().String("keys", "", keysUsage)
		c.Flags().Bool("json", false, "print one JSON object")
	}
	root.AddCommand(create, list, revoke)
	return root
}

const keysUsage = "file of keys, hashed, in place of those in the data folder"

// keyring is where keys are kept.
type keyring interface {
	keys.Source
	Create(ctx context.Context, w keys.Wanted) (keys.Key, store.Secret, error)
	List(ctx context.Context) ([]keys.Key, error)
	Revoke(ctx context.Context, id string) error
}

func keyPlace(s cli.Settings) string {
	if s.Keys != "" {
		return s.Keys
	}
	return filepath.Join(s.Data, keys.DatabaseFile)
}

func openKeyring(ctx context.Context, s cli.Settings) (keyring, error) {
	if s.Keys != "" {
		return keys.File{Path: s.Keys}, nil
	}
	return keys.OpenDatabase(ctx, keyPlace(s))
}

// withKeys does something with the keys that are there; looking makes no list.
func withKeys(ctx context.Context, s cli.Settings, do func(keyring) error) error {
	if _, err := os.Stat(keyPlace(s)); err != nil {
		return fmt.Errorf("there are no keys: %w; 'searchd key create' makes one", err)
	}
	k, err := openKeyring(ctx, s)
	if err != nil {
		return err
	}
	return errors.Join(do(k), k.Close())
}

// keyLine is a key as the commands print it. Key is its secret, once.
type keyLine struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Scopes   []string     `json:"scopes"`
	State    string       `json:"state"`
	Created  time.Time    `json:"created_at"`
	Expires  time.Time    `json:"expires_at,omitzero"`
	Revoked  time.Time    `json:"revoked_at,omitzero"`
	LastUsed time.Time    `json:"last_used_at,omitzero"`
	Key      secretOnPage `json:"key,omitempty"`
}

// secretOnPage is a secret that its owner is to see.
type secretOnPage string

func lineOf(k keys.Key) keyLine {
	return keyLine{
		ID: k.ID, Name: k.Name, Scopes: k.Scopes.Names(), State: k.State(time.Now()),
		Created: k.Created, Expires: k.Expires, Revoked: k.Revoked, LastUsed: k.LastUsed,
	}
}

func createKey(ctx context.Context, e cli.Env, _ []string) error {
	scopes, scopeErr := keys.ParseScopes(e.Scopes)
	expires, expiresErr := expiry(e.Expires, time.Now())
	wanted := keys.Wanted{Name: e.Name, Scopes: scopes, Expires: expires}
	if err := cli.Problems(nameProblem(e.Name), prefixed("--scopes", scopeErr), expiresErr); err != nil {
		return err
	}
	if err := wanted.Check(time.Now()); err != nil {
		return cli.Usage(err)
	}
	k, err := openKeyring(ctx, e.Settings)
	if err != nil {
		return err
	}
	key, secret, err := k.Create(ctx, wanted)
	if err := errors.Join(err, k.Close()); err != nil {
		return err
	}
	if e.JSON {
		line := lineOf(key)
		line.Key = secretOnPage(secret)
		return cli.PrintJSON(e.Out, line)
	}
	fmt.Fprintf(e.Err, "Key %s of %s, for %s, %s. It is shown this once:\n", key.ID, key.Name, key.Scopes, until(key.Expires))
	_, err = fmt.Fprintln(e.Out, string(secret))
	return err
}

func nameProblem(name string) error {
	return wrong(name == "", "--name is needed: whose the key is")
}

func until(t time.Time) string {
	if t.IsZero() {
		return "without end"
	}
	return "until " + t.Format(time.RFC3339)
}

func prefixed(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flag, err)
}

const longestKey = 100 * 365 // days

// expiry reads days (90d) or what Go reads as a duration.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := time.ParseDuration(text)
	if number, ok := strings.CutSuffix(text, "d"); ok {
		var days uint64
		days, err = strconv.ParseUint(number, 10, 16)
		d = time.Duration(days) * 24 * time.Hour
	}
	if err != nil || d < time.Second || d > longestKey*24*time.Hour {
		return time.Time{}, fmt.Errorf("--expires %q: use a time such as 90d or 12h", text)
	}
	return now.Add(d), nil
}

func listKeys(ctx context.Context, e cli.Env, _ []string) error {
	all := []keyLine{}
	err := withKeys(ctx, e.Settings, func(k keyring) error {
		list, err := k.List(ctx)
		for _, key := range list {
			all = append(all, lineOf(key))
		}
		return err
	})
	if err != nil && (e.Keys != "" || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if e.JSON {
		return cli.PrintJSON(e.Out, map[string]any{"keys": all})
	}
	w := tabwriter.NewWriter(e.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSCOPES\tSTATE\tCREATED\tEXPIRES\tLAST USED")
	for _, k := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			k.ID, k.Name, strings.Join(k.Scopes, ","), k.State, shown(k.Created), shown(k.Expires), shown(k.LastUsed))
	}
	return w.Flush()
}

func shown(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02 15:04")
}

func revokeKey(ctx context.Context, e cli.Env, args []string) error {
	id := args[0]
	if keys.Check(id) == nil {
		return cli.Usagef("that is a key itself: name it by its id, from 'searchd key list', and take it out of your shell's history")
	}
	err := withKeys(ctx, e.Settings, func(k keyring) error { return k.Revoke(ctx, id) })
	if err != nil {
		return fmt.Errorf("revoke %q: %w; 'searchd key list' names those there are", id, err)
	}
	if e.JSON {
		return cli.PrintJSON(e.Out, map[string]string{"id": id, "state": "revoked"})
	}
	_, err = fmt.Fprintf(e.Out, "%s is revoked\n", id)
	return err
}

// keyFlags are those that serving needs of keys.
func keyFlags(fs *pflag.FlagSet) {
	fs.Bool("require-keys", false, "ask for API keys on loopback too; beyond it they are asked for in any case")
	fs.String("keys", "", keysUsage+"; asks for keys on loopback too")
}
