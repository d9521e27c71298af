package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGearmandArguments(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(conf, []byte("# comment\nport=7\nexceptions\nthreads = 4 # too\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const refused = "jobs are kept here without a database: take this option away and name a folder with --data DIR"
	for _, test := range []struct{ args, want string }{
		{"", ":4730 off none 0 1.1 error"},
		{"-L 127.0.0.1 -p 0", "127.0.0.1:0 off none 0 1.1 error"},
		{"-L127.0.0.1 --port=9", "127.0.0.1:9 off none 0 1.1 error"},
		{"--listen ::1 --por 9", "[::1]:9 off none 0 1.1 error"},
		{"-r http", ":4730 :8080 none 0 1.1 error"},
		{"-r HTTP --http-port 9 -L ::1", "[::1]:4730 [::1]:9 none 0 1.1 error"},
		{"-j 3 -t 4 -w 1 -b 5 --keepalive --keepalive-idle 4 -q builtin", ":4730 off none 3 1.1 error"},
		{"-j 3 --compat 2.0", ":4730 off none 4 2.0 error"},
		{"-j 0 --compat=2.0", ":4730 off none 1 2.0 error"},
		{"-j 0", ":4730 off none 0 1.1 error"},
		{"--data /var/g --verbose INFO", ":4730 off /var/g 0 1.1 info"},
		{"-dR --syslog --coredump", ":4730 off none 0 1.1 error"},
		{"--config-file " + conf, ":7 off none 0 1.1 error"},
		{"-p 8 --config-file=" + conf, ":8 off none 0 1.1 error"},
		{"--ssl", "--ssl needs a certificate and its key: give --ssl-certificate FILE and --ssl-key FILE"},
		{"-q libsqlite3", "the argument ('libsqlite3') for option '--queue-type' is invalid: " + refused},
		{"--mysql-host=x", "--mysql-host: " + refused},
		{"--store-queue-on-shutdown", "--store-queue-on-shutdown: " + refused},
		{"--foo", "unrecognised option '--foo'"},
		{"-x", "unrecognised option '-x'"},
		{"foo", "unrecognised option 'foo'"},
		{"--", "unrecognised option '--'"},
		{"-p", "the required argument for option '--port' is missing"},
		{"-t abc", "the argument ('abc') for option '--threads' is invalid: not a whole number"},
		{"--daemon=x", "option '--daemon' does not take any arguments"},
		{"--keepalive-i 4", "option '--keepalive-i' is ambiguous: --keepalive-idle or --keepalive-interval"},
		{"-h", ErrHelp.Error()},
		{"-RV", ErrVersion.Error()},
		{"--config-file /nonexistent", "cannot read the config file: open /nonexistent: no such file or directory"},
	} {
		g, err := ReadGearmand(strings.Fields(test.args), func(string) string { return "" })
		got := fmt.Sprint(g.Gearman.Address, " ", g.Gearman.HTTP, " ", g.Data, " ", g.Gearman.Attempts(), " ", g.Gearman.Compat, " ", g.LogLevel)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q:\ngot  %s\nwant %s", test.args, got, test.want)
		}
		if err == nil {
			if err := g.Check(); err != nil {
				t.Errorf("%q: %v", test.args, err)
			}
		}
	}
	g, err := ReadGearmand(nil, func(name string) string { return map[string]string{"GEARMAND_PORT": "5"}[name] })
	if err != nil || g.Gearman.Address != ":5" {
		t.Errorf("with GEARMAND_PORT: %q, %v", g.Gearman.Address, err)
	}
	if _, err := ReadGearmand([]string{"--help"}, func(string) string { return "" }); !errors.Is(err, ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}
