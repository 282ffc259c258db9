package queuetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sightline/indexer/queue"
)

// run drives a queue and the model side by side.
type run struct {
	q      queue.Queue
	m      *model
	ids    queue.IDs
	leases []queue.Lease // handed out at any time, so most have ended
	used   []string      // IDs
}

// CheckModel compares long random sequences of calls with the model: answers
// after each, everything that can be read after each, all events at the end.
func CheckModel(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := NewClock()
		settings, err := queue.Settings{
			MaxAttempts: 3, Backoff: time.Second, MaxBackoff: 3 * time.Second, DedupeWindow: 20 * time.Second,
			Now: clock.Now, Random: func() float64 { return 0.5 },
		}.WithDefaults()
		if err != nil {
			rt.Fatal(err)
		}
		r := &run{q: open(t, settings), m: newModel(settings, clock)}
		defer closing(t, r.q)
		rt.Repeat(map[string]func(*rapid.T){
			"enqueue": r.enqueue, "lease": r.lease, "done": r.done, "fail": r.fail, "release": r.release, "extend": r.extend,
			"time": r.time, "retry": r.retry, "retryDead": r.retryDead, "forget": r.forget, "": func(rt *rapid.T) { r.compare(rt, t) },
		})
		r.compareEvents(rt, t)
	})
}

func (r *run) enqueue(rt *rapid.T) {
	var jobs []queue.Job
	for range rapid.IntRange(1, 3).Draw(rt, "jobs") {
		j := queue.Job{
			ID: r.ids.Next(r.m.clock.Now()), Kind: rapid.SampledFrom([]string{"upsert", "delete"}).Draw(rt, "kind"),
			Key: rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "key"), Version: rapid.Int64Range(0, 3).Draw(rt, "version") * (1 << 60),
			DedupeID: rapid.SampledFrom([]string{"", "", "d", "e"}).Draw(rt, "dedupe"), Group: rapid.SampledFrom([]string{"", "g", "h"}).Draw(rt, "group"),
			MaxAttempts: rapid.IntRange(1, 3).Draw(rt, "attempts"), Payload: rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(rt, "payload"),
			TraceParent: rapid.SampledFrom([]string{"", "00-1-2-01"}).Draw(rt, "trace"),
		}
		if rapid.IntRange(0, 3).Draw(rt, "delayed") == 0 {
			j.NotBefore = r.m.clock.Now().Add(time.Duration(rapid.IntRange(-2, 4).Draw(rt, "not before")) * time.Second)
		}
		if len(j.Payload) == 0 {
			j.Payload = nil
		}
		if len(r.used) > 0 && rapid.IntRange(0, 9).Draw(rt, "repeated") == 0 {
			j.ID = rapid.SampledFrom(r.used).Draw(rt, "id")
			if r.m.find(j.ID) == nil { // forgotten: then it is a new one, in its old place
				continue
			}
		}
		r.used = append(r.used, j.ID)
		jobs = append(jobs, j)
	}
	got, err := r.q.Enqueue(rt.Context(), jobs...)
	var want []queue.Enqueued
	for _, j := range jobs {
		want = append(want, r.m.enqueue(j))
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		rt.Fatalf("enqueue: got %v, %v, want %v", got, err, want)
	}
}

func (r *run) lease(rt *rapid.T) {
	o := queue.LeaseOptions{
		Worker: rapid.SampledFrom([]string{"w1", "w2"}).Draw(rt, "worker"), Max: rapid.IntRange(1, 3).Draw(rt, "max"),
		For: time.Duration(rapid.IntRange(1, 3).Draw(rt, "for")) * time.Second, NoWait: true,
	}
	got, err := r.q.Lease(rt.Context(), o)
	want := r.m.lease(o)
	if err != nil || len(got) != len(want) {
		rt.Fatalf("lease: got %v, %v, want %d jobs", got, err, len(want))
	}
	for i, l := range got {
		if !reflect.DeepEqual(l.Job, want[i].Job) || !l.Until.Equal(want[i].until) || l.Token == "" {
			rt.Fatalf("lease %d: got %+v, want %+v", i, l, *want[i])
		}
		want[i].token = l.Token
		r.leases = append(r.leases, l)
	}
}

// some chooses a lease, mostly a late one.
func (r *run) some(rt *rapid.T) queue.Lease {
	if len(r.leases) == 0 {
		rt.Skip("no lease yet")
	}
	return r.leases[max(len(r.leases)-1-rapid.IntRange(0, 5).Draw(rt, "lease"), 0)]
}

func (r *run) done(rt *rapid.T) {
	l := r.some(rt)
	_, held := r.m.report(l, "done", func(j *modelJob) {
		j.Outcome = "written"
		r.m.move(j, queue.Done)
	})
	sameReport(rt, r.q.Done(rt.Context(), l, "written"), held)
}

