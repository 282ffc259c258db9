package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a worker seen from the benchmark.
type process struct {
	name    string
	command *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	replies *json.Decoder
}

// spawn starts a worker in a process group of its own: Ctrl-C at a terminal is
// for the benchmark, which then ends each group in order.
func spawn(ctx context.Context, t task, stderr io.Writer) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("write task: %w", err)
	}
	p := &process{name: t.Engine, command: exec.CommandContext(ctx, self, workerCommand, string(text))} // #nosec G204 -- this program
	p.command.Stderr = stderr
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", t.Engine, err)
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", t.Engine, err)
	}
	p.command.Cancel = p.in.Close // the worker stops at the end of its orders, where its engine can
	p.command.WaitDelay = patience
	p.orders, p.replies = json.NewEncoder(p.in), json.NewDecoder(bufio.NewReader(out))
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", t.Engine, err)
	}
	return p, nil
}

// ask gives an order and waits for its reply.
func (p *process) ask(o order) (reply, error) {
	var r reply
	if err := p.orders.Encode(o); err != nil {
		return r, fmt.Errorf("%s: %w", p.name, err)
	}
	if err := p.replies.Decode(&r); err != nil {
		return r, fmt.Errorf("%s ended during %s: %w", p.name, o.Do, err)
	}
	if r.Err != "" {
		return r, fmt.Errorf("%s: %s: %s", p.name, o.Do, r.Err)
	}
	return r, nil
}

// patience is how long a worker may take to close its engine.
const patience = 15 * time.Second

// end closes the engine. What is still there after patience is killed, with
// everything that it started.
func (p *process) end() error {
	if err := p.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	kill := time.AfterFunc(patience, p.kill)
	defer kill.Stop()
	err := p.command.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		p.kill() // a worker that failed may have left a server behind
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	return nil
}

func (p *process) kill() {
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // it may have ended in between
}
