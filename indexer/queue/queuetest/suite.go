package queuetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// Test checks that queues keep the contract: each rule by itself, then
// CheckModel, then workers at work.
func Test(t *testing.T, open Open) {
	rules := []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"Answers", testAnswers},
		{"Invalid", testInvalid},
		{"KeyOrder", testKeyOrder},
		{"LatestWins", testLatestWins},
		{"OvertakenWhileLeased", testOvertakenWhileLeased},
		{"Dedupe", testDedupe},
		{"Fencing", testFencing},
		{"Poison", testPoison},
		{"Extend", testExtend},
		{"Backoff", testBackoff},
		{"Release", testRelease},
		{"RepeatedReports", testRepeatedReports},
		{"Retry", testRetry},
		{"RetryKeepsOrder", testRetryKeepsOrder},
		{"Listing", testListing},
		{"Payloads", testPayloads},
		{"TraceContext", testTraceContext},
		{"Forget", testForget},
		{"EventsBounded", testEventsBounded},
		{"LongText", testLongText},
		{"Closed", testClosed},
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newFixture(t, open)) })
	}
	t.Run("Waits", func(t *testing.T) { testWaits(t, open) })
	t.Run("Run", func(t *testing.T) { testRun(t, open) })
	t.Run("Model", func(t *testing.T) { CheckModel(t, open) })
	t.Run("Workers", func(t *testing.T) { testWorkers(t, open) })
}

// fixture is an empty queue whose time stands still.
type fixture struct {
	queue.Queue
	t        *testing.T
	ctx      context.Context //nolint:containedctx // of the test
	clock    *Clock
	settings queue.Settings
}

