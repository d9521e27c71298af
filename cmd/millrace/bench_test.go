package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/bench"
)

func TestBenchCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		exit int
		says string // on either output
	}{
		{[]string{"--help"}, exitOK, "--vs ADDR"},
		{[]string{"--help"}, exitOK, "pingpong"},
		{[]string{"127.0.0.1:11300"}, exitUsage, "--server"},
		{[]string{"--scenario", "swim"}, exitUsage, `"swim"`},
		{[]string{"--scenario", ","}, exitUsage, "name at least one"},
		{[]string{"--depth", "0"}, exitUsage, "depth is 0"},
		{[]string{"--server", "unix:/nonexistent/socket"}, exitFailed, "unix:/nonexistent/socket"},
	} {
		var stdout, stderr strings.Builder
		if exit := benchCommand(c.args, &stdout, &stderr); exit != c.exit {
			t.Errorf("%q: exit %d; want %d", c.args, exit, c.exit)
		}
		if all := stdout.String() + stderr.String(); !strings.Contains(all, c.says) {
			t.Errorf("%q says %q; want %q in it", c.args, all, c.says)
		}
	}
}

func TestScenarioNames(t *testing.T) {
	if got := scenarioNames(bench.Beanstalk, " put, cycle,,"); !slices.Equal(got, []string{"put", "cycle"}) {
		t.Errorf("names %q", got)
	}
	if got := scenarioNames(bench.Beanstalk, "all"); len(got) != len(bench.Scenarios(bench.Beanstalk)) {
		t.Errorf("all is %q", got)
	}
}
