package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"sightline/bench/stores/dataset"
	"sightline/bench/stores/engine"
)

const (
	sectionBegin = "<!-- stores: written by `make bench-stores`; edits are lost -->"
	sectionEnd   = "<!-- end of stores -->"
)

func (o *options) renderFile(out io.Writer) error {
	r, err := readResults(o.render)
	if err != nil {
		return err
	}
	return o.show(out, r, o.render)
}

// show prints the section and, where asked, writes it into the page.
func (o *options) show(out io.Writer, r *results, from string) error {
	text := section(r, from)
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("print tables: %w", err)
	}
	if o.docs == "" {
		return nil
	}
	page, err := os.ReadFile(o.docs) // #nosec G703 -- the user's own page
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read page: %w", err)
	}
	if err := os.WriteFile(o.docs, []byte(replaceSection(string(page), text)), 0o644); err != nil { // #nosec G703 -- as above
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// replaceSection puts the section between its marks, or at the end of a page
// that has none.
func replaceSection(page, text string) string {
	before, rest, found := strings.Cut(page, sectionBegin)
	after := "\n"
	if found {
		_, after, _ = strings.Cut(rest, sectionEnd)
	} else if before != "" {
		before = strings.TrimRight(before, "\n") + "\n\n"
	}
	return before + sectionBegin + "\n" + text + sectionEnd + cmp.Or(after, "\n")
}

// section is the whole text of one run's results.
func section(r *results, from string) string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "## Stores side by side\n\n")
	fmt.Fprintf(&b, "`make bench-stores`, %s, %d cores of %s (%s), %d GB, Linux %s, %s, load before %s; commit %s, %s.\n\n",
		r.Date.Format("2006-01-02 15:04 MST"), m.Cores, m.CPU, strings.Join(m.Features, " "), (m.RAM+1<<29)>>30, m.Kernel, m.Go, m.Load, r.Commit, source(from))
	fmt.Fprintf(&b, "Vectors of %d dimensions around 1,000 centres, five variants of a product close together; %d queries, each near an item (cosine 0.71); filters on the\n"+
		"query's own category (10 %% of the items) and brand (0.5 %%). Each engine is open in a process of its own; they take turns in %d rounds, one at work at a time, a turn\n"+
		"no longer than %s, so slow engines were asked fewer of the queries (the results say how many). Recall is judged by float64 brute force.\n\n", dataset.Dim, r.Queries, r.Rounds, r.Limit)
	engines := table{{"engine", "version", "what it is"}}
	for _, e := range r.Engines {
		about := e.About
		if e.Missing != "" {
			about = "not measured: " + e.Missing
		}
		engines = append(engines, []string{bold(e.Name), cmp.Or(e.Version, "–"), about})
	}
	b.WriteString(engines.String())
	for _, s := range r.Sizes {
		fmt.Fprintf(&b, "\n### %s items\n\n%s\n%s\n%s", thousands(s.Items), s.latencies(), s.costs(), s.resources())
		b.WriteString(s.failures())
	}
	b.WriteString("\n" + notes)
	return b.String()
}

// source names the raw results as the repository does.
func source(path string) string {
	if path == "" {
		return "raw results not kept"
	}
	return "raw results in `bench/stores/results/" + filepath.Base(path) + "`"
}

const notes = "In brackets: how many times the embedded store's figure. More than 1 is worse than it, except for searches a second, where less than 1 is. Opening is from\n" +
	"nothing to the first answer, with the files in the system's cache. Import ends when the engine is closed; Milvus Lite's has its start, its flush and its end in it.\n" +
	"Memory is what all the engine's processes hold after the last round, with the pages of its files where it maps them, as sqlite-vec does here: the system may take\n" +
	"those back. Peaks count a mapped page once for each connection, of which sqlite-vec has two.\n"

func bold(name string) string {
	if name == engine.Ours {
		return "**" + name + "**"
	}
	return name
}

func (c cell) title() string {
	share := map[string]string{"": "all", "category": "10 %", "brand": "0.5 %"}
	return fmt.Sprintf("k=%d, %s", c.K, share[c.Filter])
}
