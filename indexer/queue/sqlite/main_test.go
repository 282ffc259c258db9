package sqlite_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"sightline/indexer/queue"
	"sightline/indexer/queue/queuetest"
	"sightline/indexer/queue/sqlite"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Fprintln(os.Stderr, child(dir))
		os.Exit(1)
	}
	flag.Parse()
	if queuetest.Race && !queuetest.Long() {
		if err := flag.Set("rapid.checks", "5"); err != nil { // of 100, which take 4 minutes
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, s queue.Settings) queue.Queue {
	t.Helper()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueue(t *testing.T) { queuetest.Test(t, open) }

func BenchmarkQueue(b *testing.B) { queuetest.Bench(b, open) }
