package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// apiRow is a closed loop against what a searchd does besides model and index.
type apiRow struct {
	Clients   int     `json:"clients"`
	Seconds   float64 `json:"seconds"`
	Requests  int     `json:"requests"`
	Wrong     int     `json:"wrong"` // answers other than those that were meant
	PerSecond float64 `json:"requests_per_second"`
	CPU       float64 `json:"server_cpu_seconds"`
	Bytes     int     `json:"bytes_per_answer"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
}

// overheadRow is what searches take besides model and index, in ms.
type overheadRow struct {
	Requests int     `json:"requests"`
	Inside   quarter `json:"inside_ms"` // total less encode, search and rerank, as the answers say
	Outside  quarter `json:"outside_ms"`
	Total    quarter `json:"total_ms"`
}

type quarter struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

func quarterOf(all []float64) quarter {
	slices.Sort(all)
	at := func(p float64) float64 { return all[int(p*float64(len(all)-1)+0.5)] }
	return quarter{at(0.5), at(0.95), at(0.99)}
}

// cachedClients are connections that are kept, each of which asks again when it
// is answered.
func cachedClients() []int { return []int{1, 2, 4, 16} }

// lean is a connection that spends little on HTTP: the client's work is done on
// the processors that the server needs.
type lean struct {
	net.Conn
	in      *bufio.Reader
	request []byte
}

func dial(ctx context.Context, url string, body string) (*lean, error) {
	address := strings.TrimPrefix(url, "http://")
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reach searchd: %w", err)
	}
	head := fmt.Sprintf("POST /v1/search HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", address, len(body))
	return &lean{c, bufio.NewReaderSize(c, 64<<10), []byte(head + body)}, nil
}

// cachedMark is in every answer from the cache.
const cachedMark = `"cached":true`

// ask sends the request once, and gives the size of the answer; an error says
// that it was not one from the cache.
func (l *lean) ask() (int, error) {
	if _, err := l.Write(l.request); err != nil {
		return 0, err
	}
	size, ok := 0, false
	for first := true; ; first = false {
		line, err := l.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if first {
			ok = strings.HasPrefix(text, "HTTP/1.1 200 ")
		}
		if name, value, found := strings.Cut(text, ":"); found && strings.EqualFold(name, "Content-Length") {
			if size, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, err
			}
		}
		if text == "" {
			break
		}
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(l.in, body); err != nil {
		return 0, err
	}
	if !ok || !strings.Contains(string(body[max(0, size-400):]), cachedMark) {
		return size, errNotCached
	}
	return size, nil
}

var errNotCached = errors.New("an answer that is not from the cache")

// cached measures answers from the cache: JSON in, JSON out, nothing between.
func (b *bench) cached(ctx context.Context) error {
	b.caching = true
	defer func() { b.caching = false }()
	return b.with(ctx, b.searchd, b.slots, func(s *server, c *client) error {
		q := query{text: b.words.next(), depth: b.depth, deadline: unhurried}
		body, err := q.body()
		if err != nil {
			return err
		}
		for range 2 {
			if got := c.ask(ctx, q); got.status != 200 {
				return fmt.Errorf("a first search: status %d", got.status)
			}
		}
		for _, clients := range cachedClients() {
			row, err := cachedLoop(ctx, s, clients, string(body), b.closed)
			if err != nil {
				return err
			}
			b.r.Cached = append(b.r.Cached, row)
			fmt.Fprintf(b.log, "  %d clients: %.0f requests/s, p50 %.3f ms, p99 %.3f ms\n", clients, row.PerSecond, row.P50, row.P99)
		}
		return nil
	})
}

func cachedLoop(ctx context.Context, s *server, clients int, body string, lasts time.Duration) (apiRow, error) {
	row := apiRow{Clients: clients}
	before, err := s.cpu()
	if err != nil {
		return row, err
	}
	took, failures := make([][]float64, clients), make([]error, clients)
	sizes, wrong := make([]int, clients), make([]int, clients)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			l, err := dial(ctx, s.url, body)
			if err != nil {
				failures[i] = err
				return
			}
			defer func() { _ = l.Close() }() // all was answered, or failed already
			for time.Since(begin) < lasts && ctx.Err() == nil {
				at := time.Now()
				if sizes[i], err = l.ask(); errors.Is(err, errNotCached) {
					wrong[i]++
				} else if err != nil {
					failures[i] = err
					return
				}
				took[i] = append(took[i], ms(time.Since(at)))
			}
		})
	}
	wg.Wait()
	row.Seconds = time.Since(begin).Seconds()
	after, err := s.cpu()
	if err := errors.Join(append(failures, err, ctx.Err())...); err != nil {
		return row, err
	}
	all := slices.Concat(took...)
	q := quarterOf(all)
	row.Requests, row.Bytes, row.CPU = len(all), sizes[0], after-before
	row.PerSecond, row.P50, row.P95, row.P99 = float64(len(all))/row.Seconds, q.P50, q.P95, q.P99
	for _, n := range wrong {
		row.Wrong += n
	}
	return row, nil
}

// overheadRequests are enough for a 95th percentile.
const overheadRequests = 2000

// overhead measures what the pipeline takes besides model and index: one client,
// all texts different, no cache.
func (b *bench) overhead(ctx context.Context) error {
	return b.with(ctx, b.searchd, b.slots, func(_ *server, c *client) error {
		var inside, outside, total []float64
		for range min(overheadRequests, b.requests) {
			q := query{text: b.words.next(), depth: b.depth, deadline: unhurried}
			body, err := q.body()
			if err != nil {
				return err
			}
			var answer struct {
				Timings map[string]float64 `json:"timings_ms"`
			}
			at := time.Now()
			if status := c.post(ctx, "/v1/search", body, &answer); status != 200 {
				return fmt.Errorf("a search: status %d", status)
			}
			took, t := ms(time.Since(at)), answer.Timings
			parts := t["encode"] + t["search"] + t["rerank"]
			inside, outside, total = append(inside, t["total"]-parts), append(outside, took-parts), append(total, took)
		}
		b.r.Overhead = &overheadRow{len(total), quarterOf(inside), quarterOf(outside), quarterOf(total)}
		fmt.Fprintf(b.log, "  besides model and index: p95 %.3f ms inside, %.3f ms for the client\n", b.r.Overhead.Inside.P95, b.r.Overhead.Outside.P95)
		return nil
	})
}
