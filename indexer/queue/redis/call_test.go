package redis

import (
	"errors"
	"io"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"sightline/indexer/queue"
	"sightline/store"
)

// answer is an error that Redis itself has sent.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		err     error
		passing bool
		is      error
	}{
		{io.EOF, true, io.EOF},
		{answer("LOADING Redis is loading the dataset in memory"), true, nil},
		{answer("READONLY You can't write against a read only replica."), true, nil},
		{answer("EXECABORT Transaction discarded because of previous errors."), true, nil},
		{answer("ERR max number of clients reached"), true, nil},
		{answer("OOM command not allowed when used memory > 'maxmemory'."), false, store.ErrNoSpace},
		{answer("MISCONF Redis is configured to save RDB snapshots"), false, store.ErrNoSpace},
		{answer("NOAUTH Authentication required."), false, queue.ErrUnavailable},
		{answer("ERR unknown command"), false, nil},
		{goredis.ErrClosed, false, queue.ErrClosed},
	} {
		if got := passing(test.err); got != test.passing {
			t.Errorf("%v: passing is %v", test.err, got)
		}
		if got := explain(test.err); test.is != nil && !errors.Is(got, test.is) {
			t.Errorf("%v: explained as %v", test.err, got)
		}
	}
}
