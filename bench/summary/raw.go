package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"sightline/bench/report"
)

// head is what all results have.
type head struct {
	Date    time.Time      `json:"date"`
	Commit  string         `json:"commit"`
	Machine report.Machine `json:"machine"`
}

// source is a file of raw results, which a section of a page names.
type source struct {
	page, mark, anchor string
	optional           bool // not measured yet
	file               string
	head
}

// book has all results that the pages name.
type book struct {
	root    string
	sources []*source

	versus, captions versus
	stores           stores
	ingest           ingest
	load, api        load
	base, exact      load // BLIP-base, int8 and fp32
	soak, rehearsal  trial
	quality          quality
	labels           labels
	parts            parts
	card             card

	errs []error
}

func open(root string) (*book, error) {
	b := &book{root: root}
	const benchmarks = "docs/benchmarks.md"
	for _, s := range []struct {
		source
		into any
	}{
		{source{page: benchmarks, mark: "versus", anchor: "beside-transformers"}, &b.versus},
		{source{page: benchmarks, mark: "versus-captions", anchor: "captions-beside-transformers"}, &b.captions},
		{source{page: benchmarks, mark: "stores", anchor: "stores-side-by-side"}, &b.stores},
		{source{page: benchmarks, mark: "ingest", anchor: "importing"}, &b.ingest},
		{source{page: benchmarks, mark: "load", anchor: "under-load-the-demo-model-96-px-65-tokens-of-192"}, &b.load},
		{source{page: benchmarks, mark: "load-base", anchor: "under-load-blip-base-with-random-weights-vit-b16-at-384-px-577-tokens-fp32"}, &b.exact},
		{source{page: benchmarks, mark: "load-base-int8", anchor: "under-load-blip-base-with-random-weights-vit-b16-at-384-px-577-tokens-int8"}, &b.base},
		{source{page: benchmarks, mark: "api", anchor: "the-api-itself-the-demo-model-96-px-65-tokens-of-192"}, &b.api},
		{source{page: "docs/soak.md", mark: "soak"}, &b.soak},
		{source{page: "docs/rehearsal.md", mark: "rehearsal"}, &b.rehearsal},
		{source{page: benchmarks, mark: "quality", anchor: "quality-of-the-demo-model", optional: true}, &b.quality},
		{source{page: "docs/labels.md", mark: "labels"}, &b.labels},
		{source{page: benchmarks, mark: "parts", anchor: "parts-alone", optional: true}, &b.parts},
	} {
		if err := b.read(&s.source, s.into); err != nil {
			return nil, err
		}
	}
	return b, b.readCard()
}

var filePattern = regexp.MustCompile("`(bench/[a-z]+/results/[^`]+\\.json)`")

// read finds the file that a section names, and reads it twice: once for what all have.
func (b *book) read(s *source, into any) error {
	page, err := b.text(s.page)
	if err != nil {
		return err
	}
	_, section, _ := strings.Cut(page, "<!-- "+s.mark+": ")
	section, _, _ = strings.Cut(section, "<!-- end of "+s.mark+" -->")
	named := filePattern.FindStringSubmatch(section)
	if named == nil {
		if s.optional {
			return nil
		}
		return fmt.Errorf("%s has no section %q that names raw results: run make bench-%s", s.page, s.mark, s.mark)
	}
	s.file = named[1]
	raw, err := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(s.file))) // #nosec G304 -- the project's own page names it
	if err != nil {
		return fmt.Errorf("%s names raw results that are not there: %w", s.page, err)
	}
	if err := errors.Join(json.Unmarshal(raw, &s.head), json.Unmarshal(raw, into)); err != nil {
		return fmt.Errorf("read %s: %w", s.file, err)
	}
	b.sources = append(b.sources, s)
	return nil
}

func (b *book) text(page string) (string, error) {
	text, err := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(page))) // #nosec G304 -- the project's own
	if err != nil {
		return "", fmt.Errorf("read page: %w; run it in the root of the repository, or give -root", err)
	}
	return string(text), nil
}

// lacks notes a figure that the results have not.
func (b *book) lacks(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("the results have no "+format, args...))
}

func (b *book) err() error { return errors.Join(b.errs...) }

// versus are results of bench/versus.
type versus struct {
	Rows  []versusRow `json:"rows"`
	Drift struct {
		Max map[string]float64 `json:"max"`
	} `json:"drift"`
}

type versusRow struct {
	Table string      `json:"table"`
	Cell  string      `json:"cell"`
	Name  string      `json:"name"`
	Batch int         `json:"batch"`
	Turns [][]float64 `json:"turns_ms"`
}

// entrant is a row's place: table, column, name.
type entrant [3]string

func (b *book) row(v versus, e entrant) versusRow {
	i := slices.IndexFunc(v.Rows, func(r versusRow) bool { return entrant{r.Table, r.Cell, r.Name} == e && len(r.Turns) > 0 })
	if i < 0 {
		b.lacks("row %q of bench/versus", e)
		return versusRow{Batch: 1, Turns: [][]float64{{0}}}
	}
	return v.Rows[i]
}

// ms is the median of all runs, a pair, picture or text.
func (b *book) ms(v versus, e entrant) float64 {
	r := b.row(v, e)
	return report.SpreadOf(slices.Concat(r.Turns...)).Median / float64(r.Batch)
}

// times says how many times faster ours is: the median of the rounds, as bench/versus has it.
func (b *book) times(v versus, ours, theirs entrant) string {
	mine, other := b.row(v, ours), b.row(v, theirs)
	all := make([]float64, min(len(mine.Turns), len(other.Turns)))
	for i := range all {
		m, o := report.SpreadOf(slices.Clone(mine.Turns[i])), report.SpreadOf(slices.Clone(other.Turns[i]))
		all[i] = o.Median / float64(other.Batch) / (m.Median / float64(mine.Batch))
	}
	return report.Digits(report.SpreadOf(all).Median) + "×"
}
