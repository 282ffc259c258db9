package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// request is what a plan is asked for.
type request struct {
	Items   float64 `json:"items"`
	QPS     float64 `json:"qps"`
	Depth   float64 `json:"depth"`
	Model   string  `json:"model"`
	States  string  `json:"states"`
	Hits    float64 `json:"hits"`   // share of searches that the cache answers
	Load    float64 `json:"load"`   // of capacity, that machines are planned for
	Cores   float64 `json:"cores"`  // of a machine
	Tokens  float64 `json:"tokens"` // of a text
	Picture float64 `json:"picture_bytes"`
}

// models that plans know.
func models() []string { return []string{"base-int8", "base-fp32", "gpu", "demo"} }

// costs of a model: seconds of a core, or of a card.
type costs struct {
	front, text, pair, imported   float64 // core-seconds
	gpuText, gpuPair, gpuImported float64 // GPU-seconds
	states                        float64 // bytes a picture
	read                          float64 // core-seconds to read and, where pooled, expand one picture's states
}

// costsOf a model. Wall times of 2 cores count as twice as many core-seconds,
// though not both were busy all the time.
func costsOf(r request, f figures, demo demoCosts) costs {
	ms := func(x figure) float64 { return x.Value / 1e3 }
	c := costs{front: demo.front, states: f.Full.Value, read: ms(f.ReadStates)}
	per := r.Tokens / 8 // pairs take as long as their texts
	switch r.Model {
	case "demo":
		c.states, c.read = f.DemoFull.Value, 0 // its reading is in front and pair
		c.pair, c.imported = demo.pair*per, ms(f.ImportDemo)
	case "base-fp32":
		c.text, c.pair, c.imported = 2*ms(f.Text8FP32), 2*ms(f.Pair8FP32)*per, ms(f.ImportBase)
	case "gpu":
		c.gpuText, c.gpuPair, c.gpuImported = ms(f.GPUText), 1/f.GPUPairs32.Value, 1/f.GPUVision.Value
		c.imported = ms(f.Decode)
	default:
		c.text, c.pair, c.imported = 2*ms(f.Text8), 2*ms(f.Pair8)*per, 2*ms(f.Tower)+ms(f.Decode)
	}
	if r.States == "pooled" {
		if c.states = f.Pooled.Value; r.Model == "demo" {
			c.states = f.DemoPooled.Value
		}
		if r.Model != "demo" {
			c.read += ms(f.Expand)
		}
	}
	return c
}

// demoCosts are those of bench/load's machine, in core-seconds.
type demoCosts struct{ front, pair float64 }

// plan is what a request comes to.
type plan struct {
	Request request `json:"request"`
	Store   string  `json:"store"` // embedded or milvus
	// Bytes at rest.
	IndexRAM    float64 `json:"index_memory_bytes"` // of one copy
	IndexDisk   float64 `json:"index_disk_bytes"`
	StatesBytes float64 `json:"states_bytes"`
	Pictures    float64 `json:"pictures_bytes"`
	// Import of everything, once.
	ImportCore float64 `json:"import_core_hours"`
	ImportGPU  float64 `json:"import_gpu_hours"`
	// One search that is not answered from the cache.
	ScanCore   float64 `json:"scan_core_ms"` // embedded only: Milvus's was not measured
	SearchCore float64 `json:"search_core_ms"`
	SearchGPU  float64 `json:"search_gpu_ms"`
	// All of them.
	Cores    float64  `json:"busy_cores"` // at the rate, before room is left
	Machines float64  `json:"machines"`
	GPUs     float64  `json:"gpus"`
	Traffic  float64  `json:"states_bytes_per_second"` // read by the second look
	CoreHour float64  `json:"core_hours_a_day"`
	GPUHour  float64  `json:"gpu_hours_a_day"`
	Nodes    float64  `json:"milvus_query_nodes"` // for one copy; reckoned
	Redis    float64  `json:"redis_bytes"`        // a million kept answers
	First    []string `json:"what_gives_way_first"`
}

