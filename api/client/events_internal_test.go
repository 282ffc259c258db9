package client

import (
	"errors"
	"strings"
	"testing"
)

// FuzzReadEvents: whatever a stream holds, no id or datum spans lines that it did
// not have, and reading ends as a broken stream.
func FuzzReadEvents(f *testing.F) {
	f.Add("retry: 2000\n\nid: 7\n\n: still here\n\nid: 8\ndata: {}\n\n")
	f.Add("id:\ndata\ndata: a\r\n\r\ndata: b\n")
	f.Fuzz(func(t *testing.T, stream string) {
		err := readEvents(strings.NewReader(stream), message{id: "0"}, func() {}, func(m message) error {
			if strings.ContainsAny(m.id, "\n\x00") {
				t.Errorf("id %q", m.id)
			}
			for line := range strings.Lines(m.data) {
				if !strings.Contains(stream, strings.TrimSuffix(line, "\n")) {
					t.Errorf("%q is not of the stream", line)
				}
			}
			return nil
		})
		if _, ok := errors.AsType[unreached](err); !ok {
			t.Errorf("ended with %v", err)
		}
	})
}
