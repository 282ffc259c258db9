package main

import (
	"fmt"
	"slices"

	"sightline/bench/report"
)

// stores are results of bench/stores.
type stores struct {
	Sizes []struct {
		Items   int     `json:"items"`
		Engines []store `json:"engines"`
	} `json:"sizes"`
}

type store struct {
	Name   string  `json:"name"`
	Import float64 `json:"import_s"`
	Open   float64 `json:"open_s"`
	Memory int64   `json:"pss"`
	Disk   int64   `json:"disk"`
	Cells  []struct {
		K      int     `json:"k"`
		Filter string  `json:"filter"`
		P50    float64 `json:"p50_us"`
		P95    float64 `json:"p95_us"`
		Recall float64 `json:"recall"`
	} `json:"cells"`
}

func (b *book) store(items int, engine string) store {
	for _, s := range b.stores.Sizes {
		i := slices.IndexFunc(s.Engines, func(e store) bool { return e.Name == engine && len(e.Cells) > 0 })
		if s.Items == items && i >= 0 {
			return s.Engines[i]
		}
	}
	b.lacks("%d items in %s", items, engine)
	return store{}
}

// p50 of a search for 10, in ms.
func (b *book) p50(s store, filter string) float64 {
	for _, c := range s.Cells {
		if c.K == 10 && c.Filter == filter {
			return c.P50 / 1e3
		}
	}
	b.lacks("search with the filter %q in %s", filter, s.Name)
	return 0
}

// ingest are results of bench/ingest.
type ingest struct {
	Models []struct {
		Name string `json:"name"`
		Rows []struct {
			Name  string `json:"name"`
			Turns []struct {
				Pictures float64 `json:"pictures"`
				Seconds  float64 `json:"seconds"`
			} `json:"turns"`
		} `json:"rows"`
	} `json:"models"`
}

// rate is pictures a second, and how many times the other row's of the same round.
func (b *book) rate(model, name, other string) (perSecond, share float64) {
	of := map[string][]float64{}
	for _, m := range b.ingest.Models {
		for _, r := range m.Rows {
			for _, t := range r.Turns {
				of[m.Name+r.Name] = append(of[m.Name+r.Name], t.Pictures/t.Seconds)
			}
		}
	}
	mine, theirs := of[model+name], of[model+other]
	if len(mine) == 0 || len(theirs) != len(mine) {
		b.lacks("import %q beside %q of the model %s", name, other, model)
		return 0, 0
	}
	shares := make([]float64, len(mine))
	for i := range mine {
		shares[i] = mine[i] / theirs[i]
	}
	return report.SpreadOf(mine).Median, report.SpreadOf(shares).Median
}

// load are results of bench/load, whichever parts a run had.
type load struct {
	Closed []struct {
		Clients   int     `json:"clients"`
		OneText   bool    `json:"one_text"`
		PerSecond float64 `json:"requests_per_second"`
	} `json:"closed"`
	Open []struct {
		Load     float64 `json:"load"`
		Deadline float64 `json:"deadline_ms"`
		Slots    int     `json:"max_searches"`
		Depth    float64 `json:"mean_depth"`
		P99      float64 `json:"p99_ms"`
	} `json:"open"`
	Faults []struct {
		Kind    string  `json:"kind"`
		Noticed float64 `json:"noticed_seconds"`
		Back    float64 `json:"recovered_seconds"`
	} `json:"faults"`
	Memory struct {
		Ready    int64   `json:"ready"`
		End      int64   `json:"end"`
		Slope    float64 `json:"bytes_per_10000_requests"`
		Requests int     `json:"requests"`
	} `json:"memory"`
	Cached []struct {
		Clients   int     `json:"clients"`
		PerSecond float64 `json:"requests_per_second"`
		P50       float64 `json:"p50_ms"`
	} `json:"cached"`
	Overhead struct {
		Inside  percentiles `json:"inside_ms"`
		Outside percentiles `json:"outside_ms"`
		Total   percentiles `json:"total_ms"`
	} `json:"overhead"`
}

type percentiles struct{ P50, P95, P99 float64 }

// trial are results of bench/soak and bench/rehearsal.
type trial struct {
	Seconds    float64             `json:"duration_seconds"`
	Steps      []struct{ OK bool } `json:"steps"`
	Hits       int                 `json:"hits_checked"`
	Violations []any               `json:"violations"`
	Trends     []struct {
		Name          string
		Growth, Limit float64
	} `json:"trends"`
}

// quality are results of bench/quality.
type quality struct {
	Runs []struct {
		Name string `json:"name"`
		By   string `json:"by"`
		Eval struct {
			Queries int         `json:"queries"`
			Rows    []rankedRow `json:"rows"`
			Swaps   []struct {
				Kind string  `json:"kind"`
				ITC  float64 `json:"itc"`
				ITM  float64 `json:"reranked"`
			} `json:"swaps"`
		} `json:"eval"`
	} `json:"runs"`
	Captions [][]string   `json:"captions"`
	Faults   [][][]string `json:"capfilt"`
}

type rankedRow struct {
	Depth int     `json:"depth"`
	R1    float64 `json:"r1"`
	NDCG  float64 `json:"ndcg10"`
	Kinds map[string]struct {
		R1 float64 `json:"r1"`
	} `json:"by_kind"`
}

// ranked is a run's row at a depth.
func (b *book) ranked(run, by string, depth int) rankedRow {
	for _, r := range b.quality.Runs {
		i := slices.IndexFunc(r.Eval.Rows, func(x rankedRow) bool { return x.Depth == depth })
		if r.Name == run && r.By == by && i >= 0 {
			return r.Eval.Rows[i]
		}
	}
	b.lacks("ranking %q by %s at depth %d", run, by, depth)
	return rankedRow{}
}

// cell is that of a printed table: by the start of its row and its column's name.
func (b *book) cell(t [][]string, row, column string) string {
	if len(t) > 0 {
		for _, r := range t[1:] {
			if i := slices.Index(t[0], column); r[0] == row && i >= 0 && i < len(r) {
				return r[i]
			}
		}
	}
	b.lacks("cell %q of %q", column, row)
	return "?"
}

// parts are results of bench/parts.
type parts struct {
	Rows []struct {
		Name string             `json:"name"`
		Best map[string]float64 `json:"least"`
	} `json:"rows"`
}

// labels are results of bench/labels.
type labels struct {
	Calibration struct {
		Labels []struct {
			Label struct {
				Name string `json:"name"`
			} `json:"label"`
			Held struct {
				Precision struct {
					Value float64 `json:"value"`
				} `json:"precision"`
				Recall struct {
					Value float64 `json:"value"`
				} `json:"recall"`
			} `json:"held"`
		} `json:"labels"`
	} `json:"calibration"`
}

// label is what was found of a label on pictures that its threshold was not fitted to.
func (b *book) label(name string) string {
	for _, l := range b.labels.Calibration.Labels {
		if l.Label.Name == name {
			return fmt.Sprintf("%q %.3f / %.3f", name, l.Held.Precision.Value, l.Held.Recall.Value)
		}
	}
	b.lacks("label %q", name)
	return ""
}
