package main

import (
	"fmt"
	"strings"

	"sightline/bench/report"
)

// Rows and columns of bench/versus that are asked for.
var (
	pair8      = entrant{"match", "L=8, batch 32", "Sightline int8, states int8"}
	pair16     = entrant{"match", "L=16, batch 32", "Sightline int8, states int8"}
	pairExact  = entrant{"match", "L=8, batch 32", "Sightline fp32, states fp32"}
	pairMixed  = entrant{"match", "L=8, batch 32", "Sightline fp32, states int8"}
	texts8     = entrant{"texts", "L=8", "Sightline int8"}
	oneTower   = entrant{"vision", "pixels ready, one", "Sightline int8"}
	eightTower = entrant{"vision", "pixels ready, batch 8", "Sightline int8"}
	oneText    = entrant{"text", "L=8", "Sightline int8"}
	noAMX      = entrant{"no-amx", "L=8, batch 32", "Sightline int8, states int8"}
	avx2       = entrant{"avx2", "L=8, batch 32", "Sightline int8, states int8"}
	caption    = entrant{"captions", "3 beams, from pixels", "Sightline int8"}
	greedy     = entrant{"captions", "greedy, from pixels", "Sightline int8"}
)

const (
	full = "transformers, fp32"
	half = "transformers, bf16 autocast"
)

// than is the same place in another's row.
func (e entrant) than(name string) entrant { return entrant{e[0], e[1], name} }

// shipped is a pair as transformers ships it, which was measured in batches of 8.
func (e entrant) shipped() entrant {
	length, _, _ := strings.Cut(e[1], ",")
	return entrant{"match", length + ", batch 8", "transformers as shipped, fp32"}
}

// digits of a median.
func (b *book) digits(v versus, e entrant) string { return report.Digits(b.ms(v, e)) }

// faster says how many times faster than fp32 and bf16 a row is.
func (b *book) faster(v versus, e entrant) string {
	return fmt.Sprintf("%s and %s less than transformers in fp32 and bf16", b.times(v, e, e.than(full)), b.times(v, e, e.than(half)))
}

// byQuestion is the table at the top of docs/benchmarks.md.
func (b *book) byQuestion() string {
	rows := [][]string{{"question", "answer", "section"}}
	for _, part := range [][][3]string{b.ofSearches(), b.ofModels(), b.ofServers(), b.ofQuality()} {
		for _, r := range part {
			rows = append(rows, []string{r[0], r[1], r[2]})
		}
	}
	var s strings.Builder
	s.WriteString("## By question\n\n`make bench-summary` makes this table and the next from the raw results that the sections name; a test holds them to it, and the README's figures too.\n\n")
	s.WriteString(narrow(rows))
	s.WriteString("\n### Runs\n\nLoad is that of the last minute before the run. Versions of other programs stand in the sections.\n\n" + b.runs())
	return s.String()
}

// runs are the raw results: of what, when, where.
func (b *book) runs() string {
	rows := [][]string{{"section", "measured", "on", "load before", "commit", "raw results"}}
	for _, s := range b.sources {
		load, _, _ := strings.Cut(s.Machine.Load, " ")
		rows = append(rows, []string{
			link(s.mark, s), s.Date.Format("2006-01-02 15:04"), fmt.Sprintf("%d cores of %s, %s", s.Machine.Cores, s.Machine.CPU, s.Machine.Go),
			load, s.Commit, "[JSON](../" + s.file + ")",
		})
	}
	return narrow(rows)
}

