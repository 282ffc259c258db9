package eval

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// Print writes the report as tables: all queries, then each kind.
func (r Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%d queries, model %s\n\n", r.Queries, r.Model)
	fmt.Fprintln(t, "second look at\tR@1\tR@5\tR@10\tMRR\tnDCG@10\tmAP@100\tp50 ms\tp95 ms\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.1f\t\n", depthName(row.Depth), row.Quality, row.P50, row.P95)
	}
	for _, kind := range r.kinds() {
		fmt.Fprintf(t, "\n%s\n", kind)
		for _, row := range r.Rows {
			fmt.Fprintf(t, "%s\t%s\t\n", depthName(row.Depth), row.ByKind[kind])
		}
	}
	for _, row := range r.Rows {
		if row.Cut > 0 {
			fmt.Fprintf(t, "\n%d searches at depth %d left candidates unread: they ended early, or patch states or titles are missing, and their quality is lower than it could be\n", row.Cut, row.Depth)
		}
	}
	printSwaps(t, r.Swaps)
	r.Reliability.print(t)
	return t.Flush()
}

func (r Report) kinds() []string {
	if len(r.Rows) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(r.Rows[0].ByKind))
}

func depthName(depth int) string {
	if depth == 0 {
		return "none (ITC)"
	}
	return fmt.Sprint(depth)
}

// String is the six figures, separated by tabs.
func (q Quality) String() string {
	return fmt.Sprintf("%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f", q.R1, q.R5, q.R10, q.MRR, q.NDCG, q.MAP)
}
