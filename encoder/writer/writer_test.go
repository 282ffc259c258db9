package writer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/encoder/writer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model writes the number of a picture after as many steps as it is told to allow.
type model struct {
	steps chan struct{} // one for each step; closed: any number
	fail  func(states []encoder.States) error

	mu    sync.Mutex
	runs  [][]float32 // the pictures of each
	alive []int       // pictures of each step
	busy  chan struct{}
}

func newModel() *model { return &model{steps: make(chan struct{}), busy: make(chan struct{}, 100)} }

func (m *model) CaptionWanted(ctx context.Context, states []encoder.States, prompt string, _ decode.Options, wanted func(int) bool) ([]encoder.Generated, error) {
	var run []float32
	for _, s := range states {
		run = append(run, s.Float[0])
	}
	m.mu.Lock()
	m.runs = append(m.runs, run)
	m.mu.Unlock()
	m.busy <- struct{}{}
	if m.fail != nil {
		if err := m.fail(states); err != nil {
			return nil, err
		}
	}
	for range 3 {
		select {
		case <-m.steps:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n := 0
		for i := range states {
			if wanted(i) {
				n++
			}
		}
		m.mu.Lock()
		m.alive = append(m.alive, n)
		m.mu.Unlock()
	}
	out := make([]encoder.Generated, len(states))
	for i, v := range run {
		out[i].Text = fmt.Sprintf("%s%g", prompt, v)
	}
	return out, nil
}

func (m *model) AnswerWanted(ctx context.Context, states []encoder.States, questions []encoder.Query, o decode.Options, wanted func(int) bool) ([]encoder.Generated, error) {
	out, err := m.CaptionWanted(ctx, states, "answer ", o, wanted)
	for i := range out {
		out[i].Text += fmt.Sprint(" to ", questions[i].IDs)
	}
	return out, err
}

func picture(v float32) encoder.States {
	return encoder.States{Tokens: 1, Width: 1, Float: []float32{v}}
}

// call is a request under way.
type call struct {
	text encoder.Generated
	err  error
	done chan struct{}
}

func start(f func() (encoder.Generated, error)) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.text, c.err = f()
	}()
	return c
}

func (c *call) want(t *testing.T, text string) {
	t.Helper()
	<-c.done
	if c.err != nil || c.text.Text != text {
		t.Errorf("text %q, error %v, want %q", c.text.Text, c.err, text)
	}
}

// waits has the writer hold n requests in its queue: one more than its room is busy.
func waits(t *testing.T, w *writer.Writer, n int) {
	t.Helper()
	for w.Waiting() != n {
		runtime.Gosched()
	}
}

func TestRequestsThatWaitShareARun(t *testing.T) {
	m := newModel()
	w := writer.New(m, writer.Options{Batch: 3})
	defer w.Close()
	caption := func(v float32, prompt string) *call {
		return start(func() (encoder.Generated, error) {
			return w.Caption(t.Context(), picture(v), prompt, decode.Defaults())
		})
	}
	calls := []*call{caption(0, "")}
	<-m.busy
	for i, prompt := range []string{"", "a ", "", "", ""} {
		calls = append(calls, caption(float32(i+1), prompt))
		waits(t, w, i+1)
	}
	calls = append(calls, start(func() (encoder.Generated, error) {
		return w.Answer(t.Context(), picture(6), encoder.Query{IDs: []int64{7}}, decode.Defaults())
	}))
	waits(t, w, 6)
	close(m.steps)
	for i, want := range []string{"0", "1", "a 2", "3", "4", "5", "answer 6 to [7]"} {
		calls[i].want(t, want)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if want := [][]float32{{0}, {1, 3, 4}, {2}, {5}, {6}}; !slices.EqualFunc(m.runs, want, slices.Equal) {
		t.Errorf("runs %v, want %v", m.runs, want)
	}
}

func TestCallersThatLeftCostNothing(t *testing.T) {
	m := newModel()
	w := writer.New(m, writer.Options{})
	defer w.Close()
	caption := func(ctx context.Context, v float32) *call {
		return start(func() (encoder.Generated, error) { return w.Caption(ctx, picture(v), "", decode.Defaults()) })
	}
	ctx, leave := context.WithCancel(t.Context())
	alone := caption(ctx, 0)
	<-m.busy
	stays := caption(t.Context(), 1)
	waits(t, w, 1)
	leaves, last := context.WithCancel(t.Context())
	gone := caption(leaves, 2)
	waits(t, w, 2)
	early, goes := context.WithCancel(t.Context())
	never := caption(early, 3)
	waits(t, w, 3)
	goes() // while it waits
	<-never.done
	leave() // the only one of its run, which ends without a step
	<-alone.done
	<-m.busy
	m.steps <- struct{}{}
	last() // one of two
	<-gone.done
	close(m.steps)
	stays.want(t, "1")
	for _, c := range []*call{alone, gone, never} {
		if !errors.Is(c.err, context.Canceled) {
			t.Errorf("a caller that left got %v", c.err)
		}
	}
	if want := [][]float32{{0}, {1, 2}}; !slices.EqualFunc(m.runs, want, slices.Equal) {
		t.Errorf("runs %v, want %v", m.runs, want)
	}
	if n := len(m.alive); n != 3 || m.alive[n-1] != 1 {
		t.Errorf("pictures of the steps: %v", m.alive)
	}
}

func TestFullQueueAndClose(t *testing.T) {
	m := newModel()
	w := writer.New(m, writer.Options{Queue: 1})
	caption := func() *call {
		return start(func() (encoder.Generated, error) {
			return w.Caption(t.Context(), picture(1), "", decode.Defaults())
		})
	}
	first := caption()
	<-m.busy
	second := caption()
	waits(t, w, 1)
	third := caption()
	<-third.done
	if !errors.Is(third.err, writer.ErrBusy) {
		t.Errorf("with a full queue: %v", third.err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	late := caption()
	for i, c := range []*call{first, second, late} {
		if <-c.done; !errors.Is(c.err, writer.ErrClosed) {
			t.Errorf("request %d of a closed writer: %v", i, c.err)
		}
	}
}

// TestOneBadPicture fails its own caller only.
func TestOneBadPicture(t *testing.T) {
	m := newModel()
	errBad := errors.New("of another model")
	m.fail = func(states []encoder.States) error {
		if slices.ContainsFunc(states, func(s encoder.States) bool { return s.Float[0] == 2 }) {
			return errBad
		}
		return nil
	}
	w := writer.New(m, writer.Options{})
	defer w.Close()
	var calls []*call
	for i := range 4 {
		calls = append(calls, start(func() (encoder.Generated, error) {
			return w.Caption(t.Context(), picture(float32(i)), "", decode.Defaults())
		}))
		if i == 0 {
			<-m.busy
		} else {
			waits(t, w, i)
		}
	}
	close(m.steps)
	for i, c := range calls {
		if i != 2 {
			c.want(t, fmt.Sprint(i))
		} else if <-c.done; !errors.Is(c.err, errBad) {
			t.Errorf("the bad picture: %v", c.err)
		}
	}
}

func TestRefusedBeforeTheQueue(t *testing.T) {
	w := writer.New(newModel(), writer.Options{})
	defer w.Close()
	if _, err := w.Caption(t.Context(), picture(1), "", decode.Options{}); err == nil {
		t.Error("options without beams were queued")
	}
	if _, err := w.Caption(t.Context(), encoder.States{}, "", decode.Defaults()); err == nil {
		t.Error("a picture without states was queued")
	}
}
