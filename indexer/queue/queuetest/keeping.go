package queuetest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// bury makes a dead job.
func (f *fixture) bury(j queue.Job) string {
	f.t.Helper()
	id := f.add(j, queue.StatusQueued)
	_, err := f.Fail(f.ctx, f.take(id)[0], queue.Failure{Stage: "decode", Reason: "no picture", Permanent: true})
	must(f.t, err)
	return id
}

func testRetry(t *testing.T, f *fixture) {
	one, two, other := f.bury(queue.Job{Group: "g", Payload: []byte("p")}), f.bury(queue.Job{Group: "g"}), f.bury(queue.Job{Group: "h"})
	overtaken := f.bury(queue.Job{Key: "a", Version: 1, Group: "h"})
	must(t, f.Done(f.ctx, f.take(f.add(queue.Job{Key: "a", Version: 2}, queue.StatusQueued))[0], ""))
	for _, step := range []struct {
		retry func() (int, error)
		want  int
	}{
		{func() (int, error) { return f.Retry(f.ctx, one, one, "unknown") }, 1},
		{func() (int, error) { return f.Retry(f.ctx, one) }, 0},
		{func() (int, error) { return f.Retry(f.ctx) }, 0},
		{func() (int, error) { return f.RetryDead(f.ctx, "g") }, 1},
		{func() (int, error) { return f.RetryDead(f.ctx, "") }, 2},
	} {
		if n, err := step.retry(); err != nil || n != step.want {
			t.Fatalf("retry: %d, %v, want %d", n, err, step.want)
		}
	}
	f.is(overtaken, queue.Superseded)
	l := f.take(one, two, other)[0]
	if l.Job.Attempt != 1 || string(l.Job.Payload) != "p" {
		t.Fatalf("retried: %+v", l.Job)
	}
}

// testRetryKeepsOrder retries a job while a later one of its key may run, and
// while it is running.
func testRetryKeepsOrder(t *testing.T, f *fixture) {
	first := f.bury(queue.Job{Key: "a"})
	second := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	_, err := f.Retry(f.ctx, first)
	must(t, err)
	l := f.take(first)[0]
	_, err = f.Fail(f.ctx, l, queue.Failure{Permanent: true})
	must(t, err)
	l = f.take(second)[0]
	_, err = f.Retry(f.ctx, first)
	must(t, err)
	f.take()
	must(t, f.Done(f.ctx, l, ""))
	f.take(first)
}

func testListing(t *testing.T, f *fixture) {
	var ids []string
	for i := range 7 {
		group := "g"
		if i == 3 {
			group = "g:waiting" // that must not be taken for the group's index
		}
		ids = append(ids, f.add(queue.Job{Group: group}, queue.StatusQueued))
	}
	var got []string
	o := queue.ListOptions{Group: "g", Limit: 2}
	for {
		page, err := f.List(f.ctx, o)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, j := range page {
			got = append(got, j.ID)
		}
		o.After = page[len(page)-1].ID
	}
	if want := slices.Delete(slices.Clone(ids), 3, 4); !slices.Equal(got, want) {
		t.Fatalf("pages: got %v, want %v", got, want)
	}
	for group, want := range map[string]queue.Counts{"": {Waiting: 7}, "g": {Waiting: 6}, "g:waiting": {Waiting: 1}, "waiting": {}} {
		if c, err := f.Counts(f.ctx, group); err != nil || c != want {
			t.Errorf("counts of %q: %+v, %v, want %+v", group, c, err, want)
		}
	}
}

func testPayloads(t *testing.T, f *fixture) {
	payload := []byte("\x00\xff\r\n any bytes")
	done, dead := f.add(queue.Job{Payload: payload}, queue.StatusQueued), f.add(queue.Job{Payload: payload}, queue.StatusQueued)
	leases := f.take(done, dead)
	must(t, f.Done(f.ctx, leases[0], ""))
	_, err := f.Fail(f.ctx, leases[1], queue.Failure{Permanent: true})
	must(t, err)
	list, err := f.List(f.ctx, queue.ListOptions{})
	must(t, err)
	if !bytes.Equal(leases[0].Job.Payload, payload) || f.is(done, queue.Done).Payload != nil || !bytes.Equal(f.is(dead, queue.Dead).Payload, payload) || list[1].Payload != nil {
		t.Fatal("a payload is handed out with its lease and kept for the dead, no more")
	}
}

// testTraceContext: what queued a job is known to each of its attempts and to
// who looks at it afterwards, and a job without is one of before.
func testTraceContext(t *testing.T, f *fixture) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	state := strings.Repeat("k=v,", queue.MaxTrace/4)
	traced := f.add(queue.Job{TraceParent: parent, TraceState: state}, queue.StatusQueued)
	bare := f.add(queue.Job{TraceParent: parent}, queue.StatusQueued)
	old := f.add(queue.Job{}, queue.StatusQueued)
	want := map[string][2]string{traced: {parent, state}, bare: {parent, ""}, old: {"", ""}}
	check := func(at string, j queue.Job) {
		t.Helper()
		if got := [2]string{j.TraceParent, j.TraceState}; got != want[j.ID] {
			t.Errorf("%s: job %s has %q, want %q", at, j.ID, got, want[j.ID])
		}
	}
	for _, l := range f.take(traced, bare, old) {
		check("first lease", l.Job)
		_, err := f.Fail(f.ctx, l, queue.Failure{Permanent: true})
		must(t, err)
	}
	_, err := f.RetryDead(f.ctx, "")
	must(t, err)
	for _, l := range f.take(traced, bare, old) {
		check("after a retry", l.Job)
		must(t, f.Done(f.ctx, l, ""))
		check("done", f.is(l.Job.ID, queue.Done))
	}
	list, err := f.List(f.ctx, queue.ListOptions{})
	must(t, err)
	for _, j := range list {
		check("listed", j)
	}
}

