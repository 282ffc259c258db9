package turns_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"sightline/store/cache/redistest"
	"sightline/store/turns"
)

const childVariable = "SIGHTLINE_TEST_TURNS_REDIS" // makes the test binary take turns at that address

func TestMain(m *testing.M) {
	if address := os.Getenv(childVariable); address != "" {
		child(address)
		return
	}
	goleak.VerifyTestMain(m)
}

func newTurns(t *testing.T, address string, o turns.Options) *turns.Turns {
	t.Helper()
	o.Client = redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
	t.Cleanup(func() { o.Client.Close() })
	all, err := turns.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustTake(t *testing.T, all *turns.Turns) (held func() bool, release func()) {
	t.Helper()
	held, release, err := all.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return held, release
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited two minutes for %s", what)
		}
	}
}

// forever is a TTL that no test lives to see the end of.
const forever = 10 * time.Hour

// TestOneAtATime: of several processes and goroutines one has the turn.
func TestOneAtATime(t *testing.T) {
	server := redistest.Start(t)
	var inside, taken int
	var group sync.WaitGroup
	for range 3 {
		all := newTurns(t, server.Address(), turns.Options{TTL: forever})
		for range 2 {
			group.Go(func() {
				for range 20 {
					held, release, err := all.Take(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					inside++ // the race detector sees two
					taken++
					if inside != 1 || !held() {
						t.Errorf("%d have the turn, held is %v", inside, held())
					}
					inside--
					release()
				}
			})
		}
	}
	group.Wait()
	if taken != 3*2*20 {
		t.Errorf("%d turns", taken)
	}
}

// TestInOrder: who has asked first is served first, so that one that asks again at
// once does not keep others out.
func TestInOrder(t *testing.T) {
	server := redistest.Start(t)
	busy, other := newTurns(t, server.Address(), turns.Options{TTL: forever}), newTurns(t, server.Address(), turns.Options{TTL: forever})
	_, release := mustTake(t, busy)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_, release, err := other.Take(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		server.Do("SET served yes")
		release()
	}()
	eventually(t, "the other to ask", func() bool { return server.Do("ZCARD {sightline:turn}:line") == ":1" })
	release()
	_, release = mustTake(t, busy)
	if server.Do("GET served") != "$3" {
		t.Error("one that asked again came first")
	}
	release()
	<-served
}

// TestGivesUp: a caller that leaves does not keep its place, and one that has no
// Redis is told so.
func TestGivesUp(t *testing.T) {
	server := redistest.Start(t)
	first := newTurns(t, server.Address(), turns.Options{TTL: forever})
	second := newTurns(t, server.Address(), turns.Options{TTL: forever, Patience: time.Millisecond})
	_, release := mustTake(t, first)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for server.Do("ZCARD {sightline:turn}:line") != ":1" {
			time.Sleep(time.Millisecond)
		}
		cancel(cause)
	}()
	if _, _, err := second.Take(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if n := server.Do("ZCARD {sightline:turn}:line"); n != ":0" {
		t.Errorf("%s wait", n)
	}
	server.Kill()
	if _, _, err := second.Take(t.Context()); !errors.Is(err, turns.ErrUnavailable) {
		t.Errorf("without a Redis: %v", err)
	}
	release()
}

// TestHeld: a turn that is renewed outlives its TTL, and one that Redis has lost is
// not held any more.
func TestHeld(t *testing.T) {
	server := redistest.Start(t)
	all := newTurns(t, server.Address(), turns.Options{TTL: time.Second})
	held, release := mustTake(t, all)
	begin := time.Now()
	eventually(t, "the TTL to pass", func() bool { return time.Since(begin) > 1200*time.Millisecond })
	other := newTurns(t, server.Address(), turns.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := other.Take(ctx); err == nil && held() {
		t.Error("two have the turn")
	}
	server.Do("SET {sightline:turn}:holder another")
	eventually(t, "the turn to be lost", func() bool { return !held() })
	release()
	if server.Do("GET {sightline:turn}:holder") != "$7" {
		t.Error("the turn of another was ended")
	}
}

// TestNoRedisWhileHeld: the turn ends for its holder before it does for others.
func TestNoRedisWhileHeld(t *testing.T) {
	server := redistest.Start(t)
	held, release := mustTake(t, newTurns(t, server.Address(), turns.Options{TTL: 300 * time.Millisecond}))
	server.Kill()
	eventually(t, "the turn to end", func() bool { return !held() })
	release()
}

func TestOptions(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	for _, o := range []turns.Options{{}, {Client: client, TTL: -1}, {Client: client, Patience: -1}, {Client: client, Prefix: "{a}"}} {
		if _, err := turns.New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// child takes turns until it is killed. A turn reads a number and writes it back
// greater by one, and counts itself. Two at once would count twice and make the
// number greater by one.
func child(address string) {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: address})
	all, err := turns.New(turns.Options{Client: client, TTL: 3 * time.Second})
	for err == nil {
		var held func() bool
		var release func()
		if held, release, err = all.Take(ctx); err == nil {
			err = work(ctx, client, held)
			release()
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func work(ctx context.Context, c *redis.Client, held func() bool) error {
	number, err := c.Get(ctx, "number").Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if !held() {
		return nil
	}
	_, err = c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "number", number+1, 0)
		p.Incr(ctx, "turns")
		return nil
	})
	return err
}

// TestKilled: turns go on when processes die in theirs, and stay one at a time.
func TestKilled(t *testing.T) {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Address()})
	defer client.Close()
	start := func() *exec.Cmd {
		p := exec.CommandContext(t.Context(), os.Args[0])
		p.Env, p.Stderr = append(os.Environ(), childVariable+"="+server.Address()), os.Stderr
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	kill := func(p *exec.Cmd) {
		_ = p.Process.Kill()
		_ = p.Wait() // says that it was killed
	}
	number := func(key string) int {
		n, err := client.Get(t.Context(), key).Int()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		return n
	}
	more := func() {
		before := number("turns")
		eventually(t, "more turns", func() bool { return number("turns") > before+20 })
	}
	all := []*exec.Cmd{start(), start(), start()}
	for i := range all {
		more()
		kill(all[i])
		all[i] = start()
	}
	more()
	for _, p := range all {
		kill(p)
	}
	if n, taken := number("number"), number("turns"); n != taken {
		t.Errorf("%d turns counted to %d", taken, n)
	}
}
