package main

import (
	"cmp"
	"slices"
	"time"

	"sightline/bench/report"
)

// results is what a run leaves behind, as JSON. Times are in milliseconds where
// their names say nothing else, memory in bytes.
type results struct {
	Date     time.Time      `json:"date"`
	Commit   string         `json:"commit"`
	Machine  report.Machine `json:"machine"`
	Model    string         `json:"model"` // demo, base, base-int8 or other
	Pictures int            `json:"pictures"`
	Depth    int            `json:"depth"`
	Slots    int            `json:"max_searches"`
	Graphs   []graphCost    `json:"graphs,omitempty"`
	Closed   []closedRow    `json:"closed,omitempty"`
	Open     []openRow      `json:"open,omitempty"`
	Faults   []faultRow     `json:"faults,omitempty"`
	Memory   *memoryRow     `json:"memory,omitempty"`
	Cached   []apiRow       `json:"cached,omitempty"`
	Overhead *overheadRow   `json:"overhead,omitempty"`
	Overload []overloadRow  `json:"overload,omitempty"`
	Capacity float64        `json:"capacity,omitempty"` // requests a second, read whole; of a run of overload
	Other    string         `json:"before_commit,omitempty"`
	Missing  []string       `json:"missing,omitempty"` // what was not measured, and why
}

// name of the section and its make target, after "bench-".
func (r *results) name() string {
	name := "load"
	switch {
	case r.ofAPI():
		name = "api"
	case r.Overload != nil:
		name = "overload"
	}
	if r.Model == "demo" {
		return name
	}
	return name + "-" + r.Model
}

// ofAPI says that it is a run of cached and overhead.
func (r *results) ofAPI() bool { return len(r.Cached) > 0 || r.Overhead != nil }

// graphCost is what one graph costs a process: loading it, and runs.
type graphCost struct {
	Graph string  `json:"graph"`
	Shape string  `json:"shape"`           // of the runs
	Load  float64 `json:"load_ms"`         // with a first run of the smallest shape
	First float64 `json:"first_run_ms"`    // of the shape
	Later float64 `json:"later_run_ms"`    // of the shape, the best of several
	Anon  int64   `json:"anonymous_bytes"` // RSS of its own, after the runs
	File  int64   `json:"mapped_bytes"`    // RSS of mapped weights, shared by graphs
}

// closedRow is a closed loop: clients that ask again when they are answered.
type closedRow struct {
	Clients   int     `json:"clients"`
	OneText   bool    `json:"one_text"` // all ask the same
	Seconds   float64 `json:"seconds"`
	CPU       float64 `json:"server_cpu_seconds"`
	PerSecond float64 `json:"requests_per_second"`
	summary
}

// openRow is an open loop: requests come by chance, whatever the answers.
type openRow struct {
	Load     float64       `json:"load"` // of the capacity
	Rate     float64       `json:"requests_per_second"`
	Deadline float64       `json:"deadline_ms"`
	Slots    int           `json:"max_searches"`
	Seconds  float64       `json:"seconds"`
	Clients  []clientShare `json:"clients"`
	summary
}

// clientShare is one client's part of an open loop.
type clientShare struct {
	Share float64 `json:"share"` // of the requests
	summary
}

// summary is what became of requests. Latencies, depth and shares are of those
// that were answered 200; latency counts from when a request was due.
type summary struct {
	Requests  int            `json:"requests"`
	Statuses  map[int]int    `json:"statuses"` // 0: no answer
	Stopped   map[string]int `json:"stopped"`
	Whole     float64        `json:"read_whole"` // shares
	Partly    float64        `json:"read_partly"`
	None      float64        `json:"not_read"`
	MeanDepth float64        `json:"mean_depth"`
	P50       float64        `json:"p50_ms"`
	P95       float64        `json:"p95_ms"`
	P99       float64        `json:"p99_ms"`
	Max       float64        `json:"max_ms"`
}

// shot is one request and what became of it.
type shot struct {
	due     time.Duration // since the loop's begin
	client  int
	took    time.Duration
	status  int // 0 for no answer
	scored  int
	of      int
	stopped string
	inOrder bool // hits stand as the first stage found them
}

func (s shot) ended() time.Duration { return s.due + s.took }

func (s shot) whole() bool { return s.status == 200 && s.scored == s.of && s.of > 0 }

func summarise(all []shot) summary {
	s := summary{Requests: len(all), Statuses: map[int]int{}, Stopped: map[string]int{}}
	var took []time.Duration
	whole, none, depth := 0, 0, 0
	for _, x := range all {
		if s.Statuses[x.status]++; x.status != 200 {
			continue
		}
		took = append(took, x.took)
		depth += x.scored
		s.Stopped[cmp.Or(x.stopped, "none")]++
		switch {
		case x.whole():
			whole++
		case x.scored == 0:
			none++
		}
	}
	if len(took) == 0 {
		return s
	}
	slices.Sort(took)
	n := float64(len(took))
	s.Whole, s.None, s.MeanDepth = float64(whole)/n, float64(none)/n, float64(depth)/n
	s.Partly = 1 - s.Whole - s.None
	at := func(p float64) float64 { return ms(took[int(p*(n-1)+0.5)]) }
	s.P50, s.P95, s.P99, s.Max = at(0.5), at(0.95), at(0.99), at(1)
	return s
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// faultRow is a device that broke for a while under load.
type faultRow struct {
	Kind     string  `json:"kind"` // hang or fail
	Rate     float64 `json:"requests_per_second"`
	Deadline float64 `json:"deadline_ms"`
	Lasted   float64 `json:"lasted_seconds"`
	// Noticed is how long after the fault's begin the first request was answered
	// in first-stage order without waiting; Recovered how long after its end one
	// was read whole. Below 0: not within the run.
	Noticed   float64 `json:"noticed_seconds"`
	Recovered float64 `json:"recovered_seconds"`
	Disorder  int     `json:"out_of_order"` // answers of the fault without a read candidate that were not in first-stage order
	Before    summary `json:"before"`
	Waiting   summary `json:"until_noticed"`
	During    summary `json:"from_noticed_to_end"`
	After     summary `json:"after"` // the first whole answer
}

// memoryRow is the resident memory of searchd over many requests.
type memoryRow struct {
	Ready    int64    `json:"ready"`
	Titles   int64    `json:"after_picture_search"` // the first one, which loads graphs
	Begin    int64    `json:"begin"`                // after a tenth of the requests
	End      int64    `json:"end"`
	Slope    float64  `json:"bytes_per_10000_requests"` // by least squares, from Begin on
	Requests int      `json:"requests"`
	Depth    int      `json:"depth,omitempty"`
	Pictures int      `json:"of_these_by_picture"`
	Seconds  float64  `json:"seconds"`
	Start    float64  `json:"start_seconds"` // from the start of the program to ready
	Samples  []sample `json:"samples"`
}

// sample is the memory after so many requests.
type sample struct {
	Requests int   `json:"requests"`
	RSS      int64 `json:"rss"`
}
