// Package harness runs the real programs as processes for rehearsals: it starts,
// kills and restarts them, stands a proxy before several searchd, writes to them
// as a shop does, and keeps a book of what was acknowledged, which the catalogue
// is compared with.
package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a program that can be killed and started again with the same
// arguments. Its methods are called by one goroutine at a time.
type Process struct {
	Name    string
	Program string
	Args    []string
	Env     []string // none: the caller's
	Log     string   // a file that output and errors are appended to
	Ready   func(context.Context) error

	cmd   *exec.Cmd
	ended chan struct{}
	err   error
}

// startWithin bounds a start, on a busy machine too.
const startWithin = 2 * time.Minute

// Start starts it and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	if err := p.Launch(ctx); err != nil {
		return err
	}
	return p.AwaitReady(ctx)
}

// Launch starts it and does not wait.
func (p *Process) Launch(ctx context.Context) error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, p.Program, p.Args...) // #nosec G204 -- the project's own programs
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.Env, log, log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	cmd, ended := p.cmd, make(chan struct{})
	p.ended = ended
	go func() {
		p.err = cmd.Wait()
		close(ended)
	}()
	return nil
}

// AwaitReady waits until Ready says so, or the program has ended.
func (p *Process) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it was ready: %w: %s", p.Name, p.err, p.LastLine())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v: %w: %s", p.Name, startWithin, err, p.LastLine())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends it as a crash does (SIGKILL), and returns when it is gone.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// Stop ends it as an operator does (SIGTERM), within a minute.
func (p *Process) Stop() error {
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.Kill()
		return fmt.Errorf("%s did not end within a minute of SIGTERM", p.Name)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.Name, p.err, p.LastLine())
	}
	return nil
}

// Signal sends s.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// PID is that of the program that was started last.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits for the end of a program that ends by itself.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.Name, p.err, p.LastLine())
	}
	return nil
}

// Said tells whether the log has a text.
func (p *Process) Said(text string) bool {
	log, err := os.ReadFile(p.Log)
	return err == nil && strings.Contains(string(log), text)
}

// LastLine is the end of the log.
func (p *Process) LastLine() string {
	log, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(log))
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// ReadyAt asks /readyz.
func ReadyAt(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(io.LimitReader(res.Body, 300)) // for the message only
			return fmt.Errorf("/readyz: %d %s", res.StatusCode, text)
		}
		return nil
	}
}

// Listens asks whether an address takes connections.
func Listens(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// FreeAddress is a loopback address that nobody has.
func FreeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Call runs a program to its end, with its output in a log.
func Call(ctx context.Context, dir, program string, args ...string) error {
	p := &Process{Name: filepath.Base(program), Program: program, Args: args, Log: filepath.Join(dir, filepath.Base(program)+".log")}
	return errors.Join(p.Launch(ctx), p.Wait(ctx))
}
