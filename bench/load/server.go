package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a searchd of its own.
type server struct {
	url   string
	cmd   *exec.Cmd
	log   bytes.Buffer
	start time.Duration // until ready
}

// startWithin bounds the loading of a large model.
const startWithin = 2 * time.Minute

func (b *bench) serve(ctx context.Context, program string, slots int) (*server, error) {
	kept := "none"
	if b.caching {
		kept = "memory"
	}
	// #nosec G204 -- the user's own program
	s := &server{cmd: exec.CommandContext(ctx, program, "--model", b.model, "--data", b.path("data"), "--listen", "127.0.0.1:0",
		"--cache", kept, "--max-searches", strconv.Itoa(slots), "--log-level", "error")}
	s.cmd.Stderr = &s.log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = time.Minute
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start searchd: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		s.url = strings.TrimSpace(line)
		err = s.awaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("searchd is not ready: %w", err), s.stop())
	}
	s.start = time.Since(begin)
	return s, nil
}

func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			if res.Body.Close(); res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop ends the server as an operator does, and returns what it complained of.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails where it has ended
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("searchd: %w: %s", err, lastLine(s.log.String()))
	}
	return nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// rss is the resident memory of a process, in bytes: all, and its parts.
type rss struct{ all, anon, file int64 }

func memoryOf(pid int) (rss, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return rss{}, err
	}
	field := func(name string) int64 {
		_, after, _ := strings.Cut(string(text), "\n"+name+":")
		line, _, _ := strings.Cut(after, "\n")
		kB, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64) // 0 where the kernel does not tell
		return kB << 10
	}
	return rss{field("VmRSS"), field("RssAnon"), field("RssFile")}, nil
}

// ticksPerSecond of /proc/PID/stat, on every Linux that Go runs on.
const ticksPerSecond = 100

// cpu is the processor time that the server has used, in seconds.
func (s *server) cpu() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields", len(fields))
	}
	user, _ := strconv.ParseFloat(fields[11], 64) // digits
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond, nil
}
