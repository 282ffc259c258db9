package redis

import (
	"reflect"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"sightline/indexer/queue"
)

// FuzzJob writes a job as enqueue.lua lays its arguments down and reads it back.
func FuzzJob(f *testing.F) {
	f.Add("upsert", "item 1", "g", "d", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", []byte("{}"), int64(1), int64(1_790_000_000_000), 3)
	f.Add("", "", "", "", "", []byte{}, int64(1<<62), int64(0), 0)
	f.Fuzz(func(t *testing.T, kind, key, group, dedupe, trace string, payload []byte, version, notBefore int64, attempts int) {
		want := queue.Job{
			Kind: kind, Key: key, Group: group, DedupeID: dedupe, Payload: payload, Version: version, MaxAttempts: attempts,
			TraceParent: trace, TraceState: trace,
		}
		if notBefore != 0 {
			want.NotBefore = time.UnixMilli(notBefore).UTC()
		}
		settings, err := queue.Settings{}.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := settings.Prepare(new(queue.IDs), []queue.Job{want})
		if err != nil {
			return
		}
		want = jobs[0]
		if len(want.Payload) == 0 {
			want.Payload = nil
		}
		args := (&Queue{settings: settings}).enqueueArgs(jobs)[1:]
		fields := []any{"state", "", "attempt", "0"}
		for i, name := range []string{"id", "kind", "key", "group", "dedupe", "version", "notbefore", "max", "payload", "traceparent", "tracestate"} {
			fields = append(fields, name, written(args[i]))
		}
		if len(args[5].(string)) != 19 {
			t.Fatalf("version %q has not 19 digits: Lua compares strings", args[5])
		}
		if got := jobOf(want.ID, pairs(fields)); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if !utf8.ValidString(want.Key) {
			t.Fatalf("the key %q was let through", want.Key)
		}
	})
}

// written is what Redis keeps of an argument.
func written(arg any) string {
	switch v := arg.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	panic("an argument of another type")
}
