package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// StartLimit is how long a server may take to listen. It is long, because a test
// machine may be busy and a log may have to be recovered.
const StartLimit = 30 * time.Second

// Server is a running server.
type Server struct {
	Addr string // 127.0.0.1:port

	cmd    *exec.Cmd
	output *transcript
	exited chan struct{} // closed when the process is gone and its output complete
}

// Serve starts `millrace serve` on a free port with its log in dir ("none": in
// memory) and waits until it listens. The test fails if it does not. What is
// still running at the end of the test is killed.
func Serve(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	return Listening(t, ServeCommand(dir, args...))
}

// ServeCommand is the command that Serve runs.
func ServeCommand(dir string, args ...string) *exec.Cmd {
	return exec.Command(Millrace, append([]string{"serve", "--beanstalk", "127.0.0.1:0", "--gearman", "off", "--memcache", "off", "--data", dir}, args...)...)
}

// listens matches the address that a server says it listens on.
var listens = regexp.MustCompile(`127\.0\.0\.1:[1-9][0-9]*`)

// Listening starts cmd and waits until it says which address it listens on.
func Listening(t testing.TB, cmd *exec.Cmd) *Server {
	t.Helper()
	s := Start(t, cmd)
	if err := s.WaitListening(); err != nil {
		t.Fatal(err)
	}
	return s
}

// WaitListening waits until the server says which address it listens on. The error
// is ErrEnded when it ends instead.
func (s *Server) WaitListening() (err error) {
	s.Addr, err = s.WaitOutput(listens, StartLimit)
	if err != nil && !errors.Is(err, ErrEnded) {
		s.Signal(syscall.SIGQUIT) // its goroutines, printed as the test fails, say where it hangs
		<-s.exited
	}
	return err
}

// Start starts cmd and keeps what it prints.
func Start(t testing.TB, cmd *exec.Cmd) *Server {
	t.Helper()
	s := &Server{cmd: cmd, output: newTranscript(), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with strace before it, both end together
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() && s.Output() != "" {
			t.Logf("%v printed:\n%s", cmd, s.Output())
		}
	})
	return s
}

// Shim starts `millrace beanstalkd` with beanstalkd's own arguments on a free port.
func Shim(t testing.TB, args ...string) *Server {
	t.Helper()
	return Listening(t, exec.Command(Millrace, append([]string{"beanstalkd", "-l", "127.0.0.1", "-p", "0"}, args...)...))
}

// Activated starts a server that takes over a socket which already listens, as
// systemd hands it on: no port is chosen twice, and nothing has to be awaited.
func Activated(t testing.TB, program string, args ...string) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// The shell knows the process id that the server is going to have.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, program}, args...)...)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{file}
	s := Start(t, cmd)
	s.Addr = l.Addr().String()
	return s
}

// Kill ends the process and all it started at once, as kill -9 does, and waits
// until it is gone. It does nothing when it is gone already.
func (s *Server) Kill() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.exited
}

// Signal sends sig to the process.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Pid is the process id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Exited is closed when the process is gone.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Wait waits for the process to end and returns its exit status, -1 after a signal.
func (s *Server) Wait(limit time.Duration) (status int, err error) {
	select {
	case <-s.exited:
		return s.cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return 0, fmt.Errorf("%v still runs after %v:\n%s", s.cmd, limit, s.Output())
	}
}

// Output is what the process printed so far, on stdout and stderr.
func (s *Server) Output() string { return s.output.String() }

// ErrEnded says that a process ended before it printed what was waited for.
var ErrEnded = errors.New("the process ended")

// WaitOutput waits until the process prints what re matches, and returns the match.
func (s *Server) WaitOutput(re *regexp.Regexp, limit time.Duration) (string, error) {
	deadline := time.After(limit)
	for {
		text, grown := s.output.next()
		if found := re.FindString(text); found != "" {
			return found, nil
		}
		select {
		case <-grown:
		case <-s.exited:
			if found := re.FindString(s.Output()); found != "" {
				return found, nil
			}
			return "", fmt.Errorf("%w without printing %v: %v:\n%s", ErrEnded, re, s.cmd, s.Output())
		case <-deadline:
			return "", fmt.Errorf("%v did not print %v in %v:\n%s", s.cmd, re, limit, s.Output())
		}
	}
}
