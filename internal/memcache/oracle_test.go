package memcache

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve/nettest"
)

var oracle = flag.Bool("oracle", false, "run the scripts and the differential test against the installed memcached, too")

// Scripts whose names begin so are about the key-value area; the others are about
// queues, which memcached has none of.
const aboutItems = "kv-"

// TestScripts has the conversations of testdata.
func TestScripts(t *testing.T) {
	for _, path := range scripts(t, "*") {
		s := readScript(t, path, true)
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{Version: "1.6", MaxOpenReads: 3, MaxJobSize: 1 << 20, ExpireTo: "late"}
				if strings.HasPrefix(s.name, aboutItems) || strings.HasPrefix(s.name, "prefix") {
					o.Prefix = "q/"
				}
				if err := s.run(startServer(t, o)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestOracle has those about the key-value area with memcached itself, so that they
// are known to be true.
func TestOracle(t *testing.T) {
	if !*oracle {
		t.Skip("asks the installed memcached, with -oracle")
	}
	for _, path := range scripts(t, aboutItems+"*") {
		s := readScript(t, path, false)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if err := s.run(startMemcached(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func scripts(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + pattern + ".txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return paths
}

// millrace is a door over connections in memory.
type millrace struct {
	server *nettest.Server
	engine *engine.Engine
}

func startServer(t *testing.T, o Options) *millrace {
	t.Helper()
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return &millrace{nettest.New(t, e, New(o)), e}
}

func (m *millrace) dial() connection     { return m.server.Dial() }
func (m *millrace) settle()              { synctest.Wait() }
func (m *millrace) pass(d time.Duration) { <-time.After(d); synctest.Wait() }

// memcached is a running memcached.
type memcached struct {
	t      *testing.T
	socket string
}

// startMemcached runs the installed memcached on a socket of its own until the test
// is over.
func startMemcached(t *testing.T) *memcached {
	t.Helper()
	dir, err := os.MkdirTemp("", "oracle") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	m := &memcached{t, filepath.Join(dir, "sock")}
	// Without the threads that look after items: a number they look at is replaced
	// rather than changed, which can be seen.
	args := []string{"-s", m.socket, "-t", "1", "-o", "no_lru_maintainer,no_lru_crawler"}
	if os.Getuid() == 0 {
		args = append(args, "-u", "root") // it does not run as root unless told to
	}
	cmd := exec.Command("memcached", args...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install memcached, or run without -oracle", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(dir)
	})
	m.dial().Close()
	m.pass(2 * time.Second) // its clock starts at 2: before, times in the past are not
	return m
}

func (m *memcached) dial() connection {
	for deadline := time.Now().Add(patience); ; m.pass(5 * time.Millisecond) {
		c, err := net.Dial("unix", m.socket)
		if err == nil {
			return c.(*net.UnixConn)
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("memcached does not listen: %v", err)
		}
	}
}

// settle gives a server that can't be asked whether it is done time to be.
func (m *memcached) settle()              { m.pass(20 * time.Millisecond) }
func (m *memcached) pass(d time.Duration) { <-time.After(d) }
