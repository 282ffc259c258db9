package main

import (
	"fmt"
	"strings"

	"sightline/bench/report"
)

// readme is the README's section on speed.
func (b *book) readme() string {
	var s strings.Builder
	s.WriteString("## Speed\n\n" + b.beside() + "\n" + b.scans() + "\n" + b.answers())
	s.WriteString("\nWritten from the raw results by `make bench-summary`; [all measurements, by question](docs/benchmarks.md#by-question).\n")
	return s.String()
}

// beside is the table beside transformers.
func (b *book) beside() string {
	v := b.versus
	rows := [][]string{{"", "Sightline, int8", "transformers, fp32", "bf16", "Sightline is faster than fp32, bf16 by"}}
	for _, r := range []struct {
		what string
		e    entrant
	}{
		{"one candidate, 8-token query, patch states cached", pair8},
		{"one candidate, 16-token query", pair16},
		{"one picture with 128 texts, 8 tokens, a text", texts8},
		{"reading one picture at import, alone", oneTower},
		{"reading one picture, in batches of 8", eightTower},
	} {
		rows = append(rows, []string{
			r.what, "**" + b.digits(v, r.e) + " ms**", b.digits(v, r.e.than(full)) + " ms", b.digits(v, r.e.than(half)) + " ms",
			"**" + b.times(v, r.e, r.e.than(full)) + ", " + b.times(v, r.e, r.e.than(half)) + "**",
		})
	}
	rows = append(rows, []string{
		"one candidate as transformers ships it (no cache), 8 / 16 tokens", "", b.digits(v, pair8.shipped()) + " / " + b.digits(v, pair16.shipped()) + " ms", "",
		"**" + b.times(v, pair8, pair8.shipped()) + ", " + b.times(v, pair16, pair16.shipped()) + "**",
	})
	return "BLIP-base at 384 px, random weights, two cores of a Xeon with AMX, beside Hugging Face transformers with the same weights, in one run ([rows, ranges, other processors](docs/benchmarks.md#beside-transformers)):\n\n" +
		report.Table(rows) +
		fmt.Sprintf("\nMedians; ratios are the median of three rounds, and both sides vary by up to a half from round to round on this shared machine. In float32 a candidate takes %s ms over int8 patch states and %s over float32 ones (%s).\n",
			b.digits(v, pairMixed), b.digits(v, pairExact), b.times(v, pairExact, pairExact.than(full))) +
		fmt.Sprintf("A caption of 20 words takes %s ms with 3 beams, %s less than transformers' `generate` ([rows](docs/benchmarks.md#captions-beside-transformers)). Converting a 895 MB checkpoint takes 3 s and 31 MB of memory.\n",
			b.digits(b.captions, caption), b.times(b.captions, caption, caption.than(full)))
}

// scans is the table of stores.
func (b *book) scans() string {
	rows := [][]string{{"", "100,000 items", "1,000,000 items", "1,000,000, a filter leaves 10 %"}}
	cell := func(engine string, items int, filter string) string {
		ours := b.p50(b.store(items, "embedded"), filter)
		if engine == "embedded" {
			return "**" + report.Digits(ours) + " ms**"
		}
		return report.Digits(b.p50(b.store(items, engine), filter)/ours) + "×"
	}
	for _, e := range [][2]string{{"embedded", "**Sightline**"}, {"float32", "float32 in plain Go"}, {"sqlite-vec", "sqlite-vec"}, {"chromem-go", "chromem-go"}} {
		rows = append(rows, []string{e[1], cell(e[0], 100_000, ""), cell(e[0], 1_000_000, ""), cell(e[0], 1_000_000, "category")})
	}
	rows = append(rows, []string{"Milvus Lite (through our adapter)", cell("milvus-lite", 100_000, ""), "", ""})
	return "Searching the embedded index, exact, 256-d, k=10, two cores of a Xeon, all engines in one run ([rows](docs/benchmarks.md#stores-side-by-side)):\n\n" + report.Table(rows)
}

// answers is what the server adds, and a card.
func (b *book) answers() string {
	best, o := b.cached(), b.api.Overhead
	return fmt.Sprintf("The server itself, two cores shared with its clients ([rows](docs/benchmarks.md#the-api-itself-the-demo-model-96-px-65-tokens-of-192)): %.0f answers a second from the cache, p50 %s ms; besides model and index a search takes %s ms in the pipeline and %s ms with HTTP and JSON on both sides (p95).\n",
		best.PerSecond, report.Digits(best.P50), report.Digits(o.Inside.P95), report.Digits(o.Outside.P95)) +
		fmt.Sprintf("\nOn one H100 with `--precision fp16`, 128 candidates of an 8-token query take %s ms from patch states in host memory, %s times less than transformers in fp16 ([how](docs/gpu.md)).\n", between(b.card.ours), between(b.card.ratio))
}
