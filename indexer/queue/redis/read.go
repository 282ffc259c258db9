package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"sightline/indexer/queue"
)

const (
	eventsAtOnce = 500
	forgetAtOnce = 200
	retryAtOnce  = 100
)

// Get is queue.Queue's.
func (q *Queue) Get(ctx context.Context, id string) (j queue.Job, err error) {
	var fields map[string]string
	err = q.try(ctx, func(ctx context.Context) (err error) {
		fields, err = q.client.HGetAll(ctx, q.prefix+"job:"+id).Result()
		return err
	})
	if err == nil && len(fields) == 0 {
		err = queue.ErrNotFound
	}
	if err != nil {
		return j, fmt.Errorf("job %s: %w", queue.Clip(id, 64), err)
	}
	return jobOf(id, fields), nil
}

// index is the key that holds the IDs of a state, of a group or of all.
func (q *Queue) index(group string, state queue.State) string {
	if group == "" {
		return q.prefix + "state:" + string(state)
	}
	return q.prefix + "group:" + group + ":" + string(state)
}

// List is queue.Queue's. Jobs that change state meanwhile may be missing.
func (q *Queue) List(ctx context.Context, o queue.ListOptions) (jobs []queue.Job, err error) {
	o, err = o.Check()
	if err != nil {
		return nil, err
	}
	err = q.try(ctx, func(ctx context.Context) error {
		ids, err := q.listIDs(ctx, o)
		if err != nil || len(ids) == 0 {
			return err
		}
		jobs, err = q.jobs(ctx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	if o.State != "" { // between the two round trips a job may have moved on
		jobs = slices.DeleteFunc(jobs, func(j queue.Job) bool { return j.State != o.State })
	}
	return jobs, nil
}

func (q *Queue) listIDs(ctx context.Context, o queue.ListOptions) ([]string, error) {
	states := []queue.State{o.State}
	if o.State == "" {
		states = queue.States()
	}
	after := "-"
	if o.After != "" {
		after = "(" + o.After
	}
	found, err := q.client.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		for _, state := range states {
			p.ZRangeArgs(ctx, goredis.ZRangeArgs{Key: q.index(o.Group, state), Start: after, Stop: "+", ByLex: true, Count: int64(o.Limit)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, f := range found {
		if list, ok := f.(*goredis.StringSliceCmd); ok {
			ids = append(ids, list.Val()...)
		}
	}
	slices.Sort(ids)
	return ids[:min(len(ids), o.Limit)], nil
}

func (q *Queue) jobs(ctx context.Context, ids []string) ([]queue.Job, error) {
	found, err := q.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, id := range ids {
			p.HMGet(ctx, q.prefix+"job:"+id, fieldNames()...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	jobs := make([]queue.Job, 0, len(ids))
	for i, f := range found {
		values, ok := f.(*goredis.SliceCmd)
		if !ok {
			return nil, errReply
		}
		fields := make(map[string]string, len(values.Val()))
		for k, v := range values.Val() {
			fields[fieldNames()[k]] = text(v)
		}
		if fields["kind"] != "" { // forgotten meanwhile
			jobs = append(jobs, jobOf(ids[i], fields))
		}
	}
	return jobs, nil
}

// Counts is queue.Queue's. It takes the same time however many jobs there are.
func (q *Queue) Counts(ctx context.Context, group string) (counts queue.Counts, err error) {
	err = q.try(ctx, func(ctx context.Context) error {
		sizes, err := q.client.TxPipelined(ctx, func(p goredis.Pipeliner) error {
			for _, state := range queue.States() {
				p.ZCard(ctx, q.index(group, state))
			}
			return nil
		})
		for i, s := range sizes {
			if n, ok := s.(*goredis.IntCmd); ok {
				*counts.Of(queue.States()[i]) = n.Val()
			}
		}
		return err
	})
	if err != nil {
		return queue.Counts{}, fmt.Errorf("count jobs: %w", err)
	}
	return counts, nil
}

// Events is queue.Queue's. It reads a page at a time, so a slow consumer holds
// nobody up.
func (q *Queue) Events(ctx context.Context, after int64) iter.Seq2[queue.Event, error] {
	return func(yield func(queue.Event, error) bool) {
		for {
			var page []goredis.XMessage
			err := q.try(ctx, func(ctx context.Context) (err error) {
				page, err = q.client.XRangeN(ctx, q.prefix+"events", strconv.FormatInt(after+1, 10), "+", eventsAtOnce).Result()
				return err
			})
			if err != nil {
				yield(queue.Event{}, fmt.Errorf("read events: %w", err))
				return
			}
			for _, m := range page {
				e := eventOf(m)
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			if len(page) < eventsAtOnce {
				return
			}
		}
	}
}

// LastEvent is queue.Queue's.
func (q *Queue) LastEvent(ctx context.Context) (last int64, err error) {
	err = q.try(ctx, func(ctx context.Context) (err error) {
		last, err = q.client.Get(ctx, q.prefix+"eventseq").Int64()
		if errors.Is(err, goredis.Nil) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the last event: %w", err)
	}
	return last, nil
}

func eventOf(m goredis.XMessage) queue.Event {
	seq, _, _ := strings.Cut(m.ID, "-")
	field := func(name string) string { return text(m.Values[name]) }
	return queue.Event{
		Seq: integer(seq), Time: timeOf(integer(field("time"))), Job: field("job"), Kind: field("kind"), Key: field("key"), Group: field("group"),
		State: queue.State(field("state")), Attempt: int(integer(field("attempt"))), Outcome: field("outcome"), Stage: field("stage"), Reason: field("reason"),
	}
}

// Retry is queue.Queue's: a hundred jobs at a time.
func (q *Queue) Retry(ctx context.Context, ids ...string) (total int, err error) {
	for chunk := range slices.Chunk(ids, retryAtOnce) {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = id
		}
		n, err := q.run(ctx, q.scripts.retry, args...)
		if err != nil {
			return total, fmt.Errorf("retry: %w", err)
		}
		total += int(number(n))
	}
	return total, nil
}

// RetryDead is queue.Queue's.
func (q *Queue) RetryDead(ctx context.Context, group string) (total int, err error) {
	page := queue.ListOptions{State: queue.Dead, Group: group, Limit: retryAtOnce}
	for {
		var ids []string
		err := q.try(ctx, func(ctx context.Context) (err error) {
			ids, err = q.listIDs(ctx, page)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("retry: %w", err)
		}
		if len(ids) == 0 {
			return total, nil
		}
		page.After = ids[len(ids)-1]
		n, err := q.Retry(ctx, ids...)
		total += n
		if err != nil {
			return total, err
		}
	}
}

// Forget is queue.Queue's: some hundred jobs at a time.
func (q *Queue) Forget(ctx context.Context, e queue.Expiry) (total int, err error) {
	for _, f := range []struct {
		of     string
		before time.Time
	}{{"ended", e.Ended}, {"buried", e.Dead}} {
		for n := int64(forgetAtOnce); !f.before.IsZero() && n == forgetAtOnce; total += int(n) {
			reply, err := q.run(ctx, q.scripts.forget, f.of, f.before.UnixMilli(), forgetAtOnce)
			if err != nil {
				return total, fmt.Errorf("forget jobs: %w", err)
			}
			n = number(reply)
		}
	}
	return total, nil
}
