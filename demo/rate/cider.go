package main

import (
	"math"
	"strings"
)

// Of CIDEr-D, as pycocoevalcap's Cider has it: n-grams of 1 to 4 words, and a
// Gaussian over the difference in length.
const (
	longest = 4
	sigma   = 6.0
)

// grams counts n-grams, those of each length apart.
type grams [longest]map[string]float64

func countGrams(text string) grams {
	words := strings.Fields(strings.ReplaceAll(text, ",", " ")) // the reference's tokenizer drops punctuation
	var g grams
	for n := range longest {
		g[n] = map[string]float64{}
		for i := range len(words) - n {
			g[n][strings.Join(words[i:i+n+1], " ")]++
		}
	}
	return g
}

// vector is a text with its n-grams weighted by how rare they are.
type vector struct {
	grams
	norm   [longest]float64
	length float64 // two-word n-grams, as the reference counts it
}

// cider scores each candidate against its references, 0 to 10. An n-gram is as rare
// as there are few pictures with a reference that has it.
func cider(candidates []string, references [][]string) []float64 {
	counted, pictures := make([][]grams, len(references)), map[string]float64{}
	for i, some := range references {
		seen := map[string]bool{}
		for _, text := range some {
			g := countGrams(text)
			counted[i] = append(counted[i], g)
			for _, of := range g {
				for gram := range of {
					seen[gram] = true
				}
			}
		}
		for gram := range seen {
			pictures[gram]++
		}
	}
	weigh := weigher(pictures, math.Log(float64(len(references))))
	scores := make([]float64, len(candidates))
	for i, text := range candidates {
		mine := weigh(countGrams(text))
		for _, g := range counted[i] {
			scores[i] += mine.like(weigh(g))
		}
		scores[i] *= 10 / float64(len(counted[i]))
	}
	return scores
}

func weigher(pictures map[string]float64, all float64) func(grams) vector {
	return func(g grams) vector {
		v := vector{}
		for n, of := range g {
			v.grams[n] = map[string]float64{}
			for gram, count := range of {
				w := count * (all - math.Log(max(1, pictures[gram])))
				v.grams[n][gram] = w
				v.norm[n] += w * w
				if n == 1 {
					v.length += count
				}
			}
			v.norm[n] = math.Sqrt(v.norm[n])
		}
		return v
	}
}

// like is the mean over n of the clipped cosine.
func (v vector) like(reference vector) (sum float64) {
	apart := v.length - reference.length
	for n, of := range v.grams {
		var dot float64
		for gram, w := range of {
			r := reference.grams[n][gram]
			dot += min(w, r) * r
		}
		if norm := v.norm[n] * reference.norm[n]; norm != 0 {
			dot /= norm
		}
		sum += dot * math.Exp(-apart*apart/(2*sigma*sigma)) / longest
	}
	return sum
}
