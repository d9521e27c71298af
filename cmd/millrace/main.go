// Millrace is a durable job queue that speaks the protocols applications already
// speak.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/config"
)

// Exit codes; a command line that cannot be understood is told from work that
// failed.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is one subcommand. run returns the exit code.
type command struct {
	name, about string
	run         func(args []string, stdout, stderr io.Writer) int
}

func commands() []command {
	return []command{
		{"serve", "start the server", serveCommand},
		{"beanstalkd", "start it with the arguments of beanstalkd, in its place", beanstalkdCommand},
		{"gearmand", "start it with the arguments of gearmand, in its place", gearmandCommand},
		{"put", "put a job", putCommand},
		{"reserve", "take one job and print it", reserveCommand},
		{"work", "run a command for each job", workCommand},
		{"stats", "show what the server is doing", statsCommand},
		{"bench", "measure a server, or compare two", benchCommand},
		{"log", "check or print the log of a data directory", logCommand},
		{"version", "print the version", versionCommand},
	}
}

func main() {
	os.Exit(run(filepath.Base(os.Args[0]), os.Args[1:], os.Stdout, os.Stderr))
}

// run is main as a function: name is what the binary was called.
func run(name string, args []string, stdout, stderr io.Writer) int {
	switch name {
	case "beanstalkd":
		return beanstalkdCommand(args, stdout, stderr)
	case "gearmand":
		return gearmandCommand(args, stdout, stderr)
	}
	if len(args) == 0 {
		printUsage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "--help", "-h":
		if len(args) > 1 {
			return run(name, []string{args[1], helpFlag(args[1])}, stdout, stderr)
		}
		printUsage(stdout)
		return exitOK
	case "--version", "-v":
		return versionCommand(nil, stdout, stderr)
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(args[1:], stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "millrace: there is no command %q; `millrace help` lists them\n", args[0])
	return exitUsage
}

// helpFlag is what asks a command for its help: that of beanstalkd knows -h only.
func helpFlag(command string) string {
	if command == "beanstalkd" {
		return "-h"
	}
	return "--help"
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "Millrace is a durable job queue that speaks the protocols applications already speak.\n\nUsage:\n  millrace <command> [options]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.about)
	}
	fmt.Fprint(w, "\n`millrace help <command>` says more. To try it: `millrace serve` here, and\n`millrace put hello` and `millrace stats` in another window.\n")
}

// parse reads the options of a command. When ok is false, the command ends with
// the exit code.
func parse(s *config.Set, args []string, stdout, stderr io.Writer) (rest []string, exit int, ok bool) {
	rest, err := s.Parse(args, os.Getenv, stdout)
	if errors.Is(err, config.ErrHelp) {
		return nil, exitOK, false
	}
	if err != nil {
		return nil, usageError(stderr, err), false
	}
	return rest, exitOK, true
}

func usageError(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "millrace: %v\n", err)
	return exitUsage
}

func failure(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "millrace: %v\n", err)
	return exitFailed
}
