package clients

import (
	"net"
	"os/exec"
	"testing"

	"github.com/millrace/millrace/test/daemon"
)

// memcacheSuites are the commands for memcached's clients: on ordinary keys, which
// memcached has, too, or on queues.
var memcacheSuites = []struct {
	client  string
	command []string
	queues  bool
}{
	{"php-memcached", []string{"php", "php/memcached.php"}, false},
	{"pymemcache", []string{"/usr/bin/python3", "python/pymemcache_keys.py"}, false},
	{"dalli", []string{"ruby", "ruby/dalli.rb"}, false},
	{"php-memcached on queues", []string{"php", "php/memcached-queue.php"}, true},
	{"pymemcache on queues", []string{"/usr/bin/python3", "python/pymemcache_queue.py"}, true},
}

// TestMemcacheClients is TestClients for memcached's.
func TestMemcacheClients(t *testing.T) {
	if !*peers {
		t.Skip("needs memcached and its clients: scripts/peers installs them, go test ./test/clients -peers runs them")
	}
	for _, suite := range memcacheSuites {
		t.Run(suite.client, func(t *testing.T) {
			t.Parallel()
			var want string
			check := func(t *testing.T, addr string) {
				steps := run(t, suite.command, addr)
				if want == "" {
					want = steps
				}
				if steps != want {
					t.Errorf("at first:\n%s\nhere:\n%s", want, steps)
				}
			}
			option := "--memcache"
			if !suite.queues {
				option = "--memcache-kv"
				t.Run("memcached", func(t *testing.T) { check(t, startMemcached(t)) })
			}
			for _, data := range []string{t.TempDir(), "none"} {
				t.Run("serve with data "+data, func(t *testing.T) {
					check(t, daemon.Serve(t, data, "--beanstalk", "off", option, "127.0.0.1:0").Addr)
				})
			}
		})
	}
}

// startMemcached starts the installed memcached and returns its address. It takes no
// port 0, so a free port is found first; should another take it meanwhile, the next
// is tried.
func startMemcached(t *testing.T) string {
	t.Helper()
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		_, port, _ := net.SplitHostPort(addr)
		s := daemon.Start(t, exec.Command("memcached", "-l", "127.0.0.1", "-p", port, "-U", "0", "-u", "root"))
		if err := answers(addr, s.Exited()); err == nil {
			return addr
		}
	}
	t.Fatal("memcached does not listen: install it, or run without -peers")
	return ""
}
