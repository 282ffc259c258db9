package queuetest

import (
	"cmp"
	"slices"
	"time"

	"sightline/indexer/queue"
)

// model is the contract written down as plainly as possible: one slice, no
// indexes. What it says, every queue must do.
type model struct {
	settings queue.Settings
	clock    *Clock
	jobs     []*modelJob // in the order they came
	seq      int
	newest   map[string]newest
	dedupe   map[string]remembered
	events   []queue.Event
}

type modelJob struct {
	queue.Job
	seq          int
	token, ended string
	until        time.Time
}

// newest is the greatest version of a key and its job.
type newest struct {
	version int64
	seq     int
}

type remembered struct {
	id    string
	until time.Time
}

func newModel(s queue.Settings, clock *Clock) *model {
	return &model{settings: s, clock: clock, newest: make(map[string]newest), dedupe: make(map[string]remembered)}
}

func (m *model) find(id string) *modelJob {
	for _, j := range m.jobs {
		if j.ID == id {
			return j
		}
	}
	return nil
}

func (m *model) move(j *modelJob, s queue.State) {
	j.State, j.ChangedAt = s, m.clock.Now()
	if s == queue.Done || s == queue.Superseded {
		j.Payload = nil
	}
	m.events = append(m.events, queue.Event{
		Time: j.ChangedAt, Job: j.ID, Kind: j.Kind, Key: j.Key, Group: j.Group, State: s,
		Attempt: j.Attempt, Outcome: j.Outcome, Stage: j.LastError.Stage, Reason: j.LastError.Reason,
	})
}

func (m *model) enqueue(job queue.Job) queue.Enqueued {
	if old := m.find(job.ID); old != nil {
		if old.State == queue.Superseded {
			return queue.Enqueued{ID: job.ID, Status: queue.StatusSuperseded}
		}
		return queue.Enqueued{ID: job.ID, Status: queue.StatusQueued}
	}
	if job.DedupeID != "" {
		if first, ok := m.dedupe[job.DedupeID]; ok && first.until.After(m.clock.Now()) {
			return queue.Enqueued{ID: first.id, Status: queue.StatusDuplicate}
		}
		m.dedupe[job.DedupeID] = remembered{job.ID, m.clock.Now().Add(m.settings.DedupeWindow)}
	}
	m.seq++
	j := &modelJob{Job: job, seq: m.seq}
	j.CreatedAt = m.clock.Now()
	m.jobs = append(m.jobs, j)
	if job.Key != "" && job.Version > 0 {
		if m.newest[job.Key].version > job.Version {
			m.move(j, queue.Superseded)
			return queue.Enqueued{ID: job.ID, Status: queue.StatusSuperseded}
		}
		m.newest[job.Key] = newest{job.Version, j.seq}
	}
	m.move(j, queue.Waiting)
	for _, older := range m.jobs {
		if older.State == queue.Waiting && m.overtaken(older) {
			m.move(older, queue.Superseded)
		}
	}
	return queue.Enqueued{ID: job.ID, Status: queue.StatusQueued}
}

func (m *model) overtaken(j *modelJob) bool {
	n := m.newest[j.Key]
	return j.Key != "" && j.Version > 0 && (n.version > j.Version || n.version == j.Version && n.seq > j.seq)
}

// ready tells from when a job may run; false while its key's earlier job has
// not ended.
func (m *model) ready(j *modelJob) (time.Time, bool) {
	if j.State != queue.Waiting {
		return time.Time{}, false
	}
	for _, other := range m.jobs {
		if j.Key != "" && other.Key == j.Key && (other.State == queue.Leased || other.State == queue.Waiting && other.seq < j.seq) {
			return time.Time{}, false
		}
	}
	if j.NotBefore.After(j.CreatedAt) {
		return j.NotBefore, true
	}
	return j.CreatedAt, true
}

// lease returns what a worker must get, without tokens.
func (m *model) lease(o queue.LeaseOptions) (leased []*modelJob) {
	m.expire()
	type candidate struct {
		*modelJob
		ready time.Time
	}
	var candidates []candidate
	for _, j := range m.jobs {
		if t, ok := m.ready(j); ok && !t.After(m.clock.Now()) {
			candidates = append(candidates, candidate{j, t})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Or(a.ready.Compare(b.ready), cmp.Compare(a.seq, b.seq)) })
	for _, c := range candidates[:min(len(candidates), o.Max)] {
		c.Attempt++
		c.Worker, c.ended, c.until = o.Worker, "", m.clock.Now().Add(o.For)
		m.move(c.modelJob, queue.Leased)
		leased = append(leased, c.modelJob)
	}
	return leased
}

func (m *model) expire() {
	var expired []*modelJob
	for _, j := range m.jobs {
		if j.State == queue.Leased && !j.until.After(m.clock.Now()) {
			expired = append(expired, j)
		}
	}
	slices.SortFunc(expired, func(a, b *modelJob) int { return cmp.Or(a.until.Compare(b.until), cmp.Compare(a.seq, b.seq)) })
	for _, j := range expired {
		j.token = ""
		j.LastError = queue.Failure{Stage: queue.StageLease, Reason: queue.Expired(j.Worker)}
		m.endAttempt(j, j.Attempt >= j.MaxAttempts)
	}
}

func (m *model) endAttempt(j *modelJob, dead bool) {
	switch {
	case m.overtaken(j):
		m.move(j, queue.Superseded)
	case dead:
		m.move(j, queue.Dead)
	default:
		m.move(j, queue.Waiting)
	}
}

// report is Done, Fail, Release or Extend by verb; false where the lease is
// lost.
func (m *model) report(l queue.Lease, verb string, end func(*modelJob)) (queue.State, bool) {
	j := m.find(l.Job.ID)
	if j == nil || j.token != l.Token {
		return "", false
	}
	if j.ended != verb {
		if j.State != queue.Leased || !j.until.After(m.clock.Now()) {
			return "", false
		}
		if verb != "extend" {
			j.ended = verb
		}
		end(j)
	}
	return j.State, true
}

func (m *model) retry(j *modelJob) {
	if m.overtaken(j) {
		m.move(j, queue.Superseded)
		return
	}
	j.Attempt, j.NotBefore = 0, time.Time{}
	m.move(j, queue.Waiting)
}

func (m *model) forget(e queue.Expiry) (n int) {
	m.jobs = slices.DeleteFunc(m.jobs, func(j *modelJob) bool {
		before := e.Ended
		if j.State == queue.Dead {
			before = e.Dead
		}
		gone := j.State.Final() && j.ChangedAt.Before(before)
		if gone {
			n++
		}
		return gone
	})
	for key := range m.newest {
		if !slices.ContainsFunc(m.jobs, func(j *modelJob) bool { return j.Key == key }) {
			delete(m.newest, key)
		}
	}
	return n
}

func (m *model) list(o queue.ListOptions) (all []queue.Job) {
	for _, j := range m.jobs {
		if (o.State == "" || j.State == o.State) && (o.Group == "" || j.Group == o.Group) && j.ID > o.After {
			job := j.Job
			job.Payload = nil
			all = append(all, job)
		}
	}
	slices.SortFunc(all, func(a, b queue.Job) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(len(all), o.Limit)]
}

func (m *model) counts(group string) (c queue.Counts) {
	for _, j := range m.jobs {
		if group == "" || j.Group == group {
			*c.Of(j.State)++
		}
	}
	return c
}
