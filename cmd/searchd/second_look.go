package main

import (
	"strings"

	"github.com/spf13/pflag"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store"
)

// secondModel is what the second look needs of a model.
type secondModel interface {
	rerank.Matcher
	rerank.TextMatcher
}

// openSecondLook makes the second looks at pictures and at titles, with one
// scheduler before the device. Two runs go on at once on a CUDA device, as many as
// the runtime lets in: one copies while the other computes. The graphs for titles
// are loaded when the first search by picture comes.
func (sv *service) openSecondLook(m *encoder.Model, run secondModel) {
	o := rerank.Options{
		// The API bounds the depth of each request; the re-ranker's own default
		// of 128 would cut those short that ask for more.
		Depth: store.MaxWindow, Probability: m.Probability, Health: sv.health,
	}
	if strings.HasPrefix(m.Device(), "cuda") {
		o.Schedule.Workers = 2
	}
	v := m.Manifest().Vision
	o.Schedule.Ahead = sv.first.Backlog
	o.Schedule.Queue = places(v.Tokens() * v.Width)
	run = sv.env.Tracing.Matcher(run)
	sv.reranker = rerank.New(run, sv.env.Tracing.States(sv.data.Features), o)
	o.Scheduler, o.Warm = sv.reranker.Scheduler(), m.WarmTexts
	sv.titles = rerank.NewTexts(run, o)
}

// places are the requests that may wait for the device: as many as hold half a
// GiB of patch states, a sub-batch of 16 each, within 64 to 512. A model of 2 ms
// a search needs hundreds, or the queue is full before depth gives way; with
// BLIP-base's 7 MB a request a search takes so long that 64 do.
func places(statesBytes int) int {
	return min(max(512<<20/(16*statesBytes), 64), 512)
}

// captionsFlag is for serving and for measuring alike.
func captionsFlag(fs *pflag.FlagSet) {
	fs.Bool("captions", false, "searches by picture read the kept captions of items without a title ('indexd capfilt --apply'); measure with 'searchd eval' first, see docs/capfilt.md")
}
