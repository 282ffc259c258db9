// Package change holds the words in which a write to the catalogue waits: the
// REST API and webhooks make Changes, the queue keeps them, workers do them.
package change

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sightline/store"
)

// Kind is the kind of the queue's jobs whose payload is a Change.
const Kind = "change"

// format grows when an older worker would misread a Change.
const format = 1

// Op says what a worker does.
type Op string

// The operations. Each may be done twice.
const (
	Put    Op = "put"    // Item becomes the whole item
	Patch  Op = "patch"  // Patch is laid over the stored item (RFC 7396)
	Delete Op = "delete" // the item goes, whatever it was
)

// Change is one write to one item.
type Change struct {
	Op    Op              `json:"op"`
	ID    string          `json:"id"`
	Item  *store.Item     `json:"item,omitempty"`  // of Put; its ID is ID
	Patch json.RawMessage `json:"patch,omitempty"` // of Patch: a JSON object without "id"
	// Images are the item's pictures, the main one first: http(s) addresses, or
	// Stored names of pictures that were uploaded. nil stands for Item.Image and
	// Item.Images, and for a Patch that names neither: the pictures as they are.
	Images []string `json:"images,omitempty"`
	// IfMatch is the ETag that the stored item must have, "*" for any; "" does
	// not ask. It is compared when the change is done, after all earlier ones.
	IfMatch string `json:"if_match,omitempty"`
	// AsOf, of a Put, is the time of the feed that the item comes from: what the
	// index holds of a later time is left alone (store.Item.Dated). Zero: the item
	// is as new as the change.
	AsOf time.Time `json:"as_of,omitzero"`
}

// storedPrefix is no scheme of an address.
const storedPrefix = "stored:"

// Stored names a picture that lies in the store of pictures under key.
func Stored(key string) string { return storedPrefix + key }

// StoredKey is the key of a picture that Stored names.
func StoredKey(image string) (key string, ok bool) { return strings.CutPrefix(image, storedPrefix) }

// Key is the queue's key of an item: its changes run one after the other.
func Key(id string) string { return "item/" + id }

// ETag names the content of an entry, as answers of the REST API do.
func ETag(e store.Entry) string { return `"` + e.ContentHash[:min(len(e.ContentHash), 32)] + `"` }

// envelope is a Change with its format.
type envelope struct {
	Format int `json:"format"`
	Change
}

// Encode returns the change as the payload of a job.
func (c Change) Encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(envelope{format, c})
	if err != nil {
		return nil, fmt.Errorf("encode change of %q: %w", c.ID, err)
	}
	return payload, nil
}

// Decode reads the payload of a job and checks that a worker can do it.
func Decode(payload []byte) (Change, error) {
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return Change{}, fmt.Errorf("read change: %w", err)
	}
	if e.Format != format {
		return Change{}, fmt.Errorf("read change: payload format %d, this program reads %d: update it", e.Format, format)
	}
	return e.Change, e.check()
}

func (c Change) check() error {
	switch {
	case c.ID == "":
		return errors.New("change: there is no id")
	case !slices.Contains([]Op{Put, Patch, Delete}, c.Op):
		return fmt.Errorf("change of %q: unknown operation %q", c.ID, c.Op)
	case c.Op == Put && (c.Item == nil || c.Item.ID != c.ID):
		return fmt.Errorf("change of %q: there is no item of that id", c.ID)
	case c.Op == Patch && len(c.Patch) == 0:
		return fmt.Errorf("change of %q: there is no patch", c.ID)
	case len(c.Images) > store.MaxViews+1:
		return fmt.Errorf("change of %q: %d pictures, at most %d are allowed", c.ID, len(c.Images), store.MaxViews+1)
	}
	return nil
}