// narrow is a table of Markdown whose columns are not lined up: answers are long.
func narrow(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

// link leads from docs/benchmarks.md to a source's section.
func link(text string, s *source) string {
	if s.page == "docs/benchmarks.md" {
		return fmt.Sprintf("[%s](#%s)", text, s.anchor)
	}
	return fmt.Sprintf("[%s](%s)", text, strings.TrimPrefix(s.page, "docs/"))
}

// in links to the section of a mark.
func (b *book) in(mark string) string {
	for _, s := range b.sources {
		if s.mark == mark {
			return link(mark, s)
		}
	}
	return ""
}

func (b *book) ofSearches() [][3]string {
	small, large, plain := b.store(100_000, "embedded"), b.store(1_000_000, "embedded"), b.store(1_000_000, "float32")
	recall := 1.0
	for _, c := range append(small.Cells, large.Cells...) {
		recall = min(recall, c.Recall)
	}
	mb := func(n int64) string { return fmt.Sprintf("%d MB", n>>20) } // as bench/stores has it
	return [][3]string{
		{"How long does the vector search take, 100,000 and 1,000,000 items?", fmt.Sprintf("%s and %s ms (10 of all); recall %s: it is a scan, no approximate index", report.Digits(b.p50(small, "")), report.Digits(b.p50(large, "")), fmt.Sprint(recall)), b.in("stores")},
		{"… with a filter that leaves 10 %?", fmt.Sprintf("%s and %s ms", report.Digits(b.p50(small, "category")), report.Digits(b.p50(large, "category"))), b.in("stores")},
		{"… beside a scan in plain Go, sqlite-vec, chromem-go?", fmt.Sprintf("of 1,000,000 items %s, %s and %s less", b.over("float32"), b.over("sqlite-vec"), b.over("chromem-go")), b.in("stores")},
		{"Memory, disk and opening, 1,000,000 items?", fmt.Sprintf("%s (a float32 matrix alone: %s), %s, %s s", mb(large.Memory), mb(plain.Memory), mb(large.Disk), report.Digits(large.Open)), b.in("stores")},
		{"How many pictures a second does an import take?", b.imports("demo") + " (demo model); " + b.imports("base") + " (BLIP-base, fp32)", b.in("ingest")},
	}
}

// over is how many times longer another engine takes for a million items.
func (b *book) over(engine string) string {
	return report.Digits(b.p50(b.store(1_000_000, engine), "")/b.p50(b.store(1_000_000, "embedded"), "")) + "×"
}

func (b *book) imports(model string) string {
	rate, share := b.rate(model, "indexd import", "vision tower alone")
	return fmt.Sprintf("%s, %.2f of its vision tower's own rate", report.Digits(rate), share)
}

func (b *book) ofModels() [][3]string {
	v := b.versus
	drift := func(row string) string {
		if v.Drift.Max[row] == 0 {
			b.lacks("difference of logits of %q", row)
		}
		return fmt.Sprintf("%.1e", v.Drift.Max[row])
	}
	return [][3]string{
		{"What does a candidate cost, BLIP-base int8, 8 and 16 tokens?", fmt.Sprintf("%s and %s ms: %s and %s less than transformers in fp32, %s and %s than in bf16, all with patch states kept", b.digits(v, pair8), b.digits(v, pair16),
			b.times(v, pair8, pair8.than(full)), b.times(v, pair16, pair16.than(full)), b.times(v, pair8, pair8.than(half)), b.times(v, pair16, pair16.than(half))), b.in("versus")},
		{"… beside transformers as shipped, which keeps none?", fmt.Sprintf("%s and %s less", b.times(v, pair8, pair8.shipped()), b.times(v, pair16, pair16.shipped())), b.in("versus")},
		{"… in fp32, over fp32 and int8 states, 8 tokens?", fmt.Sprintf("%s and %s ms, %s and %s less", b.digits(v, pairExact), b.digits(v, pairMixed), b.times(v, pairExact, pairExact.than(full)), b.times(v, pairMixed, pairExact.than(full))), b.in("versus")},
		{"… without AMX, and with AVX2 only?", fmt.Sprintf("%s and %s ms: %s and %s less than transformers in fp32 under the same limit", b.digits(v, noAMX), b.digits(v, avx2), b.times(v, noAMX, noAMX.than(full)), b.times(v, avx2, avx2.than(full))), b.in("versus")},
		{"One picture, 128 texts of 8 tokens?", fmt.Sprintf("%s ms a text, %s", b.digits(v, texts8), b.faster(v, texts8)), b.in("versus")},
		{"A picture's embedding and patch states, alone and in batches of 8?", fmt.Sprintf("%s and %s ms, %s; %s in batches", b.digits(v, oneTower), b.digits(v, eightTower), b.faster(v, oneTower), b.times(v, eightTower, eightTower.than(full))), b.in("versus")},
		{"A text's embedding, 8 tokens?", fmt.Sprintf("%s ms, %s", b.digits(v, oneText), b.faster(v, oneText)), b.in("versus")},
		{"How far are logits from transformers' in fp32?", fmt.Sprintf("fp32 %s, fp32 over int8 states %s, int8 %s (transformers in bf16 %s)", drift("Sightline fp32, states fp32"), drift("Sightline fp32, states int8"), drift("Sightline int8, states int8"), drift(half)), b.in("versus")},
		{"128 candidates of 8 tokens on one H100, fp16?", fmt.Sprintf("%s ms from patch states in host memory, %s times less than transformers in fp16", between(b.card.ours), between(b.card.ratio)), "[GPU](gpu.md#measured)"},
		{"A caption beside `generate`, greedy and 3 beams?", fmt.Sprintf("int8 %s and %s ms: %s and %s less than transformers in fp32", b.digits(b.captions, greedy), b.digits(b.captions, caption), b.times(b.captions, greedy, greedy.than(full)), b.times(b.captions, caption, caption.than(full))), b.in("versus-captions")},
	}
}

func (b *book) ofServers() [][3]string {
	best := b.cached()
	rows := [][3]string{
		{"Requests a second, 16 clients, 50 candidates, texts all different and all the same (demo model)?", fmt.Sprintf("%s and %s", report.Digits(b.closed(16, false)), report.Digits(b.closed(16, true))), b.in("load")},
		{"Twice as many requests as can be read whole?", b.overload(300) + "; " + b.overload(1000), b.in("load")},
		{"A device that hangs, or fails?", b.broken(), b.in("load")},
		{"Memory of searchd over 20,000 requests?", fmt.Sprintf("demo model %s; BLIP-base int8 %s; fp32 %s", memory(b.load), memory(b.base), memory(b.exact)), b.in("load") + ", " + b.in("load-base-int8") + ", " + b.in("load-base")},
		{"Answers from the cache?", fmt.Sprintf("%.0f a second with %d connections, p50 %s ms", best.PerSecond, best.Clients, report.Digits(best.P50)), b.in("api")},
		{"What does the API add to model and index?", fmt.Sprintf("p95 %s ms in the pipeline, %s ms with HTTP and JSON on both sides", report.Digits(b.api.Overhead.Inside.P95), report.Digits(b.api.Overhead.Outside.P95)), b.in("api")},
		{"Does it grow or forget when it is kept busy and broken?", b.soaked(), b.in("soak")},
		{"What do searches notice when programs of a cluster die?", fmt.Sprintf("%s; %d of %d hits wrong", b.played(), len(b.rehearsal.Violations), b.rehearsal.Hits), b.in("rehearsal")},
	}
	return rows
}

func memory(l load) string {
	return fmt.Sprintf("%d MB ready, %d at the end, %+.1f MB per 10,000", l.Memory.Ready/1e6, l.Memory.End/1e6, l.Memory.Slope/1e6)
}
