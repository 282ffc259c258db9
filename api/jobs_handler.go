package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sightline/store/change"
)

const (
	jobsPath  = "/v1/jobs/"
	jobsLimit = 100 // of a page where the caller does not say
	maxJobs   = 1000
	maxJobID  = 128 // bytes; groups of other origin may be that long
)

// jobItem is the job of one item in an answer.
type jobItem struct {
	Job       string    `json:"job"`
	ID        string    `json:"id,omitempty"` // of the item
	Group     string    `json:"group,omitempty"`
	Op        change.Op `json:"op,omitempty"`
	State     JobState  `json:"state"`
	Outcome   string    `json:"outcome,omitempty"`
	Stage     string    `json:"stage,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Attempt   int       `json:"attempt"`
	ChangedAt time.Time `json:"changed_at"`
}

// itemOf is the item that a job of that key is about; "" for other jobs.
func itemOf(key string) string {
	if id, ok := strings.CutPrefix(key, change.Key("")); ok {
		return id
	}
	return ""
}

func jobItems(jobs []Job) []jobItem {
	items := make([]jobItem, len(jobs))
	for i, j := range jobs {
		items[i] = jobItem{
			Job: j.ID, ID: itemOf(j.Key), Group: j.Group, Op: operation(j), State: j.State, Outcome: j.outcome(),
			Stage: j.Stage, Reason: j.Reason, Attempt: j.Attempt, ChangedAt: j.ChangedAt,
		}
	}
	return items
}

// jobPage is a list of jobs; Next goes into after for the page that follows.
type jobPage struct {
	Items []jobItem `json:"items"`
	Next  string    `json:"next,omitempty"`
}

// jobAnswer tells how one request stands.
type jobAnswer struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Counts    JobCounts `json:"counts"`
	CreatedAt time.Time `json:"created_at,omitzero"`

	jobPage
}

// jobs serves GET /v1/jobs.
func (s *writes) jobs(w http.ResponseWriter, r *http.Request) {
	q, err := jobQuery(r)
	var page jobPage
	if err == nil {
		page, err = s.page(r.Context(), q)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	respond(w, r, page)
}

func (s *writes) page(ctx context.Context, q JobQuery) (jobPage, error) {
	ctx, cancel := context.WithTimeout(ctx, itemTimeout)
	defer cancel()
	jobs, err := s.catalogue.Writer.Jobs(ctx, q)
	if err != nil {
		return jobPage{}, err
	}
	page := jobPage{Items: jobItems(jobs)}
	if len(jobs) == q.Limit {
		page.Next = jobs[len(jobs)-1].ID
	}
	return page, nil
}

func jobQuery(r *http.Request) (JobQuery, error) {
	q := JobQuery{Limit: jobsLimit}
	var wrong Invalid
	if err := readValues(r.URL.RawQuery, pageSetters(&q), &wrong); err != nil {
		return q, err
	}
	between(&wrong, "limit", q.Limit, 1, maxJobs)
	return q, wrong.err()
}

func pageSetters(q *JobQuery) map[string]setter {
	return map[string]setter{
		"limit": wholeNumber(&q.Limit),
		"after": textValue(&q.After, maxJobID),
		"state": func(v string) string {
			if v == "failed" {
				v = string(JobDead)
			}
			if q.State = JobState(v); slices.Contains(jobStates(), q.State) {
				return ""
			}
			return "must be waiting, leased, done, superseded or dead"
		},
	}
}

func textValue(dst *string, limit int) setter {
	return func(v string) string {
		if problem := textProblem(v, limit); problem != "" {
			return problem
		}
		*dst = v
		return ""
	}
}

// job serves GET /v1/jobs/{id}, where the id is that of a request's job or of an
// item's, and its /events.
func (s *writes) job(w http.ResponseWriter, r *http.Request) {
	id, retry, err := jobPath(r)
	if err == nil && strings.HasSuffix(r.URL.EscapedPath(), eventsSuffix) {
		s.liveJob(w, r, strings.TrimSuffix(id, eventsSuffix))
		return
	}
	if err == nil && retry {
		w.Header().Set("Allow", http.MethodPost)
		err = refuse(kindMethod, "This address takes only POST.")
	}
	var q JobQuery
	if err == nil {
		q, err = jobQuery(r)
	}
	var answer jobAnswer
	if err == nil {
		answer, err = s.lookUp(r.Context(), id, q)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	respond(w, r, answer)
}

// jobPath reads {id} and {id}:retry.
func jobPath(r *http.Request) (id string, retry bool, err error) {
	escaped, retry := strings.CutSuffix(strings.TrimPrefix(r.URL.EscapedPath(), jobsPath), ":retry")
	id, err = url.PathUnescape(escaped)
	if err != nil || id == "" || textProblem(id, maxJobID) != "" {
		return "", retry, ErrNoJob
	}
	return id, retry, nil
}

func (s *writes) lookUp(ctx context.Context, id string, q JobQuery) (jobAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, itemTimeout)
	defer cancel()
	counts, err := s.catalogue.Writer.Counts(ctx, id)
	if err != nil {
		return jobAnswer{}, err
	}
	if counts.total() == 0 {
		return s.single(ctx, id)
	}
	answer := jobAnswer{ID: id, State: counts.state(), Counts: counts}
	q.Group = id
	if answer.jobPage, err = s.page(ctx, q); err != nil {
		return answer, err
	}
	first, err := s.catalogue.Writer.Jobs(ctx, JobQuery{Group: id, Limit: 1})
	if err == nil && len(first) > 0 {
		answer.CreatedAt = first[0].CreatedAt
	}
	return answer, err
}

// single tells of an item's job in the form of a request's.
func (s *writes) single(ctx context.Context, id string) (jobAnswer, error) {
	j, err := s.catalogue.Writer.Job(ctx, id)
	if err != nil {
		return jobAnswer{}, err
	}
	var counts JobCounts
	switch j.State {
	case JobLeased:
		counts.Leased = 1
	case JobDone:
		counts.Done = 1
	case JobSuperseded:
		counts.Superseded = 1
	case JobDead:
		counts.Dead = 1
	default:
		counts.Waiting = 1
	}
	return jobAnswer{ID: id, State: counts.state(), Counts: counts, CreatedAt: j.CreatedAt, jobPage: jobPage{Items: jobItems([]Job{j})}}, nil
}

// retry serves POST /v1/jobs/{id}:retry.
func (s *writes) retry(w http.ResponseWriter, r *http.Request) {
	id, retry, err := jobPath(r)
	if err == nil && !retry {
		w.Header().Set("Allow", http.MethodGet)
		err = refuse(kindMethod, "This address takes only GET; POST goes to its :retry.")
	}
	if err == nil && r.ContentLength != 0 {
		err = refuse(kindMalformed, "A retry takes no body.")
	}
	var wrong Invalid
	if err == nil {
		err = errors.Join(readValues(r.URL.RawQuery, nil, &wrong), wrong.err())
	}
	n := 0
	if err == nil {
		n, err = s.again(r.Context(), id)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	respond(w, r, retryAnswer{Job: id, Retried: n})
}

func (s *writes) again(ctx context.Context, id string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	counts, err := s.catalogue.Writer.Counts(ctx, id)
	switch {
	case err != nil:
		return 0, err
	case counts.total() > 0:
		return s.catalogue.Writer.RetryGroup(ctx, id)
	}
	if _, err := s.catalogue.Writer.Job(ctx, id); err != nil {
		return 0, err
	}
	return s.catalogue.Writer.Retry(ctx, id)
}
