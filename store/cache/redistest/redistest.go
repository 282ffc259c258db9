// Package redistest runs real redis-server processes for tests.
package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sightline/encoder/encodertest"
)

// serverVariable names a redis-server to test with; else it is looked for in
// PATH.
const serverVariable = "SIGHTLINE_REDIS_SERVER"

// Server is a Redis of the test's own, on a loopback port, that keeps nothing
// on disk. It can be killed, stopped and started again. Its methods end the
// test where they fail, and are called one at a time.
type Server struct {
	t       testing.TB
	program string
	args    []string
	port    string
	tls     bool
	process *exec.Cmd
}

// Start starts a Redis with further arguments, until the end of the test. The
// test ends here where there is no program for it.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	program := os.Getenv(serverVariable)
	if program == "" {
		program = "redis-server"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		encodertest.Missing(t, "redis", fmt.Errorf("%w (run scripts/get-redis.sh, or set %s)", err, serverVariable))
	}
	listen, release, err := encodertest.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	s := &Server{t: t, program: path, port: listen, tls: strings.Contains(strings.Join(args, " "), "--tls")}
	port := []string{"--port", s.port}
	if s.tls {
		port = []string{"--port", "0", "--tls-port", s.port}
	}
	s.args = append(append(port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()), args...)
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// Address is HOST:PORT.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", s.port) }

// URL is redis://HOST:PORT, or rediss:// for a server that was given --tls….
func (s *Server) URL() string {
	if s.tls {
		return "rediss://" + s.Address()
	}
	return "redis://" + s.Address()
}

// Restart starts a killed server again and waits until it listens.
func (s *Server) Restart() {
	s.t.Helper()
	s.process = exec.Command(s.program, s.args...)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !s.listens(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("redis-server does not listen after a minute")
		}
	}
}

func (s *Server) listens() bool {
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// Kill ends the program as a power cut would.
func (s *Server) Kill() {
	_ = s.process.Process.Kill() // it may have ended already
	_ = s.process.Wait()         // says that it was killed
}

// Hang stops the program where it is: its port takes connections and never
// answers.
func (s *Server) Hang() { s.signal(syscall.SIGSTOP) }

// Wake lets a hung server go on.
func (s *Server) Wake() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do sends a command and returns the first line of the reply.
func (s *Server) Do(command string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Address())
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