func newFixture(t *testing.T, open Open) *fixture {
	t.Helper()
	clock := NewClock()
	settings := queue.Settings{
		MaxAttempts: 3, Backoff: time.Second, MaxBackoff: 3 * time.Second, DedupeWindow: time.Minute, MaxPayload: 1000, MaxEvents: 300,
		Now: clock.Now, Random: func() float64 { return 0.5 },
	}
	f := &fixture{Queue: open(t, settings), t: t, ctx: t.Context(), clock: clock, settings: settings}
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add enqueues one job and checks the answer.
func (f *fixture) add(j queue.Job, want queue.Status) string {
	f.t.Helper()
	if j.Kind == "" {
		j.Kind = "upsert"
	}
	got, err := f.Enqueue(f.ctx, j)
	must(f.t, err)
	if len(got) != 1 || got[0].Status != want || !queue.ValidID(got[0].ID) {
		f.t.Fatalf("enqueue %+v: got %v, want %s", j, got, want)
	}
	f.clock.Advance(time.Millisecond) // so that jobs are taken in the order they came
	return got[0].ID
}

// take leases all jobs that may run and checks which these are.
func (f *fixture) take(want ...string) []queue.Lease {
	f.t.Helper()
	leases, err := f.Lease(f.ctx, queue.LeaseOptions{Worker: "w", Max: 100, For: time.Second, NoWait: true})
	must(f.t, err)
	var got []string
	for _, l := range leases {
		got = append(got, l.Job.ID)
	}
	if !slices.Equal(got, want) {
		f.t.Fatalf("leased %v, want %v", got, want)
	}
	return leases
}

func (f *fixture) is(id string, want queue.State) queue.Job {
	f.t.Helper()
	j, err := f.Get(f.ctx, id)
	must(f.t, err)
	if j.State != want {
		f.t.Fatalf("job %s is %s, want %s", id, j.State, want)
	}
	return j
}

func (f *fixture) lost(err error) {
	f.t.Helper()
	if !errors.Is(err, queue.ErrLeaseLost) {
		f.t.Fatalf("got %v, want ErrLeaseLost", err)
	}
}

func testAnswers(t *testing.T, f *fixture) {
	id := f.add(queue.Job{Key: "a", Version: 2, Group: "g", Payload: []byte("p")}, queue.StatusQueued)
	f.add(queue.Job{ID: id, Key: "a", Version: 2}, queue.StatusQueued) // the same again, whose answer was lost
	f.add(queue.Job{Key: "a", Version: 1}, queue.StatusSuperseded)
	j := f.is(id, queue.Waiting)
	if j.Kind != "upsert" || j.Key != "a" || j.Version != 2 || j.Group != "g" || string(j.Payload) != "p" || j.MaxAttempts != 3 || j.CreatedAt.IsZero() {
		t.Fatalf("stored: %+v", j)
	}
	if c, err := f.Counts(f.ctx, ""); err != nil || c != (queue.Counts{Waiting: 1, Superseded: 1}) || c.Total() != 2 || c.Pending() != 1 {
		t.Fatalf("counts: %+v, %v", c, err)
	}
	if _, err := f.Get(f.ctx, "unknown"); !errors.Is(err, queue.ErrNotFound) {
		t.Fatalf("get of an unknown job: %v", err)
	}
	if got, err := f.Enqueue(f.ctx); err != nil || len(got) != 0 {
		t.Fatalf("enqueue nothing: %v, %v", got, err)
	}
}

func testInvalid(t *testing.T, f *fixture) {
	for name, j := range map[string]queue.Job{
		"kind": {}, "long key": {Kind: "k", Key: strings.Repeat("x", 513)}, "UTF-8": {Kind: "k", Group: "\xff"}, "NUL": {Kind: "k", Key: "\x00"},
		"payload": {Kind: "k", Payload: make([]byte, 1001)}, "version": {Kind: "k", Version: -1}, "id": {Kind: "k", ID: "x"},
		"traceparent": {Kind: "k", TraceParent: "\xff"}, "tracestate": {Kind: "k", TraceState: strings.Repeat("x", 513)},
		"attempts": {Kind: "k", MaxAttempts: -1}, "before 1970": {Kind: "k", NotBefore: time.UnixMilli(-1)},
	} {
		if _, err := f.Enqueue(f.ctx, queue.Job{Kind: "good"}, j); !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	f.take() // nor was the good one stored
	if _, err := f.Lease(f.ctx, queue.LeaseOptions{Max: 0, For: time.Second}); err == nil {
		t.Error("a lease of no jobs")
	}
	if _, err := f.Lease(f.ctx, queue.LeaseOptions{Max: 1}); err == nil {
		t.Error("a lease for no time")
	}
	if _, err := f.List(f.ctx, queue.ListOptions{State: "lost"}); err == nil {
		t.Error("a list of an unknown state")
	}
}

func testKeyOrder(_ *testing.T, f *fixture) {
	a1 := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	a2 := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	b := f.add(queue.Job{Key: "b"}, queue.StatusQueued)
	free1 := f.add(queue.Job{}, queue.StatusQueued)
	free2 := f.add(queue.Job{}, queue.StatusQueued)
	leases := f.take(a1, b, free1, free2)
	_, err := f.Fail(f.ctx, leases[0], queue.Failure{Stage: "fetch", Reason: "503"})
	must(f.t, err)
	f.take() // a2 waits behind a1's second attempt
	f.clock.Advance(500 * time.Millisecond)
	leases = f.take(a1)
	must(f.t, f.Done(f.ctx, leases[0], "written"))
	f.take(a2)
}

func testLatestWins(t *testing.T, f *fixture) {
	v1 := f.add(queue.Job{Key: "a", Version: 1, Payload: []byte("1")}, queue.StatusQueued)
	unversioned := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	later := f.clock.Now().Add(time.Hour)
	v2 := f.add(queue.Job{Key: "a", Version: 2, NotBefore: later}, queue.StatusQueued)
	again := f.add(queue.Job{Key: "a", Version: 2}, queue.StatusQueued) // of one version, the one that came later
	f.is(v1, queue.Superseded)
	f.is(v2, queue.Superseded)
	f.is(unversioned, queue.Waiting)
	must(t, f.Done(f.ctx, f.take(unversioned)[0], ""))
	must(t, f.Done(f.ctx, f.take(again)[0], ""))
	f.add(queue.Job{Key: "a", Version: 1}, queue.StatusSuperseded) // out of order
	// 2^53 + 1 and its neighbour are one number to a float.
	f.add(queue.Job{Key: "a", Version: 1<<53 + 1}, queue.StatusQueued)
	f.add(queue.Job{Key: "a", Version: 1 << 53}, queue.StatusSuperseded)
}

func testOvertakenWhileLeased(t *testing.T, f *fixture) {
	end := map[string]func(queue.Lease){
		"fail":    func(l queue.Lease) { _, err := f.Fail(f.ctx, l, queue.Failure{Permanent: true}); must(t, err) },
		"release": func(l queue.Lease) { must(t, f.Release(f.ctx, l)) },
		"expire":  func(queue.Lease) { f.clock.Advance(time.Second) },
	}
	for name, end := range end {
		older := f.add(queue.Job{Key: name, Version: 1}, queue.StatusQueued)
		l := f.take(older)[0]
		newer := f.add(queue.Job{Key: name, Version: 2}, queue.StatusQueued)
		f.take() // the older one is still at work
		end(l)
		must(t, f.Done(f.ctx, f.take(newer)[0], ""))
		f.is(older, queue.Superseded)
	}
	older := f.add(queue.Job{Key: "done", Version: 1}, queue.StatusQueued)
	l := f.take(older)[0]
	f.add(queue.Job{Key: "done", Version: 2}, queue.StatusQueued)
	must(t, f.Done(f.ctx, l, "written"))
	f.is(older, queue.Done)
}

func testDedupe(t *testing.T, f *fixture) {
	first := f.add(queue.Job{DedupeID: "webhook"}, queue.StatusQueued)
	if got := f.add(queue.Job{DedupeID: "webhook"}, queue.StatusDuplicate); got != first {
		t.Fatalf("the duplicate of %s has the ID %s", first, got)
	}
	must(t, f.Done(f.ctx, f.take(first)[0], ""))
	f.add(queue.Job{DedupeID: "webhook"}, queue.StatusDuplicate)
	f.clock.Advance(time.Minute)
	f.add(queue.Job{DedupeID: "webhook"}, queue.StatusQueued)
	got, err := f.Enqueue(f.ctx, queue.Job{Kind: "k", DedupeID: "x"}, queue.Job{Kind: "k", DedupeID: "x"})
	if err != nil || got[1] != (queue.Enqueued{ID: got[0].ID, Status: queue.StatusDuplicate}) {
		t.Fatalf("twice in one call: %v, %v", got, err)
	}
}

func testFencing(t *testing.T, f *fixture) {
	id := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	stale := f.take(id)[0]
	f.clock.Advance(time.Second)
	f.lost(f.Done(f.ctx, stale, "")) // expired, though nobody else has it yet
	fresh := f.take(id)[0]
	if fresh.Job.Attempt != 2 || fresh.Token == stale.Token || fresh.Job.LastError.Stage != queue.StageLease || !strings.Contains(fresh.Job.LastError.Reason, "worker w ") {
		t.Fatalf("second lease: %+v", fresh)
	}
	f.lost(f.Done(f.ctx, stale, ""))
	f.lost(f.Release(f.ctx, stale))
	_, err := f.Fail(f.ctx, stale, queue.Failure{})
	f.lost(err)
	_, err = f.Extend(f.ctx, stale, time.Second)
	f.lost(err)
	must(t, f.Done(f.ctx, fresh, "written"))
	if j := f.is(id, queue.Done); j.Outcome != "written" {
		t.Fatalf("outcome %q", j.Outcome)
	}
	f.lost(f.Release(f.ctx, fresh))
	f.lost(f.Done(f.ctx, queue.Lease{Job: queue.Job{ID: "unknown"}}, ""))
}

// testPoison has a job that kills its worker each time.
func testPoison(_ *testing.T, f *fixture) {
	id := f.add(queue.Job{Key: "a", MaxAttempts: 2}, queue.StatusQueued)
	next := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	for range 2 {
		f.take(id)
		f.clock.Advance(time.Second)
	}
	f.take(next)
	f.is(id, queue.Dead)
}

func testExtend(t *testing.T, f *fixture) {
	id := f.add(queue.Job{}, queue.StatusQueued)
	l := f.take(id)[0]
	f.clock.Advance(999 * time.Millisecond)
	until, err := f.Extend(f.ctx, l, 2*time.Second)
	must(t, err)
	if want := f.clock.Now().Add(2 * time.Second); !until.Equal(want) {
		t.Fatalf("extended until %v, want %v", until, want)
	}
	f.clock.Advance(1999 * time.Millisecond)
	f.take()
	must(t, f.Done(f.ctx, l, ""))
	if _, err := f.Extend(f.ctx, l, 0); err == nil || errors.Is(err, queue.ErrLeaseLost) {
		t.Fatalf("extended by nothing: %v", err)
	}
}

func testBackoff(t *testing.T, f *fixture) {
	id := f.add(queue.Job{MaxAttempts: 4}, queue.StatusQueued)
	for _, wait := range []time.Duration{500, 1000, 1500} { // half of 1 s, 2 s and the greatest, 3 s
		l := f.take(id)[0]
		state, err := f.Fail(f.ctx, l, queue.Failure{Stage: "fetch", Reason: "503"})
		if err != nil || state != queue.Waiting {
			t.Fatalf("fail: %s, %v", state, err)
		}
		f.clock.Advance(wait*time.Millisecond - 1*time.Millisecond)
		f.take()
		f.clock.Advance(time.Millisecond)
	}
	if state, err := f.Fail(f.ctx, f.take(id)[0], queue.Failure{Stage: "fetch", Reason: "gone"}); err != nil || state != queue.Dead {
		t.Fatalf("last attempt: %s, %v", state, err)
	}
	if j := f.is(id, queue.Dead); j.LastError != (queue.Failure{Stage: "fetch", Reason: "gone"}) || j.Attempt != 4 {
		t.Fatalf("dead: %+v", j)
	}
	id = f.add(queue.Job{}, queue.StatusQueued)
	if state, err := f.Fail(f.ctx, f.take(id)[0], queue.Failure{Stage: "decode", Reason: "no picture", Permanent: true}); err != nil || state != queue.Dead {
		t.Fatalf("permanent failure: %s, %v", state, err)
	}
}

func testRelease(t *testing.T, f *fixture) {
	id := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	behind := f.add(queue.Job{Key: "a"}, queue.StatusQueued)
	for range 5 { // more often than there are attempts
		must(t, f.Release(f.ctx, f.take(id)[0]))
	}
	if j := f.is(id, queue.Waiting); j.Attempt != 0 {
		t.Fatalf("attempt %d after releases", j.Attempt)
	}
	f.is(behind, queue.Waiting)
}
