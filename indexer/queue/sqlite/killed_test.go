package sqlite_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sightline/indexer/queue"
	"sightline/indexer/queue/queuetest"
	"sightline/indexer/queue/sqlite"
)

const (
	childVariable = "SIGHTLINE_TEST_QUEUE_DIR" // makes the test binary a worker on the queue there
	jobsVariable  = "SIGHTLINE_TEST_QUEUE_JOBS"
	childLease    = time.Second
)

func openIn(ctx context.Context, dir string) (*sqlite.Queue, error) {
	return sqlite.Open(ctx, sqlite.Options{Dir: dir, Settings: queue.Settings{
		MaxEvents: 1_000_000, Backoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond,
	}})
}

// child works until it is killed.
func child(dir string) error {
	ctx := context.Background()
	n, err := strconv.Atoi(os.Getenv(jobsVariable))
	if err != nil {
		return err
	}
	q, err := openIn(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(queuetest.Work(ctx, q, n, childLease, filepath.Join(dir, "log")), q.Close())
}

// TestKilled kills a process that enqueues and works, at random moments: in the
// end every job is done as without a disturbance. 8 times; with
// SIGHTLINE_TEST_LONG=1 50 times.
func TestKilled(t *testing.T) {
	kills, n := 8, 400
	if queuetest.Long() {
		kills, n = 50, 2500
	}
	dir := t.TempDir()
	w := queuetest.NewWorker(t, childVariable+"="+dir, jobsVariable+"="+strconv.Itoa(n))
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	for range kills {
		w.Start()
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
		w.Kill()
	}
	before := ended(t, dir)
	w.Start()
	for end := time.Now().Add(5 * time.Minute); ; {
		time.Sleep(time.Second)
		w.Kill()
		if done := ended(t, dir); done == int64(n) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%d of %d jobs have ended after 5 minutes", done, n)
		}
		w.Start()
	}
	q, err := openIn(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	t.Logf("killed %d times; %d of %d jobs had ended then", kills, before, n)
	queuetest.CheckCatalogue(t, q, n)
	queuetest.CheckLog(t, q, n, filepath.Join(dir, "log"))
}

func ended(t *testing.T, dir string) int64 {
	t.Helper()
	q, err := openIn(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	c, err := q.Counts(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return c.Total() - c.Pending()
}
