package feed

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// Format names how a feed is written.
type Format string

// The formats of feeds. Auto finds out by content; for a folder, and for files
// named .jsonl or .ndjson, by what they are.
const (
	Auto       Format = "auto"
	JSONL      Format = "jsonl"
	CSV        Format = "csv"
	TSV        Format = "tsv"
	GoogleXML  Format = "google-xml"
	ShopifyCSV Format = "shopify-csv"
	Pictures   Format = "folder"
)

// Opener opens an address. Size is that of the body in bytes, 0 or less when
// not known.
type Opener interface {
	Open(ctx context.Context, address string) (body io.ReadCloser, size int64, err error)
}

// Options say how a feed is read. The zero value reads what needs no telling.
type Options struct {
	Format Format // Auto when empty
	// Map gives columns, elements or top-level names of theirs another meaning
	// than the one that their name suggests: the name of an item's field,
	// "images", "attributes.NAME" or any other name for an attribute, "-" to
	// leave the column out. A type may follow: ":number", ":bool", ":list" or
	// ":text". ParseMap reads it.
	Map map[string]string
	// Encoding is that of the text, by its name on the Web ("windows-1252");
	// when empty it is found out.
	Encoding string
	// Currency of prices that name none, such as all of Shopify's.
	Currency string
	// Variants makes an item of each variant of a Shopify product instead of
	// one of each product.
	Variants bool
	// Unpublished takes in Shopify's drafts and archived products too.
	Unpublished bool
	// Root is the folder that pictures may be read from; Open sets it to the
	// feed's own.
	Root string
	// MaxBytes bounds what an address may send and what gzip may unpack to;
	// default 64 GB.
	MaxBytes int64
	Stdin    io.Reader    // what the source "-" reads
	Opener   Opener       // of addresses; without one they are refused
	Log      *slog.Logger // told what was found out; nil for nobody

	base *url.URL // of the feed, for pictures given relative to it
}

const defaultMaxBytes = 64 << 30

func (o Options) withDefaults() Options {
	if o.Format == "" {
		o.Format = Auto
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Check reports options that no feed can be read with.
func (o Options) Check() error {
	formats := []Format{"", Auto, JSONL, CSV, TSV, GoogleXML, ShopifyCSV, Pictures}
	switch {
	case !slices.Contains(formats, o.Format):
		return fmt.Errorf("format %q: use auto, jsonl, csv, tsv, google-xml, shopify-csv or folder", o.Format)
	case o.Currency != "" && !isCurrency(o.Currency):
		return fmt.Errorf("currency %q: use three capital letters such as EUR", o.Currency)
	}
	if _, err := lookUpEncoding(o.Encoding); err != nil {
		return err
	}
	_, err := newMapping(o.Map)
	return err
}

// ParseMap reads THEIRS=OURS,THEIRS=OURS for Options.Map. A pair with a comma in
// it stands in double quotes, as in CSV.
func ParseMap(text string) (map[string]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil //nolint:nilnil // no map is an answer
	}
	pairs, err := splitRow(text, ',', nil)
	if err != nil {
		return nil, fmt.Errorf("map %q: %w", text, err)
	}
	out := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		// The last sign, since a column may have one in its name and a field of ours has not.
		at := strings.LastIndex(pair, "=")
		if at < 1 || at == len(pair)-1 {
			return nil, fmt.Errorf("map %q: write THEIRS=OURS, such as \"Picture link=image\"", pair)
		}
		theirs, ours := strings.TrimSpace(pair[:at]), strings.TrimSpace(pair[at+1:])
		if other, twice := out[theirs]; twice && other != ours {
			return nil, fmt.Errorf("map: %q is given as %q and as %q; keep one", theirs, other, ours)
		}
		out[theirs] = ours
	}
	_, err = newMapping(out)
	return out, err
}
