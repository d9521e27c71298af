package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

const endLimit = 30 * time.Second

var ready = regexp.MustCompile(`is ready`)

// on adds the address of a server to a command.
func on(s *daemon.Server, command string, args ...string) []string {
	return append([]string{command, "--server", s.Addr}, args...)
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	got := runIn(args...)
	if got.exit != exitOK {
		t.Fatalf("%v: %+v", args, got)
	}
	return got.stdout
}

// terminate ends a server as an operator does.
func terminate(t *testing.T, s *daemon.Server) {
	t.Helper()
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Wait(endLimit); err != nil || code != 0 {
		t.Fatalf("after SIGTERM: exit code %d, %v", code, err)
	}
}

// A job's whole life, with commands only, over a restart.
func TestLifeOfJobs(t *testing.T) {
	data := t.TempDir()
	s := daemon.Serve(t, data)
	if id := mustRun(t, on(s, "put", "--tube", "mails", "to:", "ada")...); id != "1\n" {
		t.Errorf("put printed %q", id)
	}
	mustRun(t, on(s, "put", "--tube", "mails", "--pri", "5", "to: grace")...)
	mustRun(t, on(s, "put", "--tube", "later", "--delay", "1h", "x")...)
	terminate(t, s)

	s = daemon.Serve(t, data)
	if out := mustRun(t, on(s, "stats", "mails")...); !regexp.MustCompile(`(?m)^ +2 .* mails$`).MatchString(out) {
		t.Errorf("stats after the restart:\n%s", out)
	}
	seen := filepath.Join(t.TempDir(), "seen")
	script := `echo "$MILLRACE_JOB_ID $MILLRACE_JOB_TUBE $(cat)" >> "$0"`
	mustRun(t, on(s, "work", "--tube", "mails", "--count", "2", "sh", "-c", script, seen)...)
	if text, _ := os.ReadFile(seen); string(text) != "2 mails to: grace\n1 mails to: ada\n" {
		t.Errorf("the command saw %q", text)
	}
	if got := runIn(on(s, "reserve", "--tube", "mails,later")...); got.exit != exitFailed || got.stderr != "millrace: no job came in time\n" {
		t.Errorf("reserve on empty tubes: %+v", got)
	}
	mustRun(t, on(s, "put", "last")...)
	if out := mustRun(t, on(s, "reserve")...); out != "last" {
		t.Errorf("reserve printed %q", out)
	}
	checkJSON(t, mustRun(t, on(s, "stats", "--json")...))
	terminate(t, s)
}

func checkJSON(t *testing.T, text string) {
	t.Helper()
	var stats struct {
		Server map[string]any
		Tubes  []map[string]any
	}
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Server["current-jobs-delayed"] != 1.0 || stats.Server["draining"] != "false" || len(stats.Tubes) != 2 {
		t.Errorf("stats --json:\n%s", text)
	}
}

// A command that fails gives its job back, a bit later.
func TestWorkReleases(t *testing.T) {
	s := daemon.Serve(t, "none")
	mustRun(t, on(s, "put", "x")...)
	got := runIn(on(s, "work", "--count", "1", "--retry-delay", "1h", "false")...)
	if got.exit != exitOK || got.stderr != "millrace: job 1 failed (exit status 1): released, ready again in 3600s\n" {
		t.Errorf("work: %+v", got)
	}
	if out := mustRun(t, on(s, "stats", "--json", "default")...); !strings.Contains(out, `"current-jobs-delayed": 1`) {
		t.Errorf("the job is not delayed:\n%s", out)
	}
}

// A job whose command takes longer than its ttr stays held.
func TestWorkTouches(t *testing.T) {
	s := daemon.Serve(t, "none")
	mustRun(t, on(s, "put", "--ttr", "1s", "x")...)
	got := runIn(on(s, "work", "--count", "1", "sleep", "1.5")...)
	if got.exit != exitOK || got.stderr != "" {
		t.Errorf("work: %+v", got)
	}
	if out := mustRun(t, on(s, "stats", "--json")...); !strings.Contains(out, `"job-timeouts": 0`) {
		t.Errorf("the lease ran out:\n%s", out)
	}
}

// SIGTERM lets a worker finish the job it has, and take no other.
func TestWorkerFinishesJob(t *testing.T) {
	s := daemon.Serve(t, "none")
	mustRun(t, on(s, "put", "first")...)
	mustRun(t, on(s, "put", "second")...)
	// The command ends when somebody writes to the pipe.
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	worker := daemon.Start(t, exec.Command(daemon.Millrace, on(s, "work", "sh", "-c", `echo begun; read line < "$0"`, pipe)...))
	if _, err := worker.WaitOutput(regexp.MustCompile("begun"), endLimit); err != nil {
		t.Fatal(err)
	}
	if err := worker.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pipe, []byte("go on\n"), 0); err != nil {
		t.Fatal(err)
	}
	if code, err := worker.Wait(endLimit); err != nil || code != 0 {
		t.Fatalf("worker: exit code %d, %v", code, err)
	}
	if out := mustRun(t, on(s, "reserve")...); out != "second" {
		t.Errorf("left over: %q, want the second job", out)
	}
	if got := runIn(on(s, "reserve")...); got.exit != exitFailed {
		t.Errorf("the first job was not deleted: %+v", got)
	}
}