func newPlan(r request, f figures, demo demoCosts) plan {
	c := costsOf(r, f, demo)
	p := plan{
		Request: r, Store: "embedded",
		StatesBytes: r.Items * c.states, Pictures: r.Items * r.Picture,
		ImportCore: r.Items * c.imported / 3600, ImportGPU: r.Items * c.gpuImported / 3600,
		IndexRAM: r.Items * f.IndexRAM.Value, IndexDisk: r.Items * f.IndexDisk.Value,
	}
	if r.States == "none" {
		p.StatesBytes, r.Depth = 0, 0
	}
	scan := r.Items / 1e6 * f.Scan.Value / 1e3
	search := c.front + c.text + r.Depth*(c.pair+c.read)
	p.SearchGPU = 1e3 * (c.gpuText + r.Depth*c.gpuPair)
	rate := r.QPS * (1 - r.Hits)
	p.GPUs = math.Ceil(rate * p.SearchGPU / 1e3 / r.Load)
	machines := func(core float64) float64 { return max(math.Ceil(rate*core/r.Load/r.Cores), p.GPUs, 1) }
	if p.ScanCore = 1e3 * scan; r.Items > embeddedLimit || machines(search+scan) > 1 {
		p.Store, p.ScanCore, scan = "milvus", 0, 0
		p.IndexRAM, p.IndexDisk = r.Items*milvusRAM, r.Items*f.MilvusDisk.Value
		p.Nodes, p.Redis = math.Ceil(p.IndexRAM/milvusNode), 1e6*cachedAnswer
	}
	search += scan
	p.SearchCore, p.Cores, p.Machines = 1e3*search, rate*search, machines(search)
	if p.Store == "milvus" {
		p.Machines = max(p.Machines, 2) // one may go
	}
	p.Traffic = rate * r.Depth * c.states
	p.CoreHour, p.GPUHour = 24*p.Cores, 24*rate*p.SearchGPU/1e3
	p.First = first(p, r)
	return p
}

// first says what gives way first, and what to do.
func first(p plan, r request) []string {
	var all []string
	add := func(when bool, format string, args ...any) {
		if when {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(p.StatesBytes > 4e12, "patch states (%s): pooled ones, a bucket with the pictures that are searched for on local disks, or none for what is not sold any more", size(p.StatesBytes))
	add(p.Machines > 8 && p.GPUs == 0, "the second look's cores (%s machines): a card does the pairs of about %.0f of them; less depth; the cache", count(p.Machines), gpuIsCores(r))
	add(p.Traffic > 2e9*p.Machines, "reading patch states (%s/s a machine): pooled ones", size(p.Traffic/p.Machines))
	add(p.Store == "milvus" && p.Nodes > 32, "Milvus (%s query nodes for one copy): an index on disk, which store/milvus does not make", count(p.Nodes))
	add(p.ImportCore > 50_000, "the first import (%s core-hours): cards", count(p.ImportCore))
	if len(all) == 0 {
		all = []string{"nothing within this plan; depth, when more come than planned for"}
	}
	return all
}

// gpuIsCores is how many machines one H100 stands for, by pairs of 8 tokens.
func gpuIsCores(r request) float64 {
	f := measured()
	return math.Round(f.GPUPairs32.Value * 2 * f.Pair8.Value / 1e3 / r.Cores)
}

func (r request) check() error {
	switch {
	case r.Items < 1 || r.Items > 1e11:
		return fmt.Errorf("--items %g: give 1 to 1e11", r.Items)
	case r.QPS <= 0 || r.Depth < 0 || r.Depth > 200 || r.Tokens < 1 || r.Tokens > 512:
		return fmt.Errorf("--qps must be above 0, --depth 0 to 200 and --tokens 1 to 512, not %g, %g and %g", r.QPS, r.Depth, r.Tokens)
	case !slices.Contains(models(), r.Model):
		return fmt.Errorf("--model %q: use one of %v", r.Model, models())
	case !slices.Contains([]string{"full", "pooled", "none"}, r.States):
		return fmt.Errorf("--states %q: use full, pooled or none", r.States)
	case r.Hits < 0 || r.Hits >= 1 || r.Load <= 0 || r.Load > 1 || r.Cores < 1 || r.Picture < 0:
		return errors.New("--hits must be 0 to below 1, --load above 0 to 1, --cores 1 or more, --picture-kb 0 or more")
	}
	return nil
}
