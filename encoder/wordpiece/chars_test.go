package wordpiece

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"unicode"
)

// wordsOf runs the splitter alone.
func wordsOf(s *splitter, text string) []string {
	var words []string
	s.emit = func(word []byte, tooLong bool) {
		if tooLong {
			words = append(words, "too long")
			return
		}
		words = append(words, string(word))
	}
	s.split(text)
	return words
}

func newSplitter(t *testing.T, uncased bool) *splitter {
	t.Helper()
	c, err := newChars(uncased)
	if err != nil {
		t.Fatal(err)
	}
	return &splitter{chars: c}
}

// TestEveryCodePoint compares the words of "a<c>b <c>" for every code point c
// with check sums that the reference made, 4096 code points each.
func TestEveryCodePoint(t *testing.T) {
	f, err := os.Open("testdata/words.crc")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	splitters := []*splitter{newSplitter(t, true), newSplitter(t, false)}
	lines := 0
	for scan := bufio.NewScanner(f); scan.Scan(); lines++ {
		var start rune
		var want [2]uint32
		if _, err := fmt.Sscanf(scan.Text(), "%x %x %x", &start, &want[0], &want[1]); err != nil {
			t.Fatalf("line %d: %v", lines+1, err)
		}
		for i, s := range splitters {
			if got := sumOfPage(s, start); got != want[i] {
				t.Errorf("code points %04X to %04X, cased %v: words differ from BertTokenizer's", start, start+4095, i == 1)
			}
		}
	}
	if lines != 272 {
		t.Errorf("%d lines of check sums, want 272", lines)
	}
}

func sumOfPage(s *splitter, start rune) uint32 {
	var sum uint32
	for c := start; c < start+4096; c++ {
		if 0xD800 <= c && c < 0xE000 {
			continue
		}
		words := wordsOf(s, fmt.Sprintf("a%cb %c", c, c))
		sum = crc32.Update(sum, crc32.IEEETable, []byte(strings.Join(words, "\n")+"\n"))
	}
	return sum
}

// TestGoUnicodeDiffers keeps the reason for unicode.txt true: with Go's tables
// the words of many code points would differ. Should the reference move to new
// tables and the counts fall to a handful, unicode.txt can go.
func TestGoUnicodeDiffers(t *testing.T) {
	c := newSplitter(t, true).chars
	marks, puncts, format := 0, 0, 0
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		k := c.of(r).class()
		if unicode.Is(unicode.Mn, r) != (k == mark || k == block) {
			marks++
		}
		if unicode.IsPunct(r) != (k == punct) {
			puncts++
		}
		if (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co)) != (k == drop) {
			format++
		}
	}
	t.Logf("Unicode %s: %d marks, %d punctuation marks, %d controls differ", unicode.Version, marks, puncts, format)
	if marks+puncts+format < 100 {
		t.Errorf("only %d code points differ", marks+puncts+format)
	}
}

func TestCharsRefusesBrokenTables(t *testing.T) {
	for _, line := range []string{
		"unknown 0041", "drop", "drop 00G1", "drop 0042-0041", "drop 110000", "drop 0041-00G1",
		"order 0041 x", "order 0041 256", "fold 0041 zz", "fold 0041 0061 110000000",
	} {
		c := &chars{uncased: true}
		if err := c.readLine(make([]char, unicode.MaxRune+1), line); err == nil {
			t.Errorf("line %q was accepted", line)
		}
	}
}

func TestWords(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"spaces", " \t\n\u3000", nil},
		{"punctuation", "don't,stop", []string{"don", "'", "t", ",", "stop"}},
		{"limit", strings.Repeat("é", 100) + " x", []string{strings.Repeat("e", 100), "x"}},
		{"over the limit", strings.Repeat("é", 101) + " x", []string{"too long", "x"}},
		{"limit counts runes kept", strings.Repeat("e\u0301", 100), []string{strings.Repeat("e", 100)}},
		{"Hangul counts parts", strings.Repeat("한", 34), []string{"too long"}},
		{"marks are reordered", "a\u302e\u1b44", []string{"a\u1b44\u302e"}},
		{"marks behind a fence are not", "a\u302e\u034f\u1b44", []string{"a\u302e\u1b44"}},
		{"four-byte marks move whole", "a\u302e\U0001D165", []string{"a\U0001D165\u302e"}},
		{"mark at the limit", strings.Repeat("a", 99) + "\u302e\u1b44", []string{"too long"}},
		{"broken UTF-8", "a\xffb\xe4\xb8 c", []string{"ab", "c"}},
	}
	s := newSplitter(t, true)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wordsOf(s, tt.text); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
