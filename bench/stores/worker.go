package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"sightline/bench/stores/dataset"
	"sightline/bench/stores/engine"
)

// workerCommand, as the first argument, makes the program one engine's process.
// It takes orders from standard input, one JSON object a line, and answers each
// with one line; it ends when there are no more.
const workerCommand = "worker"

// task is the worker's second argument, as JSON.
type task struct {
	Engine string
	Dir    string // the engine's own
	Set    dataset.Set
}

// order asks for one thing: an import, the opening, or queries From to To of
// one cell, for Limit at most. Clients ask at the same time.
type order struct {
	Do      string // "import", "open", "search"
	Cell    cell
	From    int
	To      int
	Clients int
	Limit   time.Duration
}

// cell is one column of the table.
type cell struct {
	K      int    `json:"k"`
	Filter string `json:"filter,omitempty"` // of dataset.Filters
}

// reply answers an order.
type reply struct {
	Err    string
	Wall   time.Duration
	CPU    time.Duration
	Memory int64           // bytes at the end
	Peak   int64           // bytes since the process began
	Times  []time.Duration // of query From and those after it
	Rows   [][]int
}

type worker struct {
	task   task
	kind   engine.Kind
	open   engine.Engine
	vector [][]float32
}

func work(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	w := &worker{}
	if len(args) != 1 {
		return errors.New("a worker is started by the benchmark, with one task")
	}
	if err := json.Unmarshal([]byte(args[0]), &w.task); err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	i := slices.IndexFunc(engine.Kinds(), func(k engine.Kind) bool { return k.Name == w.task.Engine })
	if i < 0 {
		return fmt.Errorf("there is no engine %q", w.task.Engine)
	}
	w.kind = engine.Kinds()[i]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	orders := make(chan order)
	go readOrders(in, orders, cancel)
	defer func() {
		if w.open != nil {
			err = errors.Join(err, w.open.Close())
		}
	}()
	return w.serve(ctx, orders, json.NewEncoder(out))
}

// readOrders cancels what is under way when the benchmark has gone.
func readOrders(in io.Reader, orders chan<- order, cancel func()) {
	defer close(orders)
	defer cancel()
	lines := json.NewDecoder(bufio.NewReader(in))
	for {
		var o order
		if err := lines.Decode(&o); err != nil {
			return
		}
		orders <- o
	}
}

func (w *worker) serve(ctx context.Context, orders <-chan order, out *json.Encoder) error {
	for o := range orders {
		before, start := w.cpu(), time.Now()
		r, err := w.do(ctx, o)
		if r.Wall == 0 {
			r.Wall = time.Since(start)
		}
		r.CPU = w.cpu() - before
		if err != nil {
			r.Err = err.Error()
		}
		memory, memErr := memoryOf(w.processes())
		r.Memory, r.Peak = memory.now, memory.peak+endedPeak()
		if err := errors.Join(memErr, out.Encode(r)); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

func (w *worker) do(ctx context.Context, o order) (reply, error) {
	switch o.Do {
	case "import":
		return reply{}, w.kind.Import(ctx, w.task.Dir, w.task.Set)
	case "open":
		return reply{}, w.start(ctx)
	case "search":
		return w.search(ctx, o)
	}
	return reply{}, fmt.Errorf("unknown order %q", o.Do)
}

// start ends with the first answer: some engines open at once and load later.
func (w *worker) start(ctx context.Context) (err error) {
	if w.vector, err = w.task.Set.QueryVectors(); err != nil {
		return err
	}
	if w.open, err = w.kind.Open(ctx, w.task.Dir, w.task.Set); err != nil {
		return err
	}
	hits, err := w.open.Search(ctx, engine.Query{Vector: w.vector[0], K: 10})
	if err == nil && len(hits) != 10 {
		err = fmt.Errorf("the first search found %d items, not 10", len(hits))
	}
	return err
}

// minSearches are made in each turn, however long they take.
const minSearches = 3

func (w *worker) search(ctx context.Context, o order) (reply, error) {
	if w.open == nil || o.From < 0 || o.To > len(w.vector) {
		return reply{}, errors.New("searches need an open engine and queries of the dataset")
	}
	r := reply{Times: make([]time.Duration, o.To-o.From), Rows: make([][]int, o.To-o.From)}
	taken := turn{size: len(r.Times), limit: o.Limit, start: time.Now()}
	errs := make([]error, o.Clients)
	var all sync.WaitGroup
	for c := range o.Clients {
		all.Go(func() {
			for i, ok := taken.next(); ok && errs[c] == nil; i, ok = taken.next() {
				errs[c] = w.ask(ctx, o, i, &r)
			}
		})
	}
	all.Wait()
	r.Wall = time.Since(taken.start)
	r.Times, r.Rows = r.Times[:taken.begun], r.Rows[:taken.begun]
	return r, errors.Join(errs...)
}

// turn hands out queries to clients until its time is over.
type turn struct {
	mu    sync.Mutex
	begun int
	size  int
	limit time.Duration
	start time.Time
}

func (t *turn) next() (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun == t.size || t.begun >= minSearches && time.Since(t.start) > t.limit {
		return 0, false
	}
	t.begun++
	return t.begun - 1, true
}

// ask makes one search. Translating the filter is part of it, turning ids into
// rows is not.
func (w *worker) ask(ctx context.Context, o order, i int, r *reply) error {
	q := engine.Query{
		Vector: w.vector[o.From+i], K: o.Cell.K,
		Field: o.Cell.Filter, Value: w.task.Set.Where(o.Cell.Filter, o.From+i),
	}
	start := time.Now()
	hits, err := w.open.Search(ctx, q)
	r.Times[i] = time.Since(start)
	if err != nil {
		return fmt.Errorf("query %d, k=%d, filter %q: %w", o.From+i, q.K, q.Field, err)
	}
	r.Rows[i] = make([]int, len(hits))
	for j, h := range hits {
		if r.Rows[i][j], err = dataset.Row(h.ID); err != nil {
			return err
		}
	}
	return nil
}

// endedPeak is the most memory that a process which this one ran and ended had:
// that of Milvus Lite after an import.
func endedPeak() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return u.Maxrss << 10
}

func (w *worker) processes() []int {
	pids := []int{syscall.Getpid()}
	if w.open != nil {
		pids = append(pids, w.open.Processes()...)
	}
	return pids
}

// cpu is what this process, those beside it and those that ended have used. What cannot be read
// counts as nothing: the process has not begun or is gone.
func (w *worker) cpu() time.Duration {
	var used time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err == nil {
			used += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	for _, pid := range w.processes()[1:] {
		used += processorTime(pid)
	}
	return used
}
