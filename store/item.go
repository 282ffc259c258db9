package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Item is one product or picture as the shop describes it. Its JSON is a line
// of a JSONL feed, the body of PUT /v1/items/{id} and the item of a hit.
type Item struct {
	ID           string         `json:"id"` // the shop's SKU, 1-128 bytes
	Title        string         `json:"title,omitempty"`
	Description  string         `json:"description,omitempty"`
	URL          string         `json:"url,omitempty"`    // product page: http, https or a path of the shop
	Image        string         `json:"image,omitempty"`  // where the picture came from: URL or path
	Images       []string       `json:"images,omitempty"` // where further pictures came from: URLs or paths
	Price        *float64       `json:"price,omitempty"`  // nil when unknown; in Currency
	Currency     string         `json:"currency,omitempty"`
	Availability string         `json:"availability,omitempty"`
	Brand        string         `json:"brand,omitempty"`
	Category     string         `json:"category,omitempty"`
	Color        string         `json:"color,omitempty"`
	GroupID      string         `json:"group_id,omitempty"`   // variants of one product share it
	Attributes   map[string]any `json:"attributes,omitempty"` // string | float64 | bool | []string
	Version      int64          `json:"version,omitempty"`    // an older one never overwrites a newer one; 0 when the shop has none
	UpdatedAt    time.Time      `json:"updated_at,omitzero"`
}

// Clone returns a copy that shares no memory with it that a caller can change.
func (it Item) Clone() Item {
	if it.Price != nil {
		price := *it.Price
		it.Price = &price
	}
	it.Images = slices.Clone(it.Images)
	it.Attributes = maps.Clone(it.Attributes)
	for name, value := range it.Attributes {
		if list, ok := value.([]string); ok {
			it.Attributes[name] = slices.Clone(list)
		}
	}
	return it
}

// ContentHash names everything that decides what the index holds for an item:
// its fields without Version and UpdatedAt, the model's fingerprint and the keys
// of its stored pictures, its own one first. Equal hashes mean that an import
// has nothing to do.
func (it Item) ContentHash(fingerprint string, pictures ...string) (string, error) {
	it.Version, it.UpdatedAt = 0, time.Time{}
	fields, err := json.Marshal(it) // encoding/json sorts map keys, so equal items give equal bytes
	if err != nil {
		return "", fmt.Errorf("hash item %q: %w", it.ID, err)
	}
	sum := sha256.New()
	for _, part := range append([]string{string(fields), fingerprint}, pictures...) {
		// The length in front keeps ("ab","c") and ("a","bc") apart.
		sum.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write([]byte(part))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Versions from firstTime to lastTime are times, in microseconds since 1970:
// the years 2001 to 2286. Shops that count have smaller ones, nanoseconds are
// greater.
const (
	firstTime int64 = 1e15
	lastTime  int64 = 1e16
)

// VersionAt is the version of a write that names none, made at a time over an
// item of the stored version. Where that is a time, as those of Shopify's
// webhooks, the write is as old as it is, so that a feed of half an hour ago
// does not undo what came since. Any other version stays, and the write wins.
func VersionAt(stored int64, at time.Time) int64 {
	if stored < firstTime || stored > lastTime {
		return stored
	}
	return at.UnixMicro()
}

// NewerThan says that the item is known to be of a later time than at: by a
// version that is a time, or by UpdatedAt.
func (it Item) NewerThan(at time.Time) bool {
	if v := it.Version; v >= firstTime && v <= lastTime && v > at.UnixMicro() {
		return true
	}
	return it.UpdatedAt.After(at)
}

// Dated is for an item without a version from a feed as of a time: the version
// with which it overwrites old. ok is false where old is of a later time, unless
// the item says of itself that it is no older: a shop's clock may be ahead.
func (it Item) Dated(old Item, at time.Time) (version int64, ok bool) {
	if old.NewerThan(at) && (it.UpdatedAt.IsZero() || it.UpdatedAt.Before(old.UpdatedAt)) {
		return 0, false
	}
	return max(old.Version, VersionAt(old.Version, at)), true
}

// field returns where the JSON field of that name is kept, nil for names that
// are not fields of an item and so belong to Attributes.
func (it *Item) field(name string) any {
	switch name {
	case "id":
		return &it.ID
	case "title":
		return &it.Title
	case "description":
		return &it.Description
	case "url":
		return &it.URL
	case "image":
		return &it.Image
	case "images":
		return &it.Images
	case "price":
		return &it.Price
	case "currency":
		return &it.Currency
	case "availability":
		return &it.Availability
	case "brand":
		return &it.Brand
	case "category":
		return &it.Category
	case "color":
		return &it.Color
	case "group_id":
		return &it.GroupID
	case "attributes":
		return &it.Attributes
	case "version":
		return &it.Version
	case "updated_at":
		return &it.UpdatedAt
	}
	return nil
}
