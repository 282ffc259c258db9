package main

import (
	"strings"
	"time"

	"sightline/bench/report"
)

// results is what a run leaves behind, as JSON.
type results struct {
	Date     time.Time      `json:"date"`
	Commit   string         `json:"commit"`
	Machine  report.Machine `json:"machine"`
	Pictures int            `json:"pictures"`
	Seed     uint64         `json:"seed"`
	Runs     []evaluation   `json:"runs"`
	Captions table          `json:"captions"` // as demo/rate prints it
	Captured int            `json:"captioned"`
	Faulty   int            `json:"faulty_catalogue"`
	Faults   []table        `json:"capfilt"` // as bench/capfilt prints them
}

// evaluation is 'searchd eval' over one index.
type evaluation struct {
	Name    string  `json:"name"`
	By      string  `json:"by"` // text or picture
	Bytes   int64   `json:"features_bytes"`
	Seconds float64 `json:"seconds"`
	Eval    rating  `json:"eval"`
}

// rating is what 'searchd eval --json' prints.
type rating struct {
	Queries     int          `json:"queries"`
	Rows        []row        `json:"rows"`
	Reliability *reliability `json:"reliability,omitempty"`
	Swaps       []swap       `json:"swaps,omitempty"`
}

type row struct {
	Depth int `json:"depth"`
	quality
	P50    float64            `json:"p50_ms"`
	P95    float64            `json:"p95_ms"`
	Cut    int                `json:"cut"`
	ByKind map[string]quality `json:"by_kind,omitempty"`
}

type quality struct {
	Queries int     `json:"queries,omitempty"`
	R1      float64 `json:"r1"`
	R5      float64 `json:"r5"`
	R10     float64 `json:"r10"`
	MRR     float64 `json:"mrr"`
	NDCG    float64 `json:"ndcg10"`
	MAP     float64 `json:"map_100"`
}

type reliability struct {
	Pairs int     `json:"pairs"`
	Brier float64 `json:"brier"`
	ECE   float64 `json:"ece"`
}

type swap struct {
	Kind  string  `json:"kind"`
	Pairs int     `json:"pairs"`
	ITC   float64 `json:"itc"`
	ITM   float64 `json:"reranked"`
}

// at is the row of a depth.
func (r rating) at(depth int) row {
	for _, x := range r.Rows {
		if x.Depth == depth {
			return x
		}
	}
	return row{Depth: -1}
}

// table is one of Markdown, its first row the head.
type table [][]string

// tables reads those that a text has; marks of emphasis are taken off.
func tables(text string) (all []table) {
	var now table
	for line := range strings.Lines(text + "\n\n") { // the end of a text ends its table
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			if len(now) > 1 {
				all = append(all, now)
			}
			now = nil
		case strings.Trim(line, "|- ") == "" && len(now) == 1: // the rule below the head
		default:
			var cells []string
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.Trim(cell, " *"))
			}
			now = append(now, cells)
		}
	}
	return all
}
