package sim

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sightline/bench/report"
)

// Measured is what the simulation takes of a result file of bench/load.
type Measured struct {
	Date    time.Time      `json:"date"`
	Machine report.Machine `json:"machine"`
	Model   string         `json:"model"`
	Depth   int            `json:"depth"`
	Closed  []struct {
		Clients   int     `json:"clients"`
		OneText   bool    `json:"one_text"`
		PerSecond float64 `json:"requests_per_second"`
	} `json:"closed"`
	Open   []Open `json:"open"`
	Memory struct {
		Requests int     `json:"requests"`
		Depth    int     `json:"depth"`
		Seconds  float64 `json:"seconds"`
	} `json:"memory"`
}

// Open is a measured open loop.
type Open struct {
	Load     float64     `json:"load"`
	Rate     float64     `json:"requests_per_second"`
	Deadline float64     `json:"deadline_ms"`
	Slots    int         `json:"max_searches"`
	Seconds  float64     `json:"seconds"`
	Statuses map[int]int `json:"statuses"`
	Result
}

// Read reads a result file; its 429 are counted into Refused.
func Read(path string) (Measured, error) {
	var m Measured
	if err := report.Read(path, &m); err != nil {
		return m, err
	}
	for i := range m.Open {
		o := &m.Open[i]
		o.Refused = float64(o.Statuses[429]) / float64(max(o.Requests, 1))
	}
	m.Memory.Depth = cmp.Or(m.Memory.Depth, 16) // results of before 2026-11-26 20:00 do not tell it
	return m, nil
}

// Texts of bench/load have 3 to 9 words that the model knows, and two special
// tokens.
const leastTokens, mostTokens = 5, 11

// capacityAt are the clients whose rate is bench/load's load 1.
const capacityAt = 4

// Costs of a machine follow from two closed loops of four clients that read to
// different depths: 1/rate = Front + depth × pair. No open loop is looked at. One
// in ten requests of the second one is by picture and takes a little longer, which
// counts into Front.
func (m Measured) Costs(scatter float64) (Costs, error) {
	rate := 0.0
	for _, c := range m.Closed {
		if c.Clients == capacityAt && !c.OneText {
			rate = c.PerSecond
		}
	}
	if rate == 0 || m.Memory.Requests == 0 || m.Memory.Depth >= m.Depth {
		return Costs{}, errors.New("the results lack the parts closed or memory: run bench/load with both")
	}
	deep, flat := 1/rate, m.Memory.Seconds/float64(m.Memory.Requests)
	pair := (deep - flat) / float64(m.Depth-m.Memory.Depth)
	front := flat - float64(m.Memory.Depth)*pair
	if pair <= 0 || front <= 0 {
		return Costs{}, fmt.Errorf("the closed loops contradict each other: %.2f ms a request at depth %d, %.2f at %d", 1e3*deep, m.Depth, 1e3*flat, m.Memory.Depth)
	}
	return Costs{Cores: m.Machine.Cores, Front: front, Token: pair / (float64(leastTokens+mostTokens) / 2), Workers: 1, Scatter: scatter}, nil
}

// rules are those of the searchd that was measured.
func (m Measured) rules() Rules {
	if m.Date.Before(time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)) {
		return Before()
	}
	return Rules{}
}

// Simulate repeats a measured open loop: the same arrivals, other texts.
func (m Measured) Simulate(o Open, c Costs, seed uint64) Result {
	return Run(Config{
		Costs: c, Seed: seed, Depth: m.Depth, Deadline: o.Deadline / 1000, Slots: o.Slots,
		Least: leastTokens, Most: mostTokens, Arrivals: arrivals(o.Rate, o.Seconds), Rules: m.rules(),
	})
}

// arrivals are those of bench/load, which draws the time to the next request and
// then its client.
func arrivals(rate, seconds float64) []float64 {
	rng := rand.New(rand.NewPCG(3, 4)) // #nosec G404 -- as bench/load
	all := []float64{}
	for at := 0.0; ; {
		at += rng.ExpFloat64() / rate
		if at >= seconds {
			return all
		}
		_ = rng.Float64()
		all = append(all, at)
	}
}
