package gearman

import (
	"flag"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var oracle = flag.Bool("oracle", false, "run the scripts and the differential test against the installed gearmand, too")

// TestOracle has the conversations of testdata with gearmand itself, so that they are
// known to be true.
func TestOracle(t *testing.T) {
	if !*oracle {
		t.Skip("asks the installed gearmand, with -oracle")
	}
	for _, path := range scripts(t) {
		s := readScript(t, path, false)
		if len(s.lines) == 0 {
			continue // all of it is beyond gearmand
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			// gearmand answers a packet from one thread and hears of a closed connection in
			// another; a script is true if it can be had at all.
			for range 3 {
				err := s.run(startGearmand(t, s.args...))
				if err == nil {
					return
				}
				t.Log(err)
			}
			t.Error("gearmand says something else, three times")
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

// gearmand is a running gearmand.
type gearmand struct {
	t    *testing.T
	addr string
}

// startGearmand runs the installed gearmand until the test is over. It takes no
// socket from its parent and no port 0, so a free port is found first; should
// another take it meanwhile, the next is tried.
func startGearmand(t *testing.T, args ...string) *gearmand {
	t.Helper()
	for range 5 {
		addr := freeAddress(t)
		_, port, _ := net.SplitHostPort(addr)
		cmd := exec.Command("gearmand", append([]string{"-L", "127.0.0.1", "-p", port, "-u", "root", "-l", "none", "-P", filepath.Join(t.TempDir(), "pid")}, args...)...)
		if err := cmd.Start(); err != nil {
			t.Fatalf("%v: install gearmand, or run without -oracle", err)
		}
		ended := make(chan struct{})
		go func() {
			cmd.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			cmd.Process.Kill()
			<-ended
		})
		g := &gearmand{t, addr}
		if err := g.await(ended); err == nil {
			return g
		}
	}
	t.Fatal("gearmand does not start")
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await waits until gearmand answers.
func (g *gearmand) await(ended <-chan struct{}) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); g.settle() {
		select {
		case <-ended:
			return fmt.Errorf("gearmand has ended")
		default:
		}
		if c, err := net.Dial("tcp", g.addr); err == nil {
			c.Close()
			return nil
		}
	}
	return fmt.Errorf("gearmand does not listen")
}

func (g *gearmand) dial() connection {
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// settle gives a server that can't be asked whether it is done time to be.
func (g *gearmand) settle() { g.pass(20 * time.Millisecond) }

func (g *gearmand) pass(d time.Duration) { <-time.After(d) }

func (g *gearmand) now() time.Time { return time.Now() }
