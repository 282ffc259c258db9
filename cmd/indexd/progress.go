package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"sightline/cmd/internal/cli"
	"sightline/indexer"
)

// progress shows how far an import is: a bar on a terminal, a line every few
// seconds elsewhere, nothing with --json.
type progress struct {
	env  cli.Env
	bar  *progressbar.ProgressBar
	last time.Time
}

const plainInterval = 5 * time.Second

func newProgress(e cli.Env) *progress {
	p := &progress{env: e, last: time.Now()}
	if !e.JSON && cli.IsTerminal(e.Err) {
		p.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(e.Err), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	}
	return p
}

func (p *progress) observe(_ indexer.Outcome, at indexer.Progress) {
	switch {
	case p.env.JSON:
	case p.bar != nil:
		p.bar.Describe(counts(at))
		if at.Of > 0 {
			p.bar.ChangeMax64(at.Of)
		}
		_ = p.bar.Set64(at.At) // a terminal that cannot be written to must not end the import
	case time.Since(p.last) >= plainInterval:
		p.last = time.Now()
		fmt.Fprintln(p.env.Err, counts(at)+eta(at))
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func counts(at indexer.Progress) string {
	s := fmt.Sprintf("%d written", at.Written)
	if at.Unchanged > 0 {
		s += fmt.Sprintf(", %d unchanged", at.Unchanged)
	}
	if at.Failed > 0 {
		s += fmt.Sprintf(", %d failed", at.Failed)
	}
	return s + fmt.Sprintf(", %.1f/s", at.Rate)
}

func eta(at indexer.Progress) string {
	if at.Of <= 0 || at.At <= 0 || at.At >= at.Of {
		return ""
	}
	left := at.Seconds * float64(at.Of-at.At) / float64(at.At)
	return fmt.Sprintf(", %d %% of the feed, about %s left", 100*at.At/at.Of, time.Duration(left*float64(time.Second)).Round(time.Second))
}
