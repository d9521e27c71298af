package clients

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

// gearmanSuites are the commands for Gearman's clients.
var gearmanSuites = []struct {
	client  string
	command []string
}{
	{"gearman and gearadmin", []string{"bash", "sh/gearman.sh"}},
	{"php-gearman", []string{"php", "php/gearman.php"}},
	{"Gearman::Client", []string{"perl", "perl/gearman.pl"}},
}

// gearmanServers are the ways to start one.
var gearmanServers = []struct {
	name  string
	start func(t *testing.T) string
}{
	{"serve", func(t *testing.T) string { return serveGearman(t, t.TempDir()).Addr }},
	{"serve in memory", func(t *testing.T) string { return serveGearman(t, "none").Addr }},
	{"millrace gearmand", func(t *testing.T) string {
		return daemon.Listening(t, exec.Command(daemon.Millrace, "gearmand", "-L", "127.0.0.1", "-p", "0", "--verbose", "INFO", "--data", t.TempDir())).Addr
	}},
}

// TestGearmanClients is TestClients for Gearman's.
func TestGearmanClients(t *testing.T) {
	if !*peers {
		t.Skip("needs Gearman's clients: scripts/peers installs them, go test ./test/clients -peers runs them")
	}
	for _, suite := range gearmanSuites {
		t.Run(suite.client, func(t *testing.T) {
			t.Parallel()
			var want string
			t.Run("gearmand", func(t *testing.T) { want = runOnGearmand(t, suite.command) })
			for _, server := range gearmanServers {
				t.Run(server.name, func(t *testing.T) {
					if steps := run(t, suite.command, server.start(t)); steps != want {
						t.Errorf("against gearmand:\n%s\nhere:\n%s", want, steps)
					}
				})
			}
		})
	}
}

// runOnGearmand has a suite's steps from gearmand, which now and then forgets that a
// worker's time is over: a suite is right if it can pass at all.
func runOnGearmand(t *testing.T, command []string) string {
	t.Helper()
	for range 4 {
		steps, err := try(t.Context(), command, startGearmand(t))
		if err == nil {
			return steps
		}
		t.Log(err)
	}
	t.Fatal("gearmand fails the suite, four times")
	return ""
}

// serveGearman starts a server that has the Gearman door alone.
func serveGearman(t *testing.T, dir string) *daemon.Server {
	t.Helper()
	return daemon.Serve(t, dir, "--beanstalk", "off", "--gearman", "127.0.0.1:0")
}

// startGearmand starts the installed gearmand and returns its address. It takes no
// socket from its parent and no port 0, so a free port is found first; should another
// take it meanwhile, the next is tried.
func startGearmand(t *testing.T) string {
	t.Helper()
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		_, port, _ := net.SplitHostPort(addr)
		s := daemon.Start(t, exec.Command("gearmand", "-L", "127.0.0.1", "-p", port, "-u", "root", "-l", "none", "-P", filepath.Join(t.TempDir(), "pid")))
		if err := answers(addr, s.Exited()); err == nil {
			return addr
		}
	}
	t.Fatal("gearmand does not start")
	return ""
}

// answers waits until a server accepts connections.
func answers(addr string, exited <-chan struct{}) error {
	limit := time.After(daemon.StartLimit)
	for {
		if c, err := net.Dial("tcp", addr); err == nil {
			return c.Close()
		}
		select {
		case <-exited:
			return fmt.Errorf("it has ended")
		case <-limit:
			return fmt.Errorf("%s does not answer", addr)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
