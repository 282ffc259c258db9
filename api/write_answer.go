package api

import (
	"context"
	"net/http"
	"net/url"
)

// written answers a write of one item whose end is known.
type written struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"` // why nothing was to be done
	Job     string `json:"job"`
}

// accepted answers a write whose end is not known yet.
type accepted struct {
	ID    string `json:"id,omitempty"`
	Job   string `json:"job"`
	State string `json:"state"`
}

// ended tells whether all jobs of a group have come to an end.
func (c JobCounts) ended() bool { return c.total() > 0 && c.pending() == 0 }

// answerOne says what became of the write of one item.
func (s *writes) answerOne(ctx context.Context, c call, out *sender, id string, counts JobCounts) {
	w, r, group := c.w, c.r, out.ticket.group
	if !counts.ended() {
		s.accept(w, r, accepted{ID: id, Job: group, State: counts.stateOr("waiting")}, group)
		return
	}
	job, err := s.catalogue.Writer.Job(ctx, out.first)
	switch {
	case err != nil: // it is queued all the same
		s.accept(w, r, accepted{ID: id, Job: group, State: counts.state()}, group)
	case job.State == JobDead:
		fail(w, r, failed(job, group))
	default:
		status := http.StatusOK
		if job.Outcome == OutcomeCreated {
			status = http.StatusCreated
			w.Header().Set("Location", itemsPath+url.PathEscape(id))
		}
		answer := written{ID: id, Outcome: job.outcome(), Job: group}
		if job.Stage == "" { // else the reason may be that of an attempt that failed before
			answer.Reason = job.Reason
		}
		respondWith(w, r, status, answer)
	}
}

func (j Job) outcome() string {
	if j.State == JobSuperseded && j.Outcome == "" {
		return string(JobSuperseded)
	}
	return j.Outcome
}

// stateOr is for groups of which nothing is known yet.
func (c JobCounts) stateOr(unknown string) string {
	if c.total() == 0 {
		return unknown
	}
	return c.state()
}

// failed is the problem of a change that failed for good.
func failed(job Job, group string) error {
	ref := &refusal{
		kind: kindFailed, detail: "The change failed: " + job.Reason,
		about: about{Job: group, Stage: job.Stage, Reason: job.Reason},
	}
	switch job.Stage {
	case StagePrecondition:
		ref.kind, ref.detail = kindPrecondition, "The item is not the one that If-Match names: get it again and repeat the change."
	case StageMissing:
		ref.kind, ref.detail = kindNotFound, "There is no item with this id that could be changed: PUT makes one."
	}
	return ref
}

// accept answers 202 with the address of the job.
func (s *writes) accept(w http.ResponseWriter, r *http.Request, body any, group string) {
	w.Header().Set("Location", jobsPath+url.PathEscape(group))
	respondWith(w, r, http.StatusAccepted, body)
}
