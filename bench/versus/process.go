package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// request is one turn, or logits to compare, as a line of JSON to a worker.
type request struct {
	Job     string    `json:"job"`
	Way     string    `json:"way"`
	Batch   int       `json:"batch"`
	Texts   [][]int64 `json:"texts"`
	Seconds float64   `json:"seconds"`
	Beams   int       `json:"beams,omitempty"`
}

// answer is a worker's line.
type answer struct {
	MS     []float64    `json:"ms,omitempty"` // of each run
	Logits [][2]float32 `json:"logits,omitempty"`
	Error  string       `json:"error,omitempty"`
}

// askLimit bounds one turn with its run before the clock starts: as shipped on
// a slow and busy machine, compiling, and loading graphs.
const askLimit = 10 * time.Minute

// process is a worker that keeps its models between turns.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	errors tail
	about  map[string]any // what it said of itself
	closed bool
}

// start runs a program that answers requests. environ is added to this
// program's own.
func start(ctx context.Context, environ []string, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...)} // #nosec G204 -- the user's own programs
	p.cmd.Env = append(os.Environ(), environ...)
	p.cmd.Stderr = &p.errors
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.read(ctx, &p.about); err != nil {
		return nil, err
	}
	return p, nil
}

// ask is not safe for concurrent use.
func (p *process) ask(ctx context.Context, r request) (a answer, err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return a, p.ended(err)
	}
	if err := p.read(ctx, &a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

func (p *process) read(ctx context.Context, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer stop()
	if err := p.out.Decode(into); err != nil {
		return p.ended(err)
	}
	return nil
}

// ended closes a worker that no longer answers, and says what it said last.
func (p *process) ended(err error) error {
	return fmt.Errorf("worker: %w: %s", errors.Join(err, p.close()), p.errors.last())
}

// close ends the worker, which ends by itself when nobody can ask any more.
// Closing twice is harmless.
func (p *process) close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	timer := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	return errors.Join(p.in.Close(), p.cmd.Wait())
}

// tail keeps the end of what a worker says.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const tailSize = 8 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text.Len()+len(b) > tailSize {
		t.text.Reset()
	}
	t.text.Write(b[max(0, len(b)-tailSize):])
	return len(b), nil
}

// last is the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(t.text.String())
	return text[strings.LastIndexByte(text, '\n')+1:]
}
