package queuetest

import (
	"fmt"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// Bench measures a queue: jobs of 1 KB and 1,000 keys enqueued by one and by a
// hundred, taken and ended one by one and by a hundred.
func Bench(b *testing.B, open Open) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("Enqueue/%d", n), func(b *testing.B) { benchEnqueue(b, open, n) })
		b.Run(fmt.Sprintf("LeaseDone/%d", n), func(b *testing.B) { benchLeaseDone(b, open, n) })
	}
}

// benchJobs makes jobs with new IDs; first counts them.
func benchJobs(first, n int) []queue.Job {
	jobs := make([]queue.Job, n)
	payload := make([]byte, 1024)
	for i := range jobs {
		jobs[i] = queue.Job{Kind: "upsert", Key: fmt.Sprint("item ", (first+i)%1000), Group: fmt.Sprint((first + i) / 1000), Payload: payload}
	}
	return jobs
}

func benchEnqueue(b *testing.B, open Open, n int) {
	q := open(b, queue.Settings{})
	defer closing(b, q)
	b.ReportAllocs()
	done := 0
	for b.Loop() {
		_, err := q.Enqueue(b.Context(), benchJobs(done, n)...)
		must(b, err)
		done += n
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "jobs/s")
}

func benchLeaseDone(b *testing.B, open Open, n int) {
	q := open(b, queue.Settings{})
	defer closing(b, q)
	b.ReportAllocs()
	stored, done := 0, 0
	for b.Loop() {
		if stored == done {
			b.StopTimer()
			for range 10 {
				_, err := q.Enqueue(b.Context(), benchJobs(stored, 100)...)
				must(b, err)
				stored += 100
			}
			b.StartTimer()
		}
		leases, err := q.Lease(b.Context(), queue.LeaseOptions{Worker: "w", Max: n, For: time.Minute})
		must(b, err)
		for _, l := range leases {
			must(b, q.Done(b.Context(), l, "written"))
		}
		done += len(leases)
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "jobs/s")
}
