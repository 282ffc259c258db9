package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Show prints the section of `make bench-NAME` and, where page is not "", writes
// it into that file.
func Show(out io.Writer, name, text, page string) error {
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("print tables: %w", err)
	}
	if page == "" {
		return nil
	}
	old, err := os.ReadFile(page) // #nosec G703 -- the user's own page
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read page: %w", err)
	}
	if err := os.WriteFile(page, []byte(Replace(string(old), name, text)), 0o644); err != nil { // #nosec G703 -- as above
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// Replace puts a section between its marks, or at the end of a page that has
// none.
func Replace(page, name, text string) string {
	begin := fmt.Sprintf("<!-- %s: written by `make bench-%[1]s`; edits are lost -->", name)
	end := fmt.Sprintf("<!-- end of %s -->", name)
	before, rest, found := strings.Cut(page, begin)
	after := "\n"
	if found {
		_, after, _ = strings.Cut(rest, end)
	} else if before != "" {
		before = strings.TrimRight(before, "\n") + "\n\n"
	}
	return before + begin + "\n" + text + end + cmp.Or(after, "\n")
}

// Versions lists programs with their versions, by name.
func Versions(v map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		all = append(all, name+" "+v[name])
	}
	return strings.Join(all, ", ")
}

// Table lines up the columns of Markdown, so that a terminal shows the same
// text. The first row is the head.
func Table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for i, row := range rows {
		writeRow(&b, row, widths)
		if i == 0 {
			rules := make([]string, len(row))
			for j := range rules {
				rules[j] = strings.Repeat("-", widths[j])
			}
			writeRow(&b, rules, widths)
		}
	}
	return b.String()
}

func writeRow(b *strings.Builder, row []string, widths []int) {
	for i, text := range row {
		b.WriteString("| " + text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+1))
	}
	b.WriteString("|\n")
}

// Digits shows two or three of them, which is more than repeated runs agree on.
func Digits(x float64) string {
	switch {
	case x >= 99.95:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x < 0.0995 && x > 0:
		return strconv.FormatFloat(x, 'f', 3, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}
