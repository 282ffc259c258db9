package store

import (
	"context"

	"sightline/store/filter"
)

// MaxViews bounds Entry.Views. Google and Shopify send at most 20 pictures of
// one product that a shopper would look at.
const MaxViews = 19

// Entry is what an index keeps for one item.
type Entry struct {
	Item        Item
	Picture     string    // sha256 hex of the stored picture; "" when there is none
	Embedding   []float32 // unit length, [Stats.Dim]
	Views       []View    // further pictures; at most MaxViews, each picture once; nil for none
	ContentHash string    // Item.ContentHash at the time of writing
}

// View is a further picture of an item: the back, a detail, the thing in use.
type View struct {
	Picture   string    // sha256 hex of the stored picture
	Embedding []float32 // unit length, [Stats.Dim]
}

// Query asks for the K entries after the first Offset that have a picture whose
// embedding has the largest dot product with Embedding, among those that Filter
// and Exclude leave.
type Query struct {
	Embedding []float32 // unit length, [Stats.Dim]
	K         int       // at least 1; K + Offset at most MaxWindow
	Offset    int
	Exclude   []string    // ids that must not appear; at most MaxWindow
	Filter    filter.Expr // what every hit must match; nil for all
	// GroupBy names a field as in a filter's tree. Items with equal texts there
	// are one group, of which only the best hit stands; K and Offset then count
	// groups. Items without the field, or with a value that is not a text, stand
	// for themselves. "" for no groups.
	GroupBy string
}

// Hit is one found item. ITC is the cosine of the query and the nearest of the
// item's pictures, -1 to 1 up to rounding. Hits come best first; equal cosines
// are ordered by id.
type Hit struct {
	Item    Item
	Picture string // the nearest one; of equally near ones the first
	View    int    // which one that is: 0 for Entry.Picture, i for Entry.Views[i-1]
	ITC     float64
}

// Stats describes an index.
type Stats struct {
	Items       int
	Dim         int    // of the embeddings
	Fingerprint string // of the model that made them
	// Generation grows with every change that a search can see, across restarts
	// too. Whether the changes of other processes show in it, the implementation
	// says.
	Generation uint64
}

// Index holds a catalogue's entries and finds the nearest ones.
// store/storetest checks every rule given here.
//
// All methods may be called at the same time. Search, Count, Facets, Numbers and
// Scan see each write entirely or not at all; an implementation says where one of
// several steps may see writes in between. A filter means what filter.Match says
// of Item.Field; nil matches every item. Values returned belong to the caller; values
// passed in may be reused after the call. After Close every method but Close
// returns ErrClosed. A cancelled context ends a call with its error; a write
// that has begun may first come to its end.
type Index interface {
	// Upsert inserts or replaces entries by id: all of them, durably, or none
	// and an error, for as many entries as the implementation says. Of more, some
	// may be written before an error, and it may be open whether the last ones
	// were; repeating the call makes up for both. Entries are checked first (Entry.Validate); an error of
	// that kind wraps ErrInvalid. An entry whose Item.Version is below the
	// stored one, or below that of the deleted item, is skipped without an
	// error; an equal or newer one is written, so that repeating a call is
	// harmless and shops without versions (all 0) always get their last write.
	// Within one call the same rule applies in order.
	Upsert(ctx context.Context, entries []Entry) error
	// Delete removes ids and returns how many there were. It remembers the
	// deleted versions (tombstones), so that a late write of an older version
	// does not bring an item back.
	Delete(ctx context.Context, ids []string) (int, error)
	// DeleteWhere is Delete of all items that match at one moment. A nil filter
	// is refused with ErrInvalid, since a forgotten one must not empty the
	// catalogue; "id EXISTS" matches every item.
	DeleteWhere(ctx context.Context, e filter.Expr) (int, error)
	// Get returns entries in the order of ids; unknown ids are left out.
	Get(ctx context.Context, ids []string) ([]Entry, error)
	// Search is exact unless the implementation says otherwise. Fewer than K
	// hits mean that there are no more: the filter is applied before the K best
	// are chosen, not after.
	Search(ctx context.Context, q Query) ([]Hit, error)
	// Count returns how many items match.
	Count(ctx context.Context, e filter.Expr) (int, error)
	// Facets returns for each of fields, named as in a filter's tree and at most
	// 64, the limit most frequent values among the items that match, most
	// frequent first. Equal counts are ordered by value: false, true, then texts
	// byte by byte. Texts, bools and the texts of lists are counted, each text
	// of a list once; numbers and missing fields are not. Fixed fields that are
	// not texts, unknown names and a limit not within 1 to MaxWindow are refused
	// with ErrInvalid. A field without values has an empty list.
	Facets(ctx context.Context, e filter.Expr, fields []string, limit int) (map[string][]FacetCount, error)
	// Numbers describes the numbers that the items that match have in a field,
	// named as in a filter's tree: price or an attribute, of which values of
	// other types are passed over. At most 128 ranges are counted. Other fields,
	// and ranges that are empty or no ranges, are refused with ErrInvalid.
	Numbers(ctx context.Context, e filter.Expr, field string, ranges []Range) (Numbers, error)
	// Scan returns the first limit entries, 1 to MaxWindow, that match and whose
	// ids come after the given one, in the order of ids byte by byte. Starting
	// with "" and going on with the last id of each page, until a page has fewer
	// than limit, visits every entry that is there throughout exactly once; each
	// page sees the catalogue of its own time.
	Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]Entry, error)
	// Stats describes the index as of the last finished write.
	Stats(ctx context.Context) (Stats, error)
	// Close waits for a running write and releases everything. Closing twice
	// is harmless.
	Close() error
}
