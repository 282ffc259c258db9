// Package sim is a queueing simulation of searchd: requests that come by chance,
// the cores that read and encode them, and the second look's scheduler in front of
// its device, with the rules of package rerank. It answers in seconds what a load
// test takes hours for, and what no machine at hand can be asked: other rates,
// deadlines, devices, and several machines. Times are in seconds.
//
// It is held to the real scheduler in virtual time and to a measured searchd by
// tests; docs/scaling.md says how far it is off. What it leaves out: patch states
// that have to be fetched, joined runs of one text, answers from the cache, broken devices.
package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Costs are the service times of one machine.
type Costs struct {
	Cores int // of the machine
	// Front is what a request takes besides its pairs (HTTP, encoding its text, the
	// index, the answer), in seconds of the whole machine.
	Front float64
	// Run, Pair and Token make the time of a run: Run + pairs × (Pair + Token × tokens).
	// They are those of one of Workers runs that go on at once.
	Run, Pair, Token float64
	Workers          int
	// Scatter is the standard deviation of a run's time, as a share of it.
	Scatter float64
	// Own says that the device is a card: runs and requests do not share cores.
	Own bool
}

// run is the mean time of one, in seconds.
func (c Costs) run(pairs int, tokens float64) float64 {
	return c.Run + float64(pairs)*(c.Pair+c.Token*tokens)
}

// Capacity is how many requests a second a machine can read whole.
func (c Costs) Capacity(depth, batch int, tokens float64) float64 {
	device := 0.0
	for left := depth; left > 0; left -= batch {
		device += c.run(min(left, batch), tokens)
	}
	device /= float64(max(c.Workers, 1))
	if c.Own {
		return 1 / max(c.Front, device)
	}
	return 1 / (c.Front + device)
}

// Rules by which a machine bears more than it can do; the zero value is searchd's.
type Rules struct {
	// Whole has Slots count searches to their end, as until 2026-11-27, and not let
	// the first stage decide.
	Whole bool
	// Late has the share of depth fall from half of the time on, in a line and to
	// nothing, as until then.
	Late bool
	// First serves the first sub-batches of all requests before the second of any.
	First bool
	// Deaf has the second look not give way to the first stage, as until then.
	Deaf bool
}

// Before are the rules until 2026-11-27.
func Before() Rules { return Rules{Whole: true, Late: true, Deaf: true} }

// Config of a simulation. Batch, Slots and Queue have searchd's defaults where
// they are 0: 16, 1024 (16 a core with Rules.Whole), 512.
type Config struct {
	Costs
	Rate     float64 // requests a second, of all machines together
	Seconds  float64 // for how long they come
	Seed     uint64
	Depth    int
	Deadline float64
	Slots    int // searches under way at once on a machine; one more is answered 429
	Rules    Rules
	Queue    int // requests in a scheduler
	Batch    int // pairs in a sub-batch
	Machines int // requests go to them in turn; default 1
	// Least and Most tokens of a text, all lengths being equally frequent; default 5 to 11.
	Least, Most int
	// Arrivals are the times of the requests, where they are to be those of a
	// measurement; else they come by chance (Poisson).
	Arrivals []float64
}

func (c Config) withDefaults() Config {
	c.Workers, c.Machines, c.Cores = max(c.Workers, 1), max(c.Machines, 1), max(c.Cores, 1)
	c.Batch, c.Queue = cmp.Or(c.Batch, 16), cmp.Or(c.Queue, 512)
	if c.Rules.Whole {
		c.Slots = cmp.Or(c.Slots, 16*c.Cores)
	}
	c.Slots = cmp.Or(c.Slots, 1024)
	c.Least, c.Most = cmp.Or(c.Least, 5), cmp.Or(c.Most, 11)
	return c
}

// Result is what became of the requests. Shares, depth and times are of those
// that were answered, as in bench/load.
type Result struct {
	Requests  int     `json:"requests"`
	Refused   float64 `json:"refused"` // share of all requests: 429
	Whole     float64 `json:"read_whole"`
	Partly    float64 `json:"read_partly"`
	None      float64 `json:"not_read"`
	MeanDepth float64 `json:"mean_depth"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
	// InTime is the share of all requests that were answered before their deadlines;
	// NDCG and Recall are nDCG@10 and R@1 of all requests, by Quality, of which those
	// that were not answered in time have none.
	InTime float64 `json:"in_time,omitempty"`
	NDCG   float64 `json:"ndcg,omitempty"`
	Recall float64 `json:"recall_1,omitempty"`
}

// answer is what became of one request.
type answer struct {
	refused bool
	scored  int
	took    float64
}

// Run simulates.
func Run(c Config) Result {
	c = c.withDefaults()
	// Arrivals have a generator of their own: with one seed they are the same,
	// whatever the machines do.
	arrivals := c.Arrivals
	if arrivals == nil {
		arrivals = Poisson(c.Seed, c.Rate, c.Seconds)
	}
	var all []answer
	for i := range c.Machines {
		m := newMachine(c, rand.New(rand.NewPCG(c.Seed, uint64(i)+1))) // #nosec G404 -- a simulation
		for n := i; n < len(arrivals); n += c.Machines {
			m.arrivals = append(m.arrivals, arrivals[n])
		}
		all = append(all, m.run()...)
	}
	r := summarise(all, c.Depth)
	r.rate(all, c.Deadline)
	return r
}

// Poisson gives the times of requests that come by chance.
func Poisson(seed uint64, rate, seconds float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- a simulation
	var all []float64
	for at := rng.ExpFloat64() / rate; at < seconds; at += rng.ExpFloat64() / rate {
		all = append(all, at)
	}
	return all
}

func summarise(all []answer, depth int) Result {
	r := Result{Requests: len(all)}
	var took []float64
	refused, whole, none, read := 0, 0, 0, 0
	for _, a := range all {
		if a.refused {
			refused++
			continue
		}
		took, read = append(took, a.took), read+a.scored
		switch a.scored {
		case depth:
			whole++
		case 0:
			none++
		}
	}
	if len(all) > 0 {
		r.Refused = float64(refused) / float64(len(all))
	}
	if len(took) == 0 {
		return r
	}
	slices.Sort(took)
	n := float64(len(took))
	r.Whole, r.None, r.MeanDepth = float64(whole)/n, float64(none)/n, float64(read)/n
	r.Partly = 1 - r.Whole - r.None
	at := func(p float64) float64 { return 1000 * took[int(p*(n-1)+0.5)] }
	r.P50, r.P95, r.P99 = at(0.5), at(0.95), at(0.99)
	return r
}

// scattered is a time around mean, log-normal.
func scattered(rng *rand.Rand, mean, share float64) float64 {
	if share == 0 {
		return mean
	}
	sigma := math.Sqrt(math.Log1p(share * share))
	return mean * math.Exp(sigma*rng.NormFloat64()-sigma*sigma/2)
}
