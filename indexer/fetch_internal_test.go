package indexer

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A file may have grown or shrunk since its size was asked for.
func TestReadAtMost(t *testing.T) {
	broken := errors.New("disk gone")
	tests := []struct {
		name  string
		in    io.Reader
		size  int64
		limit int64
		want  string
		err   error
	}{
		{"as announced", strings.NewReader("0123456789"), 10, 10, "0123456789", nil},
		{"grown within the limit", iotest.OneByteReader(strings.NewReader("0123456789")), 2, 10, "0123456789", nil},
		{"grown over the limit", strings.NewReader("0123456789"), 2, 9, "", errTooLarge},
		{"shrunk", strings.NewReader("01"), 10, 10, "01", nil},
		{"broken", io.MultiReader(strings.NewReader("01"), iotest.ErrReader(broken)), 10, 10, "", broken},
	}
	for _, tt := range tests {
		got, err := readAtMost(tt.in, tt.size, tt.limit)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}
