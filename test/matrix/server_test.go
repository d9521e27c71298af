// Package matrix puts jobs through each door and works them through each: the same
// queue, whatever the protocol.
package matrix

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

func TestMain(m *testing.M) { os.Exit(daemon.Main(m)) }

// patience is how long anything may take.
const patience = 20 * time.Second

// server is a running millrace with all its doors, on sockets of its own.
type server struct {
	t    *testing.T
	dir  string
	data string
	*daemon.Server
}

// start starts a server whose log is in a directory of its own.
func start(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "matrix") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, dir: dir, data: filepath.Join(dir, "data")}
	s.run()
	return s
}

func (s *server) run() {
	s.Server = daemon.Listening(s.t, exec.Command(daemon.Millrace, "serve", "--data", s.data,
		"--beanstalk", "127.0.0.1:0", "--gearman", s.address("gearman"), "--memcache", s.address("memcache")))
}

// restart kills the server and starts it again.
func (s *server) restart() {
	s.Kill()
	for _, door := range []string{"gearman", "memcache"} {
		os.Remove(filepath.Join(s.dir, door))
	}
	s.run()
}

func (s *server) address(door string) string { return "unix:" + filepath.Join(s.dir, door) }

// conn is a connection to one of the doors.
type conn struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// dial connects to a door, until the test is over.
func (s *server) dial(t *testing.T, door string) *conn {
	t.Helper()
	network, address := "unix", filepath.Join(s.dir, door)
	if door == "beanstalk" {
		network, address = "tcp", s.Addr
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &conn{t, c, bufio.NewReader(c)}
}
