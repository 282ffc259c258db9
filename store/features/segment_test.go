package features

import (
	"bytes"
	"testing"
)

// segmentBytes is a segment of pictures 0 to n-1.
func segmentBytes(tb testing.TB, n int) []byte {
	tb.Helper()
	out := []byte(fileMagic)
	for i := range n {
		k, err := parseKey(keyOf(i))
		if err != nil {
			tb.Fatal(err)
		}
		record, _, err := encode(k, recordOf(i))
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, record...)
	}
	return out
}

func mustScan(tb testing.TB, data []byte) survey {
	tb.Helper()
	s, err := scanSegment(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestResyncOverLargeGap puts damage larger than the search window between two
// records, with look-alikes of the record magic in it.
func TestResyncOverLargeGap(t *testing.T) {
	first, second := segmentBytes(t, 2), segmentBytes(t, 2)[len(segmentBytes(t, 1)):]
	for _, gap := range []int{1, 63, 64, 65, 1 << 18, 1<<18 + 1, 600_001} {
		junk := bytes.Repeat([]byte(recordMagic+"junk!"), gap/9+1)[:gap]
		got := mustScan(t, append(append(bytes.Clone(first), junk...), second...))
		if len(got.records) != 3 || got.skipped != int64(gap) || got.end != int64(len(first)+gap+len(second)) {
			t.Errorf("gap %d: %d records, %d skipped, end %d", gap, len(got.records), got.skipped, got.end)
		}
	}
}

func FuzzSegment(f *testing.F) {
	whole := segmentBytes(f, 5)
	f.Add([]byte{})
	f.Add([]byte(fileMagic))
	f.Add(whole)
	f.Add(whole[:len(whole)-7])
	f.Add(append(bytes.Clone(whole[:150]), whole...))
	f.Add(append(bytes.Clone(whole), tombstone(key{7})...))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scanSegment(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		checkSurvey(t, data, s)
		if again := mustScan(t, data[:s.end]); len(again.records) != len(s.records) || again.end != s.end {
			t.Fatalf("after cutting: %d records to %d, before %d to %d", len(again.records), again.end, len(s.records), s.end)
		}
		appended := mustScan(t, append(bytes.Clone(data[:s.end]), segmentBytes(t, 1)[len(fileMagic):]...))
		if len(appended.records) != len(s.records)+1 {
			t.Fatalf("a record appended after the cut is not found: %d of %d", len(appended.records), len(s.records)+1)
		}
	})
}

// checkSurvey holds a survey against the bytes it was made from.
func checkSurvey(t *testing.T, data []byte, s survey) {
	at, sum := int64(len(fileMagic)), s.skipped
	for _, f := range s.records {
		end := f.at + headerSize + f.payload()
		if f.at < at || end > int64(len(data)) {
			t.Fatalf("record at %d to %d overlaps or leaves the file (%d)", f.at, end, len(data))
		}
		sum += end - f.at
		at = end
		r, err := verify(f.header, bytes.Clone(data[f.at+headerSize:end]))
		if err != nil {
			continue
		}
		want, _, err := encode(f.key, r)
		if err != nil || !bytes.Equal(want[headerSize:], data[f.at+headerSize:end]) {
			t.Fatalf("record at %d does not encode to what it was read from: %v", f.at, err)
		}
	}
	if s.end != at || sum != s.end-int64(len(fileMagic)) {
		t.Fatalf("end %d, want %d; %d bytes accounted for", s.end, at, sum)
	}
}
