// Command show asks a running searchd and prints the answers as tables: what
// re-ranking changed, and what it cost.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "show:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("usage: show ADDRESS QUERY …")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := waitReady(ctx, args[0]); err != nil {
		return err
	}
	for _, query := range args[1:] {
		a, err := search(ctx, args[0], query)
		if err != nil {
			return fmt.Errorf("search %q: %w", query, err)
		}
		if err := a.print(out, query); err != nil {
			return err
		}
	}
	return nil
}

// waitReady polls /readyz; a large model takes seconds to load.
func waitReady(ctx context.Context, address string) error {
	for {
		resp, err := get(ctx, address+"/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", address, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// answer is what show reads of POST /v1/search's answer.
type answer struct {
	Hits []struct {
		Score       float64  `json:"score"`
		ITC         float64  `json:"itc"`
		Probability *float64 `json:"match_probability"`
		Rank        int      `json:"rank"`
		ITCRank     int      `json:"itc_rank"`
		Item        struct {
			ID    string `json:"id"`
			Title string `json:"title"`
		} `json:"item"`
	} `json:"hits"`
	Rerank struct {
		Scored int `json:"scored"`
		Of     int `json:"of"`
	} `json:"rerank"`
	Timings struct {
		Rerank float64 `json:"rerank"`
		Total  float64 `json:"total"`
	} `json:"timings_ms"`
}

func search(ctx context.Context, address, query string) (answer, error) {
	resp, err := get(ctx, address+"/v1/search?limit=3&q="+url.QueryEscape(query))
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var a answer
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("search answered %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("read answer: %w", err)
	}
	return a, nil
}

func (a answer) print(out io.Writer, query string) error {
	fmt.Fprintf(out, "\n%q\n\n", query)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "rank\twas\tmatch\tscore\tcosine\titem")
	for _, h := range a.Hits {
		match := "-"
		if h.Probability != nil {
			match = fmt.Sprintf("%.0f %%", 100**h.Probability)
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%.2f\t%.3f\t%s  %s\n", h.Rank, h.ITCRank, match, h.Score, h.ITC, h.Item.ID, h.Item.Title)
	}
	fmt.Fprintf(w, "\n%d of %d candidates looked at twice, %.0f of %.0f ms\n", a.Rerank.Scored, a.Rerank.Of, a.Timings.Rerank, a.Timings.Total)
	return w.Flush()
}
