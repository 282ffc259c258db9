package wordpiece_test

import (
	"strings"
	"testing"

	"sightline/encoder/wordpiece"
)

func TestCleanEqualsBLIP(t *testing.T) {
	var cases []struct{ Text, Caption, Question string }
	readJSON(t, "testdata/clean.json", &cases)
	if len(cases) < 150 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if got := wordpiece.CleanCaption(c.Text); got != c.Caption {
			t.Errorf("caption %.60q: got %.80q, want %.80q", c.Text, got, c.Caption)
		}
		if got := wordpiece.CleanQuestion(c.Text); got != c.Question {
			t.Errorf("question %.60q: got %.80q, want %.80q", c.Text, got, c.Question)
		}
		if again := wordpiece.CleanCaption(c.Caption); again != c.Caption {
			t.Errorf("cleaning %.60q again gives %.80q", c.Caption, again)
		}
	}
}

func TestCleanBrokenUTF8(t *testing.T) {
	if got, want := wordpiece.CleanCaption("A\xffB\xe4\xb8 . c"), "a\ufffdb\ufffd\ufffd c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCleanedTextIsNotCopied covers the shortcut for the usual query.
func TestCleanedTextIsNotCopied(t *testing.T) {
	for _, text := range []string{tenWords, "long-sleeved, what's this?", strings.TrimSpace(strings.Repeat("dog ", 30))} {
		if n := testing.AllocsPerRun(10, func() { wordpiece.CleanCaption(text) }); n != 0 {
			t.Errorf("%q: %v allocations", text, n)
		}
	}
	long := strings.TrimSpace(strings.Repeat("dog ", 31))
	if got := wordpiece.CleanCaption(long); got != long[:len(long)-4] {
		t.Errorf("31 words were not cut to 30: %q", got)
	}
}
