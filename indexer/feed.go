package indexer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"sightline/encoder/picture"
	"sightline/store"
)

// Record is one row of a feed.
type Record struct {
	Row   int        // place in the feed, from 1: the line of a JSONL file
	Where string     // the same for people: "line 12", "shoes/red.jpg"
	At    int64      // how much of the feed is read with this row, in Of's unit
	Of    int64      // size of the feed: bytes or pictures; 0 when not known
	Item  store.Item // not validated yet
	Image string     // where the picture is: a path below Root, a data: URL or an address
	Root  string     // folder that pictures may be read from
}

// Feed yields the rows of a catalogue in order, reading as it goes. An error
// that is a *Fault is one row's and comes with what is known of it; any other
// ends the feed. A Feed is ranged over once.
type Feed = iter.Seq2[Record, error]

// Stage names where an item failed.
type Stage string

// The stages of a run, in order.
const (
	StageFeed   Stage = "feed"
	StageFetch  Stage = "fetch"
	StageDecode Stage = "decode"
	StageEncode Stage = "encode"
	StageWrite  Stage = "write"
)

// Fault is the failure of one item.
type Fault struct {
	Stage Stage
	Err   error
}

// Error says what to change, without naming the row.
func (f *Fault) Error() string {
	var p *picture.Error
	if errors.As(f.Err, &p) && p.Msg != "" {
		return p.Msg
	}
	return f.Err.Error()
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

func feedFault(format string, args ...any) *Fault {
	return &Fault{Stage: StageFeed, Err: fmt.Errorf(format, args...)}
}

// Open returns the feed at path. Format is "jsonl", "folder" or "auto": a
// folder of pictures when path is one, JSONL when the file is named so.
func Open(path, format string) (Feed, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	jsonlName := slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(filepath.Ext(path)))
	switch {
	case format == "folder" || format == "auto" && info.IsDir():
		if !info.IsDir() {
			return nil, fmt.Errorf("open feed: %s is a file; give a folder of pictures, or --format jsonl", path)
		}
		return Folder(path), nil
	case format == "jsonl" || format == "auto" && jsonlName:
		if info.IsDir() {
			return nil, fmt.Errorf("open feed: %s is a folder; give a JSONL file, or --format folder", path)
		}
		return jsonlFile(path), nil
	case format == "auto":
		return nil, fmt.Errorf("open feed: cannot tell the format of %s by its name; this version reads JSONL (--format jsonl) and folders of pictures", path)
	}
	return nil, fmt.Errorf("open feed: format %q: this version reads jsonl and folder", format)
}

var utf8BOM = []byte("\xef\xbb\xbf")

// parseItem reads one JSON object.
func parseItem(data []byte) (store.Item, error) {
	var item store.Item
	if !utf8.Valid(data) { // encoding/json would put U+FFFD in silently
		return item, feedFault("is not UTF-8 text; save the feed as UTF-8")
	}
	if first := bytes.TrimSpace(data); len(first) == 0 || first[0] != '{' {
		return item, feedFault("is not a JSON object; a feed has one item a line: {\"id\": …, \"image\": …}")
	}
	if err := json.Unmarshal(data, &item); err != nil {
		var wrong *store.ItemError
		if errors.As(err, &wrong) {
			item.ID = wrong.ID
		}
		return item, feedFault("cannot be read as an item: %w", err)
	}
	return item, nil
}
