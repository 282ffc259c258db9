package indexer_test

import (
	"bytes"
	"errors"
	"testing"

	"sightline/indexer"
)

// FuzzJSONL: whatever the bytes are, every row is an item or a fault with a
// line number that exists, and the reader's position only grows.
func FuzzJSONL(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf{\"id\":\"a\",\"image\":\"a.jpg\"}\r\n\n{\"id\":"))
	f.Fuzz(func(t *testing.T, data []byte) {
		row, at := 0, int64(0)
		for r, err := range indexer.JSONL(bytes.NewReader(data), "dir") {
			var fault *indexer.Fault
			if err != nil && (!errors.As(err, &fault) || fault.Error() == "" || fault.Stage != indexer.StageFeed) {
				t.Fatalf("row %d: error %v", r.Row, err)
			}
			if r.Row <= row || r.At <= at {
				t.Fatalf("row %d at %d after row %d at %d", r.Row, r.At, row, at)
			}
			row, at = r.Row, r.At
		}
		if lines := bytes.Count(data, []byte("\n")) + 1; row > lines || at > int64(len(data)) {
			t.Fatalf("row %d of %d lines, at %d of %d bytes", row, lines, at, len(data))
		}
	})
}
