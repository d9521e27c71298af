package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/test/daemon"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestMain(m *testing.M) {
	// What the developer has set must not reach the commands under test.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "MILLRACE_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("HOME", "/home/user")
	os.Exit(daemon.Main(m))
}

// result is what a command did.
type result struct {
	exit           int
	stdout, stderr string
}

func runIn(args ...string) result {
	var stdout, stderr bytes.Buffer
	exit := run("millrace", args, &stdout, &stderr)
	return result{exit, stdout.String(), stderr.String()}
}

// Help is what a newcomer reads first; a change of it shows in review.
func TestHelp(t *testing.T) {
	commands := map[string][]string{"usage": {"help"}}
	for _, name := range []string{"serve", "beanstalkd", "put", "reserve", "work", "stats", "log"} {
		commands[name] = []string{"help", name}
	}
	for name, args := range commands {
		t.Run(name, func(t *testing.T) {
			got := runIn(args...)
			if got.exit != exitOK {
				t.Errorf("exit code %d", got.exit)
			}
			text := got.stdout + got.stderr
			path := filepath.Join("testdata", "help-"+name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("help has changed (run with -update if it should):\n%s", text)
			}
			for _, line := range strings.Split(text, "\n") {
				if len(line) > 110 {
					t.Errorf("a line of %d characters is too long for a window: %s", len(line), line)
				}
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	tests := []struct {
		args []string
		want string // part of stderr
	}{
		{nil, "Usage:"},
		{[]string{"serv"}, "millrace: there is no command \"serv\"; `millrace help` lists them"},
		{[]string{"serve", "now"}, `millrace: serve takes options only; take "now" away`},
		{[]string{"serve", "--beanstalk", "off", "--gearman", "off", "--memcache", "off"}, "millrace: every door is off"},
		{[]string{"serve", "--tls-cert", "x"}, "millrace: --tls-cert and --tls-key belong together"},
		{[]string{"put", "--pri", "-1", "x"}, `millrace: invalid value "-1" for --pri: must be a whole number from 0 to 4294967295`},
		{[]string{"put", "--lines", "x"}, "millrace: with --lines the jobs come on standard input"},
		{[]string{"work"}, "millrace: work needs a command"},
		{[]string{"reserve", "cat"}, "millrace: reserve takes no command"},
		{[]string{"log"}, "millrace: log needs"},
	}
	for _, test := range tests {
		got := runIn(test.args...)
		if got.exit != exitUsage || !strings.Contains(got.stderr, test.want) || got.stdout != "" {
			t.Errorf("%v: %+v, want exit code %d and %q", test.args, got, exitUsage, test.want)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if got := runIn(args...); got.exit != exitOK || !strings.HasPrefix(got.stdout, "millrace 0.") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
