package beanstalk

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var oracle = flag.Bool("oracle", false, "run the scripts and the differential test against the installed beanstalkd, too")

// TestOracle has the conversations of testdata with beanstalkd itself, so that
// they are known to be true.
func TestOracle(t *testing.T) {
	if !*oracle {
		t.Skip("asks the installed beanstalkd, with -oracle")
	}
	for _, path := range scripts(t) {
		s := readScript(t, path, false)
		if len(s.lines) == 0 {
			continue // all of it is beyond beanstalkd
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			// beanstalkd now and then forgets the end of a lease, because it reads its
			// clock twice to decide on it; a script is true if it can be had at all.
			for range 3 {
				err := s.run(startBeanstalkd(t, s.args...))
				if err == nil {
					return
				}
				t.Log(err)
			}
			t.Error("beanstalkd says something else, three times")
		})
	}
}

func scripts(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return paths
}

// beanstalkd is a running beanstalkd.
type beanstalkd struct {
	t       *testing.T
	socket  string
	process *os.Process
}

// startBeanstalkd runs the installed beanstalkd on a socket of its own until the
// test is over.
func startBeanstalkd(t *testing.T, args ...string) *beanstalkd {
	t.Helper()
	dir, err := os.MkdirTemp("", "oracle") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	b := &beanstalkd{t: t, socket: filepath.Join(dir, "sock")}
	cmd := exec.Command("beanstalkd", append([]string{"-l", "unix:" + b.socket}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install beanstalkd, or run without -oracle", err)
	}
	b.process = cmd.Process
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(dir)
	})
	return b
}

func (b *beanstalkd) dial() connection {
	for deadline := time.Now().Add(patience); ; b.settle() {
		c, err := net.Dial("unix", b.socket)
		if err == nil {
			return c.(*net.UnixConn)
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("beanstalkd does not listen: %v", err)
		}
	}
}

// settle gives a server that can't be asked whether it is done time to be.
func (b *beanstalkd) settle() { b.pass(20 * time.Millisecond) }

func (b *beanstalkd) pass(d time.Duration) { <-time.After(d) }

func (b *beanstalkd) drain() {
	b.process.Signal(syscall.SIGUSR1)
	b.settle()
}
