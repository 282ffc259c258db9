package cache_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sightline/encoder/encodertest"
	"sightline/store/cache"
)

// serverVariable names a redis-server to test with; else it is looked for in
// PATH.
const serverVariable = "SIGHTLINE_REDIS_SERVER"

// server is a Redis of the test's own, on a loopback port, that keeps nothing
// on disk. It can be killed, stopped and started again.
type server struct {
	t       testing.TB
	program string
	args    []string
	port    string
	tls     bool
	process *exec.Cmd
}

// startServer starts a Redis with further arguments. The test ends here where
// there is no program for it.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	program := os.Getenv(serverVariable)
	if program == "" {
		program = "redis-server"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		encodertest.Missing(t, "redis", fmt.Errorf("%w (run scripts/get-redis.sh, or set %s)", err, serverVariable))
	}
	s := &server{t: t, program: path, port: freePort(t), tls: strings.Contains(strings.Join(args, " "), "--tls")}
	port := []string{"--port", s.port}
	if s.tls {
		port = []string{"--port", "0", "--tls-port", s.port}
	}
	s.args = append(append(port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()), args...)
	s.start()
	t.Cleanup(s.kill)
	return s
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", s.port) }

func (s *server) url() string {
	if s.tls {
		return "rediss://" + s.address()
	}
	return "redis://" + s.address()
}

// start starts the program and waits until it listens.
func (s *server) start() {
	s.t.Helper()
	s.process = exec.Command(s.program, s.args...)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "redis-server to listen", func() bool {
		c, err := net.Dial("tcp", s.address())
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// kill ends the program as a power cut would.
func (s *server) kill() {
	_ = s.process.Process.Kill() // it may have ended already
	_ = s.process.Wait()         // says that it was killed
}

// hang stops the program where it is: its port takes connections and never
// answers.
func (s *server) hang() { s.signal(syscall.SIGSTOP) }

func (s *server) wake() { s.signal(syscall.SIGCONT) }

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// do sends a command and returns the first line of the reply.
func (s *server) do(command string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.address())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		s.t.Fatal(err)
	}
	reply := make([]byte, 4096)
	n, err := c.Read(reply)
	if err != nil {
		s.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(reply[:n]), "\r\n")
	if strings.HasPrefix(line, "-") {
		s.t.Fatalf("%s: %s", command, line)
	}
	return line
}

func newRedis(t testing.TB, o cache.RedisOptions) *cache.Redis {
	t.Helper()
	r, err := cache.NewRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// prefixes gives every cache its own keys in a shared server.
type prefixes struct{ last atomic.Int64 }

func (p *prefixes) next() string { return fmt.Sprintf("test%d:", p.last.Add(1)) }
