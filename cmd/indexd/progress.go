package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"sightline/cmd/internal/cli"
	"sightline/indexer"
)

// progress shows how far a long command is: a bar on a terminal, a line every
// few seconds elsewhere, nothing with --json.
type progress struct {
	env   cli.Env
	bar   *progressbar.ProgressBar
	begin time.Time
	last  time.Time
}

const plainInterval = 5 * time.Second

func newProgress(e cli.Env) *progress {
	p := &progress{env: e, begin: time.Now(), last: time.Now()}
	if !e.JSON && cli.IsTerminal(e.Err) {
		p.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(e.Err), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	}
	return p
}

// observe is told of each item of an import.
func (p *progress) observe(_ indexer.Outcome, at indexer.Progress) {
	p.show(at.At, at.Of, func() string { return counts(at) + eta(at) })
}

// count is told how many of how many items are done.
func (p *progress) count(done, total int) {
	p.show(int64(done), int64(total), func() string { return fmt.Sprintf("%d of %d items", done, total) })
}

func (p *progress) show(at, of int64, text func() string) {
	switch {
	case p.env.JSON:
	case p.bar != nil:
		p.bar.Describe(text())
		if of > 0 {
			p.bar.ChangeMax64(of)
		}
		_ = p.bar.Set64(at) // a terminal that cannot be written to must not end the command
	case time.Since(p.last) >= plainInterval:
		p.last = time.Now()
		fmt.Fprintln(p.env.Err, text())
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
	if at.LeftOut > 0 {
		s += fmt.Sprintf(", %d pictures left out", at.LeftOut)
	}
	return s + fmt.Sprintf(", %.1f/s", at.Rate)
}

// eta is for lines: a bar tells the time that is left itself.
func eta(at indexer.Progress) string {
	if at.Of <= 0 || at.At <= 0 || at.At >= at.Of {
		return ""
	}
	left := at.Seconds * float64(at.Of-at.At) / float64(at.At)
	return fmt.Sprintf(", %d %% of the feed, about %s left", 100*at.At/at.Of, time.Duration(left*float64(time.Second)).Round(time.Second))
}
