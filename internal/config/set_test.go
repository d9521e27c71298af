package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// env is a getenv over a map; it holds a home folder that is the same everywhere.
func env(vars map[string]string) func(string) string {
	return func(name string) string {
		if name == "HOME" {
			return "/home/user"
		}
		return vars[name]
	}
}

func serveOptions(vars map[string]string) (*Options, *Set) {
	o := Defaults(env(vars))
	s := NewSet("millrace serve", "", "Start the server.")
	o.Declare(s)
	return &o, s
}

func TestPrecedence(t *testing.T) {
	const option, variable = "beanstalk", "MILLRACE_BEANSTALK"
	tests := []struct {
		name            string
		flag, env, file string
		want            string
	}{
		{"nothing", "", "", "", "127.0.0.1:11300"},
		{"file", "", "", "file:1", "file:1"},
		{"environment", "", "env:1", "", "env:1"},
		{"flag", "flag:1", "", "", "flag:1"},
		{"environment over file", "", "env:1", "file:1", "env:1"},
		{"flag over file", "flag:1", "", "file:1", "flag:1"},
		{"flag over environment", "flag:1", "env:1", "", "flag:1"},
		{"flag over both", "flag:1", "env:1", "file:1", "flag:1"},
		{"flag that says the default", "127.0.0.1:11300", "env:1", "file:1", "127.0.0.1:11300"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var args []string
			vars := map[string]string{}
			if test.flag != "" {
				args = append(args, "--"+option, test.flag)
			}
			if test.env != "" {
				vars[variable] = test.env
			}
			if test.file != "" {
				args = append(args, "--config", writeConfig(t, option+" = "+test.file))
			}
			o, s := serveOptions(vars)
			if _, err := s.Parse(args, env(vars), nil); err != nil {
				t.Fatal(err)
			}
			if o.Beanstalk != test.want {
				t.Errorf("beanstalk = %q, want %q", o.Beanstalk, test.want)
			}
		})
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "millrace.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigFileFromEnvironment(t *testing.T) {
	vars := map[string]string{"MILLRACE_CONFIG": writeConfig(t, "# where\ndata = \"/srv/mill race\"\n\n  sync = 50ms\ninsecure-public = true\nmax-job-size=1MiB\r\n")}
	o, s := serveOptions(vars)
	if _, err := s.Parse(nil, env(vars), nil); err != nil {
		t.Fatal(err)
	}
	if o.Data != "/srv/mill race" || o.Sync.String() != "50ms" || !o.InsecurePublic || o.MaxJobSize != 1<<20 {
		t.Errorf("options %+v", o)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		args []string
		vars map[string]string
		file string
		want string
	}{
		{args: []string{"--datta", "x"}, want: "there is no option --datta; `millrace serve --help` lists the options"},
		{args: []string{"--data"}, want: "a value is missing after --data; `millrace serve --help` lists the options"},
		{args: []string{"--sync", "soon"}, want: `invalid value "soon" for --sync: must be always, never, or a length of time such as 50ms; ` + "`millrace serve --help` lists the options"},
		{args: []string{"--log-format", "xml"}, want: `invalid value "xml" for --log-format: must be one of text, json; ` + "`millrace serve --help` lists the options"},
		{vars: map[string]string{"MILLRACE_MAX_CONNS": "-1"}, want: `environment variable MILLRACE_MAX_CONNS="-1": must be a whole number, 0 or more`},
		{file: "data = x\ndata = y", want: `FILE, line 2: option "data" is given a second time`},
		{file: "\ndata", want: "FILE, line 2: \"data\" is not of the form `name = value`"},
		{file: "dato = x", want: "FILE, line 1: there is no option \"dato\"; `millrace serve --help` lists the options"},
		{file: "config = x", want: "FILE, line 1: there is no option \"config\"; `millrace serve --help` lists the options"},
		{file: "max-job-size = big", want: "FILE, line 1: max-job-size = big: must be a number of bytes such as 65535, 64KiB or 1GiB"},
		{args: []string{"--config", "/missing"}, want: "cannot read the config file: open /missing: no such file or directory"},
	}
	for _, test := range tests {
		args := test.args
		if test.file != "" {
			args = append(args, "--config", writeConfig(t, test.file))
		}
		_, s := serveOptions(test.vars)
		_, err := s.Parse(args, env(test.vars), nil)
		if err == nil {
			t.Errorf("%v %v %q: no error, want %q", test.args, test.vars, test.file, test.want)
			continue
		}
		got := err.Error()
		if test.file != "" {
			got = strings.Replace(got, args[len(args)-1], "FILE", 1)
		}
		if got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestHelp(t *testing.T) {
	_, s := serveOptions(nil)
	s.Examples = []string{"millrace serve --data none  # in memory"}
	var out bytes.Buffer
	if _, err := s.Parse([]string{"--help"}, env(nil), &out); !errors.Is(err, ErrHelp) {
		t.Fatalf("error %v, want ErrHelp", err)
	}
	const path = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("help has changed (run with -update if it should):\n%s", out.String())
	}
}