func (r *run) fail(rt *rapid.T) {
	l := r.some(rt)
	f := queue.Failure{Stage: "fetch", Reason: fmt.Sprint("no. ", len(r.m.events)), Permanent: rapid.IntRange(0, 4).Draw(rt, "permanent") == 0}
	want, held := r.m.report(l, "fail", func(j *modelJob) {
		j.LastError = queue.Failure{Stage: f.Stage, Reason: f.Reason}
		j.NotBefore = r.m.clock.Now().Add(r.m.settings.Delay(l.Job.Attempt))
		r.m.endAttempt(j, f.Permanent || j.Attempt >= j.MaxAttempts)
	})
	got, err := r.q.Fail(rt.Context(), l, f)
	sameReport(rt, err, held)
	if got != want {
		rt.Fatalf("fail: state %q, want %q", got, want)
	}
}

func (r *run) release(rt *rapid.T) {
	l := r.some(rt)
	_, held := r.m.report(l, "release", func(j *modelJob) {
		j.Attempt--
		r.m.endAttempt(j, false)
	})
	sameReport(rt, r.q.Release(rt.Context(), l), held)
}

func (r *run) extend(rt *rapid.T) {
	l := r.some(rt)
	_, held := r.m.report(l, "extend", func(j *modelJob) { j.until = r.m.clock.Now().Add(2 * time.Second) })
	until, err := r.q.Extend(rt.Context(), l, 2*time.Second)
	sameReport(rt, err, held)
	if held && !until.Equal(r.m.clock.Now().Add(2*time.Second)) {
		rt.Fatalf("extend: until %v", until)
	}
}

func sameReport(rt *rapid.T, err error, held bool) {
	if held && err != nil || !held && !errors.Is(err, queue.ErrLeaseLost) {
		rt.Fatalf("report: %v, but held is %v", err, held)
	}
}

func (r *run) time(rt *rapid.T) {
	r.m.clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 500, 1000, 2000, 5000, 25_000}).Draw(rt, "ms")) * time.Millisecond)
}

func (r *run) retry(rt *rapid.T) {
	if len(r.used) == 0 {
		rt.Skip("no job yet")
	}
	id := rapid.SampledFrom(r.used).Draw(rt, "id")
	want := 0
	if j := r.m.find(id); j != nil && j.State == queue.Dead {
		want = 1
		r.m.retry(j)
	}
	if n, err := r.q.Retry(rt.Context(), id, "unknown"); n != want || err != nil {
		rt.Fatalf("retry: %d, %v, want %d", n, err, want)
	}
}

func (r *run) retryDead(rt *rapid.T) {
	group := rapid.SampledFrom([]string{"", "g"}).Draw(rt, "group")
	dead := r.m.list(queue.ListOptions{State: queue.Dead, Group: group, Limit: 1000})
	for _, j := range dead {
		r.m.retry(r.m.find(j.ID))
	}
	if n, err := r.q.RetryDead(rt.Context(), group); n != len(dead) || err != nil {
		rt.Fatalf("retry the dead: %d, %v, want %d", n, err, len(dead))
	}
}

func (r *run) forget(rt *rapid.T) {
	var e queue.Expiry
	if rapid.Bool().Draw(rt, "ended") {
		e.Ended = r.m.clock.Now().Add(-time.Second)
	}
	if rapid.Bool().Draw(rt, "dead") {
		e.Dead = r.m.clock.Now().Add(-3 * time.Second)
	}
	want := r.m.forget(e)
	if n, err := r.q.Forget(rt.Context(), e); n != want || err != nil {
		rt.Fatalf("forget: %d, %v, want %d", n, err, want)
	}
}

// compare reads everything in every way.
func (r *run) compare(rt *rapid.T, t *testing.T) {
	ctx := t.Context()
	for _, group := range []string{"", "g"} {
		if got, err := r.q.Counts(ctx, group); err != nil || got != r.m.counts(group) {
			rt.Fatalf("counts of %q: got %+v, %v, want %+v", group, got, err, r.m.counts(group))
		}
		for _, state := range append(queue.States(), "") {
			o := queue.ListOptions{State: state, Group: group, Limit: 1000}
			got, err := r.q.List(ctx, o)
			want := r.m.list(o)
			if err != nil || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
				rt.Fatalf("list %+v: %v\n got %+v\nwant %+v", o, err, got, want)
			}
		}
	}
	for _, want := range r.m.jobs[max(len(r.m.jobs)-5, 0):] {
		if got, err := r.q.Get(ctx, want.ID); err != nil || !reflect.DeepEqual(got, want.Job) {
			rt.Fatalf("get: %v\n got %+v\nwant %+v", err, got, want.Job)
		}
	}
}

func (r *run) compareEvents(rt *rapid.T, t *testing.T) {
	var got []queue.Event
	last := int64(0)
	for e, err := range r.q.Events(t.Context(), 0) {
		if err != nil {
			rt.Fatal(err)
		}
		if e.Seq <= last {
			rt.Fatalf("event %d after %d", e.Seq, last)
		}
		last, e.Seq = e.Seq, 0
		got = append(got, e)
	}
	if newest, err := r.q.LastEvent(t.Context()); newest != last || err != nil {
		rt.Fatalf("the last event is %d, %v, want %d", newest, err, last)
	}
	if !slices.Equal(got, r.m.events) {
		rt.Fatalf("events:\n got %v\nwant %v", got, r.m.events)
	}
}
