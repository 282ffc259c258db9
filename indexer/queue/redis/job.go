package redis

import (
	"fmt"
	"strconv"
	"time"

	"sightline/indexer/queue"
)

// fieldNames are those that a job without its payload is read from.
func fieldNames() []string {
	return []string{
		"kind", "key", "group", "dedupe", "version", "notbefore", "max", "state", "attempt",
		"created", "changed", "outcome", "worker", "stage", "reason",
		"traceparent", "tracestate",
	}
}

// versionString sorts as the number does; Lua compares numbers by 53 bits.
func versionString(v int64) string { return fmt.Sprintf("%019d", v) }

// jobOf reads a job from the fields of its hash.
func jobOf(id string, fields map[string]string) queue.Job {
	j := queue.Job{
		ID: id, Kind: fields["kind"], Key: fields["key"], Group: fields["group"], DedupeID: fields["dedupe"],
		Version: integer(fields["version"]), NotBefore: timeOf(integer(fields["notbefore"])), MaxAttempts: int(integer(fields["max"])),
		TraceParent: fields["traceparent"], TraceState: fields["tracestate"],
		State: queue.State(fields["state"]), Attempt: int(integer(fields["attempt"])),
		CreatedAt: timeOf(integer(fields["created"])), ChangedAt: timeOf(integer(fields["changed"])),
		Outcome: fields["outcome"], Worker: fields["worker"],
		LastError: queue.Failure{Stage: fields["stage"], Reason: fields["reason"]},
	}
	if payload := fields["payload"]; payload != "" {
		j.Payload = []byte(payload)
	}
	return j
}

// pairs makes a map of a reply that lists names and values in turn.
func pairs(list []any) map[string]string {
	m := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		m[text(list[i])] = text(list[i+1])
	}
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	n, _ := v.(int64)
	return n
}

// integer reads a number that a script wrote, 0 where there is none.
func integer(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
