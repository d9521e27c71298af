package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/millrace/millrace/internal/bench"
	"github.com/millrace/millrace/internal/config"
)

// benchOptions is bench.Options as a command line gives them.
type benchOptions struct {
	bench.Options
	scenarios     string
	json, verbose bool
}

func benchCommand(args []string, stdout, stderr io.Writer) int {
	o := benchOptions{Options: bench.DefaultOptions()}
	o.scenarios = strings.Join(o.Scenarios, ",")
	s := o.declare()
	rest, exit, ok := parse(s, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(rest) > 0 {
		return usageError(stderr, fmt.Errorf("bench takes options only; take %q away (the server goes after --server)", strings.Join(rest, " ")))
	}
	o.Scenarios = scenarioNames(o.Protocol, o.scenarios)
	if err := o.Validate(); err != nil {
		return usageError(stderr, err)
	}
	if err := o.run(stdout, stderr); err != nil {
		return failure(stderr, err)
	}
	return exitOK
}

func (o *benchOptions) declare() *config.Set {
	about := "Measure a server, or compare two that take turns in short rounds. The jobs go into\n" +
		"queues of their own and are taken out again.\n\nScenarios (\"all\" is every one):"
	for _, s := range bench.Scenarios(bench.Beanstalk) {
		about += fmt.Sprintf("\n  %-11s %s", s.Name, s.About)
	}
	about += "\n\nScenarios with --protocol gearman:"
	for _, s := range bench.Scenarios(bench.Gearman) {
		about += fmt.Sprintf("\n  %-11s %s", s.Name, s.About)
	}
	s := config.NewSet("millrace bench", "", about)
	s.Group("Servers")
	s.Var(config.Text(&o.Address), "server", "ADDR", "server to measure, host:port or unix:path")
	s.Var(config.Text(&o.Versus), "vs", "ADDR", "server to compare it with")
	s.Var(config.Count(&o.PID), "pid", "PID", "process of the server, to show its CPU time and memory")
	s.Var(config.Count(&o.VersusPID), "vs-pid", "PID", "process of the server compared with")
	s.Group("Load")
	s.Var(config.OneOf(&o.Protocol, bench.Beanstalk, bench.Gearman, bench.Memcache), "protocol", "WORD", "beanstalk, gearman, or memcache: put, cycle and pingpong alone, where a job is a\nset and its get, so that memcached itself can be compared with")
	s.Var(config.Text(&o.scenarios), "scenario", "LIST", "what to measure, separated by commas")
	s.Var(config.Count(&o.Conns), "conns", "N", "connections of the put scenario")
	s.Var(config.Count(&o.Producers), "producers", "N", "connections that put, in every cycle")
	s.Var(config.Count(&o.Workers), "workers", "N", "connections that reserve and delete")
	s.Var(config.Count(&o.Size), "size", "BYTES", "length of a body")
	s.Var(config.Count(&o.Depth), "depth", "N", "requests sent at once, before waiting for replies")
	s.Var(config.Count(&o.Ahead), "ahead", "N", "ready jobs at which producers pause (0: twice what workers ask for)")
	s.Var(config.Count(&o.Tubes), "tubes", "N", "tubes of live-tubes, tubes and watched")
	s.Var(config.Count(&o.Watchers), "watchers", "N", "workers of watchers")
	s.Var(config.Count(&o.Idle), "idle", "N", "waiting connections of idle")
	s.Var(config.Count(&o.Backlog), "backlog", "N", "ready jobs that backlog starts with")
	s.Var(config.Duration(&o.Delay), "delay", "TIME", "delay of delayed's jobs, whole seconds")
	s.Var(config.Count(&o.Delayed), "delayed", "N", "jobs of delayed that are under way at once")
	s.Group("Rounds")
	s.Var(config.Count(&o.Rounds), "rounds", "N", "rounds for each server")
	s.Var(config.Duration(&o.Duration), "duration", "TIME", "length of a round")
	s.Var(config.Duration(&o.Warmup), "warmup", "TIME", "start of a round that does not count")
	s.Var(config.Count(&o.Count), "count", "N", "jobs that end a round early, which bounds the server's memory")
	s.Var(config.Switch(&o.Keep), "keep", "", "leave the jobs in the server")
	s.Group("Output")
	s.Var(config.Switch(&o.json), "json", "", "JSON in place of the table")
	s.Var(config.Switch(&o.verbose), "verbose", "", "show progress, every pair of rounds, and what the generator costs")
	s.Examples = []string{
		"millrace bench --server 127.0.0.1:11300  # the usual three scenarios",
		"millrace bench --vs 127.0.0.1:11301 --scenario cycle --depth 16  # two servers side by side",
		"millrace bench --protocol memcache --server 127.0.0.1:22133 --vs 127.0.0.1:11211 --scenario cycle",
		"millrace bench --scenario idle --pid $(pidof millrace)  # with its CPU time and memory",
	}
	return s
}

// run measures until it is done or interrupted; a second signal ends it at once.
func (o *benchOptions) run(stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if o.verbose {
		o.Progress = stderr
	}
	report, err := bench.Run(ctx, o.Options)
	if len(report.Rows) > 0 || err == nil {
		if printErr := o.print(stdout, &report); err == nil {
			err = printErr
		}
	}
	return err
}

func (o *benchOptions) print(w io.Writer, r *bench.Report) error {
	if o.json {
		return r.WriteJSON(w)
	}
	return r.WriteTable(w, o.verbose)
}

func scenarioNames(protocol, list string) (names []string) {
	if list == "all" {
		for _, s := range bench.Scenarios(protocol) {
			names = append(names, s.Name)
		}
		return names
	}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
