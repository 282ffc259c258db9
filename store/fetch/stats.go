package fetch

import (
	"maps"
	"sync/atomic"
)

// counters are added to by every call.
type counters struct {
	requests, redirects, retries, resumed atomic.Uint64
	fetches, unchanged, streams, bytes    atomic.Uint64
	failed                                [kinds]atomic.Uint64
}

func (c *counters) fetched(notModified bool) {
	c.fetches.Add(1)
	if notModified {
		c.unchanged.Add(1)
	}
}

// Stats are numbers for metrics: counters since New, and what is going on now.
type Stats struct {
	Requests    uint64 // sent, redirects and retries included
	Fetched     uint64 // calls of Get that succeeded, NotModified included
	NotModified uint64
	Streams     uint64 // opened
	Bytes       uint64 // of bodies, as they came
	Redirects   uint64 // followed
	Retries     uint64
	Resumed     uint64          // streams that went on after their connection broke
	Failed      map[Kind]uint64 // calls, by kind; those whose ctx ended are not counted

	Active    int // requests under way
	Waiting   int // calls that wait for their host's turn
	Hosts     int // remembered
	HostsDown int // whose breaker is open
}

// Stats returns the numbers of now.
func (c *Client) Stats() Stats {
	s := Stats{
		Requests: c.count.requests.Load(), Fetched: c.count.fetches.Load(), NotModified: c.count.unchanged.Load(), Streams: c.count.streams.Load(),
		Bytes: c.count.bytes.Load(), Redirects: c.count.redirects.Load(), Retries: c.count.retries.Load(), Resumed: c.count.resumed.Load(),
		Failed: map[Kind]uint64{},
	}
	for kind := range c.count.failed {
		s.Failed[Kind(kind)] = c.count.failed[kind].Load()
	}
	maps.DeleteFunc(s.Failed, func(_ Kind, n uint64) bool { return n == 0 })
	s.Active, s.Waiting, s.Hosts, s.HostsDown = c.hosts.numbers()
	return s
}
