package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestBeanstalkdArguments(t *testing.T) {
	const nothing = "0.0.0.0:11300 none always 65535"
	tests := []struct {
		args string // words, "''" for an empty one
		want string // address data sync max-job-size; or the error
		warn string
	}{
		{"", nothing, ""},
		{"-l 127.0.0.1 -p 0", "127.0.0.1:0 none always 65535", ""},
		{"-l127.0.0.1 -p0", "127.0.0.1:0 none always 65535", ""},
		{"-l ::1 -p 7", "[::1]:7 none always 65535", ""},
		{"-l unix:/run/b.sock -p 7", "unix:/run/b.sock none always 65535", ""},
		{"-b /var/b", "0.0.0.0:11300 /var/b/millrace always 65535", ""},
		{"-b /var/b -f0", "0.0.0.0:11300 /var/b/millrace always 65535", ""},
		{"-b /var/b -f 50", "0.0.0.0:11300 /var/b/millrace 50ms 65535", ""},
		{"-Fb /var/b", "0.0.0.0:11300 /var/b/millrace never 65535", ""},
		{"-F -f 10 -b/var/b", "0.0.0.0:11300 /var/b/millrace 10ms 65535", ""},
		{"-f -1", "0.0.0.0:11300 none never 65535", ""},
		{"-z 1073741824", "0.0.0.0:11300 none always 1073741824", ""},
		{"-z -1", "0.0.0.0:11300 none always 1073741824", "maximum job size was set to 1073741824"},
		{"-z 99999999999999999999", "0.0.0.0:11300 none always 1073741824", "maximum job size was set to 1073741824"},
		{"-z 0", "0.0.0.0:11300 none always 0", ""},
		{"-s 1024 -u nobody -VVV", nothing, ""},
		{"-cn", nothing, "-c flag was removed. binlog is always compacted.|-n flag was removed. binlog is always compacted."},
		{"-h", "flag: help requested", ""},
		{"-hx", "flag: help requested", ""},
		{"-FVv", "the version was asked for", ""},
		{"-v foo", "the version was asked for", ""},
		{"-x", "wrong usage", "unknown flag: -x"},
		{"-xh", "wrong usage", "unknown flag: -xh"},
		{"-FVxh", "wrong usage", "unknown flag: Vxh"},
		{"--help", "wrong usage", "unknown flag: --help"},
		{"--", "wrong usage", "unknown flag: --"},
		{"-", "wrong usage", "unknown argument: -"},
		{"''", "wrong usage", "unknown argument: "},
		{"foo", "wrong usage", "unknown argument: foo"},
		{"-p 1 foo", "wrong usage", "unknown argument: foo"},
		{"-p", "wrong usage", "flag requires an argument: -p"},
		{"-FVb", "wrong usage", "flag requires an argument: -b"},
		{"-z abc", "wrong usage", "invalid size: abc"},
		{"-f0v", "wrong usage", "invalid size: 0v"},
		{"-f ''", "wrong usage", "invalid size: "},
		{"-s -", "wrong usage", "invalid size: -"},
		{"-l ''", "wrong usage", "-l needs an address; an empty one is none"},
	}
	for _, test := range tests {
		args := strings.Fields(test.args)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "''", "")
		}
		var warnings []string
		o, err := Beanstalkd(args, func(format string, a ...any) {
			warnings = append(warnings, fmt.Sprintf(format, a...))
		})
		got := fmt.Sprint(o.Beanstalk, " ", o.Data, " ", o.Sync.String(), " ", o.MaxJobSize)
		if err != nil {
			got = err.Error()
		}
		if got != test.want || strings.Join(warnings, "|") != test.warn {
			t.Errorf("%q:\ngot  %s; %q\nwant %s; %q", test.args, got, warnings, test.want, test.warn)
		}
	}
}