// A worker that waits for a job ends at once.
func TestIdleWorkerEnds(t *testing.T) {
	s := daemon.Serve(t, "none")
	worker := daemon.Start(t, exec.Command(daemon.Millrace, on(s, "work", "true")...))
	for waiting := false; !waiting; {
		waiting = strings.Contains(mustRun(t, on(s, "stats", "--json")...), `"current-waiting": 1`)
	}
	if err := worker.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := worker.Wait(endLimit); err != nil || code != 0 {
		t.Errorf("worker: exit code %d, %v", code, err)
	}
}

func TestUnixSocket(t *testing.T) {
	address := "unix:" + filepath.Join(t.TempDir(), "socket")
	s := daemon.Start(t, exec.Command(daemon.Millrace, "serve", "--data", "none", "--gearman", "off", "--memcache", "off", "--beanstalk", address))
	if _, err := s.WaitOutput(ready, endLimit); err != nil {
		t.Fatal(err)
	}
	s.Addr = address
	mustRun(t, on(s, "put", "x")...)
	if out := mustRun(t, on(s, "reserve")...); out != "x" {
		t.Errorf("reserve printed %q", out)
	}
	terminate(t, s)
	if _, err := os.Stat(strings.TrimPrefix(address, "unix:")); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestDrainMode(t *testing.T) {
	s := daemon.Serve(t, "none")
	mustRun(t, on(s, "put", "before")...)
	if err := s.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitOutput(regexp.MustCompile("drain mode"), endLimit); err != nil {
		t.Fatal(err)
	}
	if got := runIn(on(s, "put", "after")...); got.exit != exitFailed || !strings.Contains(got.stderr, "drain mode") {
		t.Errorf("put: %+v", got)
	}
	if out := mustRun(t, on(s, "reserve")...); out != "before" {
		t.Errorf("reserve printed %q", out)
	}
}

func TestRefusals(t *testing.T) {
	data := t.TempDir()
	s := daemon.Serve(t, data)
	tests := []struct {
		args []string
		exit int
		want string
	}{
		{[]string{"serve", "--data", data, "--beanstalk", "127.0.0.1:0"}, 1, "is in use by another process"},
		{[]string{"serve", "--data", "none", "--beanstalk", s.Addr}, 1, "address already in use"},
		{[]string{"serve", "--data", "none", "--beanstalk", "0.0.0.0:0"}, 1, "--insecure-public"},
		{[]string{"serve", "--data", "none", "--beanstalk", "somewhere"}, 1, "neither host:port nor unix:/path"},
		{[]string{"serve", "--data", "none", "--import-binlog", "/nonexistent"}, 1, "cannot use the directory /nonexistent"},
	}
	for _, test := range tests {
		out, err := exec.Command(daemon.Millrace, test.args...).CombinedOutput()
		if err == nil {
			t.Errorf("%v: ended well:\n%s", test.args, out)
			continue
		}
		if code := err.(*exec.ExitError).ExitCode(); code != test.exit || !strings.Contains(string(out), test.want) {
			t.Errorf("%v: exit code %d:\n%s\nwant %d and %q", test.args, code, out, test.exit, test.want)
		}
	}
}

// A socket from the service manager is used instead of the address in the options.
func TestSocketActivation(t *testing.T) {
	for _, args := range [][]string{{"serve", "--data", "none"}, {"beanstalkd"}} {
		s := daemon.Activated(t, daemon.Millrace, args...)
		mustRun(t, on(s, "put", "x")...)
		terminate(t, s)
	}
}

// A second signal ends a server that waits for a client.
func TestSecondSignal(t *testing.T) {
	s := daemon.Serve(t, "none", "--max-job-size", "1GiB")
	conn := stuckClient(t, s)
	defer conn.Close()
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitOutput(regexp.MustCompile("a second signal ends at once"), endLimit); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Wait(endLimit); err != nil || code != exitFailed {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// stuckClient asks for a large job and does not read it.
func stuckClient(t *testing.T, s *daemon.Server) net.Conn {
	t.Helper()
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	put := exec.Command(daemon.Millrace, on(s, "put")...)
	var err error
	if put.Stdin, err = os.Open(body); err != nil {
		t.Fatal(err)
	}
	if out, err := put.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("reserve\r\n")); err != nil {
		t.Fatal(err)
	}
	// The first bytes of the answer show that the rest is under way.
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn
}