func testForget(t *testing.T, f *fixture) {
	dead := f.bury(queue.Job{Key: "a", Group: "g"})
	ended := f.add(queue.Job{Key: "b", Version: 5, Group: "g"}, queue.StatusQueued)
	must(t, f.Done(f.ctx, f.take(ended)[0], ""))
	waiting := f.add(queue.Job{Group: "g"}, queue.StatusQueued)
	f.clock.Advance(time.Hour)
	for _, step := range []struct {
		expiry queue.Expiry
		want   int
	}{
		{queue.Expiry{}, 0},
		{queue.Expiry{Ended: f.clock.Now().Add(-2 * time.Hour)}, 0},
		{queue.Expiry{Ended: f.clock.Now()}, 1},
		{queue.Expiry{Dead: f.clock.Now()}, 1},
	} {
		if n, err := f.Forget(f.ctx, step.expiry); err != nil || n != step.want {
			t.Fatalf("forget %v: %d, %v, want %d", step.expiry, n, err, step.want)
		}
	}
	for _, id := range []string{dead, ended} {
		if _, err := f.Get(f.ctx, id); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("get of a forgotten job: %v", err)
		}
	}
	f.is(waiting, queue.Waiting)
	if c, err := f.Counts(f.ctx, "g"); err != nil || c != (queue.Counts{Waiting: 1}) {
		t.Errorf("counts: %+v, %v", c, err)
	}
	f.add(queue.Job{Key: "b", Version: 4}, queue.StatusQueued) // the key is forgotten too
}

func testEventsBounded(t *testing.T, f *fixture) {
	if newest, err := f.LastEvent(f.ctx); newest != 0 || err != nil {
		t.Fatalf("the last event of an empty queue: %d, %v", newest, err)
	}
	for range 10 {
		jobs := make([]queue.Job, 50)
		for i := range jobs {
			jobs[i].Kind = "k"
		}
		_, err := f.Enqueue(f.ctx, jobs...)
		must(t, err)
	}
	n, last := 0, int64(0)
	for e, err := range f.Events(f.ctx, 0) {
		must(t, err)
		n, last = n+1, e.Seq
	}
	// Redis drops events in blocks of a hundred.
	if n < 300 || n > 500 {
		t.Fatalf("%d events are kept, want about 300", n)
	}
	if newest, err := f.LastEvent(f.ctx); newest != last || err != nil {
		t.Fatalf("the last event is %d, %v, want %d", newest, err, last)
	}
	for e, err := range f.Events(f.ctx, last) {
		t.Fatalf("after the last event: %+v, %v", e, err)
	}
	for e, err := range f.Events(f.ctx, last-2) {
		must(t, err)
		if e.Seq != last-1 {
			t.Fatalf("event %d comes after %d", e.Seq, last-2)
		}
		break // a consumer may leave
	}
}

func testLongText(t *testing.T, f *fixture) {
	l := f.take(f.add(queue.Job{MaxAttempts: 1}, queue.StatusQueued))[0]
	_, err := f.Fail(f.ctx, l, queue.Failure{Stage: "s\xff\x00", Reason: strings.Repeat("é", 600)})
	must(t, err)
	if got := f.is(l.Job.ID, queue.Dead).LastError; got.Stage != "s\uFFFD" || got.Reason != strings.Repeat("é", 500) {
		t.Fatalf("kept: %q", got)
	}
	l = f.take(f.add(queue.Job{}, queue.StatusQueued))[0]
	must(t, f.Done(f.ctx, l, strings.Repeat("x", 300)))
	if got := f.is(l.Job.ID, queue.Done).Outcome; got != strings.Repeat("x", 256) {
		t.Fatalf("kept: %q", got)
	}
}

func testClosed(t *testing.T, f *fixture) {
	must(t, f.Close())
	_, err := f.Enqueue(f.ctx, queue.Job{Kind: "k"})
	_, leaseErr := f.Lease(f.ctx, queue.LeaseOptions{Max: 1, For: time.Second})
	_, getErr := f.Get(f.ctx, "x")
	for _, err := range []error{err, leaseErr, getErr} {
		if !errors.Is(err, queue.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// testRepeatedReports has callers whose answer was lost ask again.
func testRepeatedReports(t *testing.T, f *fixture) {
	l := f.take(f.add(queue.Job{}, queue.StatusQueued))[0]
	must(t, f.Done(f.ctx, l, "written"))
	must(t, f.Done(f.ctx, l, "written"))
	f.lost(f.Release(f.ctx, l))

	id := f.add(queue.Job{}, queue.StatusQueued)
	l = f.take(id)[0]
	for range 2 {
		state, err := f.Fail(f.ctx, l, queue.Failure{Stage: "s"})
		if err != nil || state != queue.Waiting {
			t.Fatalf("fail: %s, %v", state, err)
		}
	}
	f.clock.Advance(time.Second)
	if again := f.take(id)[0]; again.Job.Attempt != 2 {
		t.Fatalf("attempt %d after one failure reported twice", again.Job.Attempt)
	}
	_, err := f.Fail(f.ctx, l, queue.Failure{})
	f.lost(err)

	id = f.add(queue.Job{}, queue.StatusQueued)
	l = f.take(id)[0]
	must(t, f.Release(f.ctx, l))
	must(t, f.Release(f.ctx, l))
	if j := f.is(id, queue.Waiting); j.Attempt != 0 {
		t.Fatalf("attempt %d after one release reported twice", j.Attempt)
	}
}
