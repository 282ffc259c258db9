package main

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// words makes texts of 3 to 9 words that the model knows, so 5 to 11 tokens, no
// two alike: requests of one text would share their runs. It is safe for
// concurrent use.
type words struct {
	known []string

	mu   sync.Mutex
	rng  *rand.Rand
	seen map[string]bool
}

var word = regexp.MustCompile(`^[a-z][a-z0-9]{2,}$`)

// readWords takes the vocabulary of a converted model.
func readWords(model string) (*words, error) {
	f, err := os.Open(filepath.Join(model, "vocab.txt"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w := &words{rng: rand.New(rand.NewPCG(1, 2)), seen: map[string]bool{}} // #nosec G404 -- texts, and the same ones each time
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if word.MatchString(lines.Text()) {
			w.known = append(w.known, lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(w.known) < 50 {
		return nil, errors.New("the model's vocabulary has fewer than 50 words: there are not enough texts")
	}
	return w, nil
}

func (w *words) next() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		some := make([]string, 3+w.rng.IntN(7))
		for i := range some {
			some[i] = w.known[w.rng.IntN(len(w.known))]
		}
		if text := strings.Join(some, " "); !w.seen[text] {
			w.seen[text] = true
			return text
		}
	}
}
