package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sightline/store"
)

// File keeps keys as lines of JSON, hashed, so that one file can be handed to
// many servers: a Secret of Kubernetes, a mounted folder. Servers only read it.
// Create and Revoke are for one program at a time.
type File struct{ Path string }

// maxFile bounds the file: MaxKeys lines with the longest names.
const maxFile = 8 << 20

// line is a key in the file. Empty lines and those that begin with # are passed over.
type line struct {
	ID      string    `json:"id"`
	Hash    string    `json:"hash"`    // SHA-256 of the key, in hex
	Session string    `json:"session"` // SHA-256 of its session value, in hex
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes"`
	Created time.Time `json:"created_at,omitzero"`
	Expires time.Time `json:"expires_at,omitzero"`
	Revoked time.Time `json:"revoked_at,omitzero"`
}

// ParseFile reads the text of a File. All its bad lines are named at once.
func ParseFile(data []byte) ([]Key, error) {
	var all []Key
	var problems []error
	seen := map[digest]int{}
	n := 0
	for text := range bytes.Lines(data) {
		n++
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		k, err := parseLine(text)
		if first, ok := seen[k.hash]; err == nil && ok {
			err = fmt.Errorf("the same key as line %d", first)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		seen[k.hash] = n
		all = append(all, k)
	}
	if len(all) > MaxKeys {
		problems = append(problems, ErrFull)
	}
	return all, errors.Join(problems...)
}

func parseLine(text []byte) (Key, error) {
	var l line
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return Key{}, fmt.Errorf("not a line that 'searchd key create --keys' wrote: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Key{}, errors.New("there is something after the closing brace: one key a line")
	}
	k := Key{Name: l.Name, Created: whole(l.Created), Expires: whole(l.Expires), Revoked: whole(l.Revoked)}
	if err := errors.Join(unhex(&k.hash, l.Hash, "hash"), unhex(&k.session, l.Session, "session")); err != nil {
		return Key{}, err
	}
	for _, name := range l.Scopes {
		bit, err := scopeOf(name)
		if err != nil {
			return Key{}, err
		}
		k.Scopes |= bit
	}
	if k.ID = k.hash.id(); l.ID != "" && l.ID != k.ID {
		return Key{}, fmt.Errorf("id %.20q does not belong to the hash, whose id is %s", l.ID, k.ID)
	}
	return k, k.check()
}

// whole cuts a time to seconds; one that was left out stays zero.
func whole(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

func unhex(d *digest, text, field string) error {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != sha256.Size {
		return fmt.Errorf("%s must be the 64 hex digits of a SHA-256", field)
	}
	copy(d[:], raw)
	return nil
}

func (k *Key) line() line {
	return line{
		ID: k.ID, Hash: hex.EncodeToString(k.hash[:]), Session: hex.EncodeToString(k.session[:]),
		Name: k.Name, Scopes: k.Scopes.Names(), Created: k.Created, Expires: k.Expires, Revoked: k.Revoked,
	}
}

// read returns the text; one that is larger than a File can be is refused.
func (f File) read() ([]byte, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("more than %d MB", maxFile>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read keys: %s: %w", f.Path, err)
	}
	return data, nil
}

// List returns the keys in the order of the lines.
func (f File) List(ctx context.Context) ([]Key, error) {
	list, _, err := f.look(ctx, nil)
	return list, err
}

// look lists the keys unless nothing has changed since mark. That is a hash of
// the text, because a Secret's files are swapped by links and times of files are
// coarse.
func (f File) look(_ context.Context, mark any) ([]Key, any, error) {
	data, err := f.read()
	if err != nil {
		return nil, mark, err
	}
	sum := digest(sha256.Sum256(data))
	if mark == sum {
		return nil, mark, nil
	}
	list, err := ParseFile(data)
	if err != nil {
		return nil, mark, fmt.Errorf("read keys: %s: %w", f.Path, err)
	}
	return list, sum, nil
}

// touch does nothing: servers only read the file.
func (File) touch(context.Context, map[string]int64) error { return nil }

// Close does nothing.
func (File) Close() error { return nil }

// Create adds a new key to the file, which it makes where there is none, and
// returns its secret, which is kept nowhere.
func (f File) Create(ctx context.Context, w Wanted) (Key, store.Secret, error) {
	all, err := f.List(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Key{}, "", err
	}
	if len(all) >= MaxKeys {
		return Key{}, "", ErrFull
	}
	k, secret, err := New(w, time.Now())
	if err != nil {
		return Key{}, "", err
	}
	return k, secret, f.write(append(all, k))
}

// Revoke ends a key for good, as Database.Revoke does.
func (f File) Revoke(ctx context.Context, id string) error {
	all, err := f.List(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].ID != id {
			continue
		}
		if all[i].Revoked.IsZero() {
			all[i].Revoked = whole(time.Now())
		}
		return f.write(all)
	}
	return ErrNoKey
}

// write replaces the file by one rename: a server that reads it meanwhile sees
// the old one or the new one.
func (f File) write(all []Key) (err error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	for i := range all {
		if err := enc.Encode(all[i].line()); err != nil {
			return fmt.Errorf("write keys: %w", err)
		}
	}
	temp, err := os.CreateTemp(filepath.Dir(f.Path), ".keys-*") // for its owner only
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write keys: %w", errors.Join(err, os.Remove(temp.Name())))
		}
	}()
	if _, err := temp.Write(text.Bytes()); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), f.Path)
}
