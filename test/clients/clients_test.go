// Package clients runs real clients of the beanstalkd protocol, unmodified, through
// the whole life of jobs: first against beanstalkd, which proves the suite, then
// against millrace.
package clients

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

var peers = flag.Bool("peers", false, "run the clients that scripts/peers installs; one that is missing is a failure")

func TestMain(m *testing.M) {
	flag.Parse()
	if !*peers {
		os.Exit(m.Run())
	}
	os.Exit(daemon.Main(m))
}

// suites are commands that take the server's address as their last argument.
var suites = []struct {
	client  string
	command []string
}{
	{"go-beanstalk", nil}, // a program that the test builds
	{"pheanstalk", []string{"php", "php/pheanstalk.php"}},
	{"phalcon", []string{"php", "php/phalcon.php"}},
	{"beaneater", []string{"ruby", "ruby/beaneater.rb"}},
	{"jackd", []string{"node", "node/jackd.js"}},
	{"fivebeans", []string{"node", "--no-deprecation", "node/fivebeans.js"}},
}

// servers are the ways to start one; the first is the one to compare with.
var servers = []struct {
	name  string
	start func(t *testing.T) *daemon.Server
}{
	{"beanstalkd", func(t *testing.T) *daemon.Server { return daemon.Activated(t, "beanstalkd", "-b", t.TempDir()) }},
	{"serve", func(t *testing.T) *daemon.Server { return daemon.Serve(t, t.TempDir()) }},
	{"serve in memory", func(t *testing.T) *daemon.Server { return daemon.Serve(t, "none") }},
	{"millrace beanstalkd", func(t *testing.T) *daemon.Server { return daemon.Shim(t, "-b", t.TempDir()) }},
	{"millrace beanstalkd, activated", func(t *testing.T) *daemon.Server { return daemon.Activated(t, daemon.Millrace, "beanstalkd") }},
}

// TestClients starts a fresh server for each client. A client's suite prints a
// line for each step; those against millrace must be those against beanstalkd.
func TestClients(t *testing.T) {
	if !*peers {
		t.Skip("needs clients in four languages: scripts/peers installs them, go test ./test/clients -peers runs them")
	}
	goClient := buildGoClient(t)
	for _, suite := range suites {
		t.Run(suite.client, func(t *testing.T) {
			t.Parallel()
			command := suite.command
			if suite.client == "go-beanstalk" {
				command = []string{goClient}
			}
			var want string
			for _, server := range servers {
				t.Run(server.name, func(t *testing.T) {
					steps := run(t, command, server.start(t).Addr)
					if want == "" {
						want = steps
					}
					if steps != want {
						t.Errorf("against beanstalkd:\n%s\nhere:\n%s", want, steps)
					}
				})
			}
		})
	}
}

// buildGoClient builds the suite that is a Go module of its own.
func buildGoClient(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "go-beanstalk")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	build.Dir = "go"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	return path
}

// run returns the steps that a client's suite went through.
func run(t *testing.T, command []string, addr string) string {
	t.Helper()
	out, err := try(t.Context(), command, addr)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try is run, which may fail.
func try(ctx context.Context, command []string, addr string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], addr)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", command, err, out)
	}
	if steps := strings.Count(string(out), "ok - "); steps < 8 || strings.Contains(string(out), "not ok") {
		return "", fmt.Errorf("the suite stopped after %d steps:\n%s", steps, out)
	}
	return string(out), nil
}
