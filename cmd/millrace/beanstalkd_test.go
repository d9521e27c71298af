package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"os"

	"github.com/millrace/millrace/test/daemon"
)

// ending is a command line that ends at once, and how beanstalkd 1.12 ends.
var endings = []struct {
	args   string // words; "''" for an empty one
	exit   int
	stderr string // the first line, behind the name of the program; "" for any
}{
	{"-v", 0, ""},
	{"-FVv", 0, ""},
	{"-h", 0, ""},
	{"-hx", 0, ""},
	{"-x", 5, "unknown flag: -x"},
	{"-FVxh", 5, "unknown flag: Vxh"},
	{"--help", 5, "unknown flag: --help"},
	{"--", 5, "unknown flag: --"},
	{"-", 5, "unknown argument: -"},
	{"''", 5, "unknown argument: "},
	{"foo", 5, "unknown argument: foo"},
	{"-p", 5, "flag requires an argument: -p"},
	{"-Fb", 5, "flag requires an argument: -b"},
	{"-l", 5, "flag requires an argument: -l"},
	{"-u", 5, "flag requires an argument: -u"},
	{"-z abc", 5, "invalid size: abc"},
	{"-f0v", 5, "invalid size: 0v"},
	{"-s ''", 5, "invalid size: "},
	{"-f 1x", 5, "invalid size: 1x"},
	{"-cv", 0, "-c flag was removed. binlog is always compacted."},
	{"-nv", 0, "-n flag was removed. binlog is always compacted."},
	{"-z 1073741825 -v", 0, "maximum job size was set to 1073741824"},
	{"-l 127.0.0.1 -p nosuchservice", 111, ""},
	{"-l 192.0.2.1 -p 0", 111, ""}, // an address for documents: nobody has it
	{"-l unix:/nonexistent/socket", 111, ""},
	{"-l 127.0.0.1 -p 0 -u no-such-user", 33, ""},
	{"-l 127.0.0.1 -p 0 -b /nonexistent", 10, ""},
}

func TestBeanstalkdEndings(t *testing.T) {
	link := filepath.Join(t.TempDir(), "beanstalkd")
	if err := os.Symlink(daemon.Millrace, link); err != nil {
		t.Fatal(err)
	}
	checkEndings(t, link)
}

// The real one shows that the table is right.
func TestRealBeanstalkdEndings(t *testing.T) {
	path, err := exec.LookPath("beanstalkd")
	if err != nil {
		t.Skip("beanstalkd is not installed, so the table is not compared with it")
	}
	checkEndings(t, path)
}

func checkEndings(t *testing.T, program string) {
	for _, e := range endings {
		args := strings.Fields(e.args)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "''", "")
		}
		c := exec.Command(program, args...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		err := c.Run()
		if c.ProcessState == nil {
			t.Fatal(err)
		}
		if got := c.ProcessState.ExitCode(); got != e.exit {
			t.Errorf("%s: exit code %d, want %d; stderr %q", e.args, got, e.exit, stderr.String())
		}
		first, _, _ := strings.Cut(stderr.String(), "\n")
		if _, text, _ := strings.Cut(first, ": "); e.stderr != "" && text != e.stderr {
			t.Errorf("%s: stderr %q, want %q", e.args, text, e.stderr)
		}
	}
}

func TestBeanstalkdVersionLine(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if exit := run("beanstalkd", []string{"-v"}, &stdout, &stderr); exit != exitOK {
		t.Errorf("exit code %d", exit)
	}
	if words := strings.Fields(stdout.String()); len(words) != 2 || words[0] != "beanstalkd" || !strings.HasPrefix(words[1], "1.13+") {
		t.Errorf("-v prints %q", stdout.String())
	}
}
