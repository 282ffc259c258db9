// Package keys keeps the API keys of a server: who may call, for what, until
// when. Keys are random and shown once; only their SHA-256 is kept, in a SQLite
// file of the data folder (Database), or as lines of a file that is mounted
// read-only (File). A server looks keys up in a Ring, which follows both.
//
// The hash is a plain SHA-256 and not one that is slow on purpose. Slow hashes
// protect secrets that can be guessed, such as passwords; a key has 178 random
// bits, which nobody tries out at any speed, and it is hashed for each request.
package keys

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Errors of looking a key up. All of them but ErrMalformed are told to whoever
// holds the whole key, so they give nothing away.
var (
	ErrMalformed = errors.New("this is no key of Sightline: a character is wrong or missing")
	ErrUnknown   = errors.New("this key is unknown here")
	ErrExpired   = errors.New("this key has expired")
	ErrRevoked   = errors.New("this key was revoked")
)

// Scopes are what a key is good for. None includes another.
type Scopes uint8

// The scopes.
const (
	Search Scopes = 1 << iota // searches, items, their pictures
	Write                     // changes of the catalogue, jobs, events; items too, to read what is to be changed
	Admin                     // numbers about the process
)

const allScopes = Search | Write | Admin

func scopeNames() []string { return []string{"search", "write", "admin"} }

// ParseScopes reads names separated by commas. There must be at least one.
func ParseScopes(text string) (Scopes, error) {
	var s Scopes
	for name := range strings.SplitSeq(text, ",") {
		bit, err := scopeOf(strings.TrimSpace(name))
		if err != nil {
			return 0, err
		}
		s |= bit
	}
	return s, nil
}

func scopeOf(name string) (Scopes, error) {
	for i, known := range scopeNames() {
		if name == known {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("there is no scope %q: use %s", name, strings.Join(scopeNames(), ", "))
}

// Names of the scopes, in a fixed order.
func (s Scopes) Names() []string {
	names := make([]string, 0, bits.OnesCount8(uint8(s)))
	for i, name := range scopeNames() {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String joins the names with commas.
func (s Scopes) String() string { return strings.Join(s.Names(), ",") }

// Key is what is known of one key. It is enough to check the key and not
// enough to use it. Times are whole seconds; zero ones mean never.
type Key struct {
	ID       string // in logs, and for revoking: the first digits of the hash
	Name     string // whose it is, for people
	Scopes   Scopes
	Created  time.Time
	Expires  time.Time
	Revoked  time.Time
	LastUsed time.Time // to some minutes, and of keys in a Database only

	hash, session digest
}

// usable says why a key is of no use at a time.
func (k *Key) usable(now time.Time) error {
	switch {
	case !k.Revoked.IsZero():
		return ErrRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return ErrExpired
	}
	return nil
}

// State is "active", "expired" or "revoked" at a time.
func (k *Key) State(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case k.usable(now) != nil:
		return "expired"
	}
	return "active"
}

const maxName = 100 // characters

// checkName keeps names to what a log line and a table can show.
func checkName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("a key needs a name that says whose it is")
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("the name must be text of at most %d characters", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the name must not contain control characters")
	}
	return nil
}

// check holds a key that is made or read to what keys are.
func (k *Key) check() error {
	switch err := checkName(k.Name); {
	case err != nil:
		return err
	case k.Scopes == 0 || k.Scopes&^allScopes != 0:
		return fmt.Errorf("a key needs scopes, of %s", strings.Join(scopeNames(), ", "))
	case !k.Expires.IsZero() && !k.Expires.After(k.Created):
		return errors.New("the key would have expired before it was made")
	}
	for _, at := range []time.Time{k.Created, k.Expires, k.Revoked} {
		if !at.IsZero() && (at.Year() < 1970 || at.Year() > 9999) { // others cannot be written as JSON, or not be told from zero
			return fmt.Errorf("the year %d is no time of a key", at.Year())
		}
	}
	return nil
}
