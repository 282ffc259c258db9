package feed

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"sightline/store"
)

// MaxImages bounds the pictures of one item; further ones are left out. Google
// takes 11 and Shopify 250, of which the first show the product.
const MaxImages = 20

// Record is one row of a feed.
type Record struct {
	Row   int        // place in the feed, from 1: a line of JSONL, a row of a table, an item of XML, a picture
	Where string     // the same for people: "line 12", "row 12", "item 3, line 40", "shoes/red.jpg"
	At    int64      // how much of the feed is read with this row, in Of's unit
	Of    int64      // size of the feed: bytes or pictures; 0 when not known
	Item  store.Item // not validated yet
	// Image is where the main picture is: a path below Root, a data: URL or an
	// address. Images are all of the item's pictures, Image first, without
	// repetition; readers other than this package's may leave it nil.
	Image  string
	Images []string
	Root   string // folder that pictures may be read from

	original original // of a row that could not be read
}

// Feed yields the rows of a catalogue in order, reading as it goes. An error
// that is a *Fault is one row's and comes with what is known of it; any other
// ends the feed. A Feed is ranged over once.
type Feed = iter.Seq2[Record, error]

// Stage names where an item failed.
type Stage string

// StageFeed is the stage of rows that cannot be read.
const StageFeed Stage = "feed"

// Fault is the failure of one item.
type Fault struct {
	Stage Stage
	Err   error
}

// Error says what to change, without naming the row.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Temporary tells whether the same item may well go in later without anybody
// changing anything: its server was slow, broken or not to be reached. A row
// that cannot be read and a picture that is none are not temporary.
func (f *Fault) Temporary() bool {
	cause, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](f.Err)
	return ok && cause.Temporary()
}

func faultf(format string, args ...any) *Fault {
	return &Fault{Stage: StageFeed, Err: fmt.Errorf(format, args...)}
}

// setImages gives the record its pictures: once each, MaxImages at most.
func (r *Record) setImages(images []string) {
	r.Images = nil
	for _, image := range images {
		if image != "" && len(r.Images) < MaxImages && !slices.Contains(r.Images, image) {
			r.Images = append(r.Images, image)
		}
	}
	if len(r.Images) > 0 {
		r.Image = r.Images[0]
	}
	r.setSources()
}

// setSources tells the item where its pictures came from. Those in data: URLs
// are kept in the picture store, never in the catalogue.
func (r *Record) setSources() {
	r.Item.Image, r.Item.Images = r.Image, nil
	if IsData(r.Image) {
		r.Item.Image = ""
	}
	for _, image := range r.Images[min(1, len(r.Images)):] {
		if !IsData(image) {
			r.Item.Images = append(r.Item.Images, image)
		}
	}
}

// IsData tells pictures that stand in the feed itself, as data: URLs.
func IsData(image string) bool {
	return len(image) >= 5 && strings.EqualFold(image[:5], "data:")
}

// IsAddress tells what is fetched from what is read.
func IsAddress(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}
