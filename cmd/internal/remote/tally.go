package remote

import (
	"errors"
	"fmt"
	"time"

	"sightline/api/client"
	"sightline/indexer"
)

// maxFailures bounds Summary.Failures, as in an import without a server.
const maxFailures = 1000

// tally counts what became of rows.
type tally struct {
	im    *Importer
	start time.Time
	sum   indexer.Summary
	rows  map[string]int // row by id
	blind int            // rows without a readable id
}

func newTally(im *Importer, start time.Time) *tally {
	t := &tally{im: im, start: start, rows: map[string]int{}}
	t.sum.Failures = []indexer.Outcome{}
	return t
}

func (t *tally) enter(r indexer.Record) {
	t.sum.Seen++
	if r.Item.ID == "" {
		t.blind++
	}
}

// repeated refuses the second row with an id, as an import without a server does.
func (t *tally) repeated(r indexer.Record) *indexer.Fault {
	id := r.Item.ID
	if id == "" {
		return nil // refused by Item.Validate
	}
	if first, ok := t.rows[id]; ok {
		return &indexer.Fault{Stage: indexer.StageFeed, Err: fmt.Errorf("row %d has the id %q of row %d, which is kept; give every item an id of its own", r.Row, id, first)}
	}
	t.rows[id] = r.Row
	return nil
}

func (t *tally) failed(r indexer.Record, f *indexer.Fault) {
	t.im.Rejected(r, f)
	t.tell(r, indexer.Outcome{State: indexer.Failed, Stage: f.Stage, Reason: f.Error(), Err: f.Err})
}

// ended takes what the server says of an item.
func (t *tally) ended(r indexer.Record, item client.JobItem) {
	switch {
	case item.State == "dead":
		t.failed(r, &indexer.Fault{Stage: indexer.Stage(item.Stage), Err: errors.New(item.Reason)})
	case item.Outcome == "unchanged":
		t.tell(r, indexer.Outcome{State: indexer.Unchanged, Reason: item.Reason})
	case item.State == "superseded":
		t.tell(r, indexer.Outcome{State: indexer.Unchanged, Reason: "a newer change came before it"})
	default:
		t.tell(r, indexer.Outcome{State: indexer.Written, Reason: item.Reason})
	}
}

func (t *tally) tell(r indexer.Record, o indexer.Outcome) {
	o.Row, o.Where, o.ID = r.Row, r.Where, r.Item.ID
	switch o.State {
	case indexer.Written:
		t.sum.Written++
	case indexer.Unchanged:
		t.sum.Unchanged++
	case indexer.Failed:
		t.sum.Failed++
		if len(t.sum.Failures) < maxFailures {
			t.sum.Failures = append(t.sum.Failures, o)
		}
	}
	took := time.Since(t.start).Seconds()
	t.im.Observe(o, indexer.Progress{
		Seen: t.sum.Seen, Written: t.sum.Written, Unchanged: t.sum.Unchanged, Failed: t.sum.Failed,
		At: r.At, Of: r.Of, Seconds: took, Rate: float64(t.done()) / max(took, 1e-3),
	})
}

func (t *tally) done() int { return t.sum.Written + t.sum.Unchanged + t.sum.Failed }

func (t *tally) close() indexer.Summary {
	t.sum.Dropped = t.sum.Seen - t.done()
	t.sum.Seconds = time.Since(t.start).Seconds()
	return t.sum
}
