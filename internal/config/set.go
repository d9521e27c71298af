package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrHelp is what Parse returns after it printed the help that was asked for.
var ErrHelp = flag.ErrHelp

// Set is the options of one command.
type Set struct {
	Name     string   // as typed: "millrace serve"
	Args     string   // what follows the options in the usage line
	About    string   // what the command does, in a few lines
	Examples []string // command lines, each optionally "command  # comment"

	flags  *flag.FlagSet
	groups []group
	file   string // path of the config file
	given  map[string]bool
}

type group struct {
	title   string
	options []option
}

type option struct {
	name, arg, help string
	hidden          bool
}

// NewSet returns the empty options of the command called name.
func NewSet(name, args, about string) *Set {
	s := &Set{Name: name, Args: args, About: about, flags: flag.NewFlagSet(name, flag.ContinueOnError)}
	s.flags.SetOutput(io.Discard)
	return s
}

// Group starts a group of options in the help.
func (s *Set) Group(title string) { s.groups = append(s.groups, group{title: title}) }

// Var declares an option. arg names its value in the help ("" for a switch), and
// the text of value at this moment is its default.
func (s *Set) Var(value flag.Value, name, arg, help string) {
	s.flags.Var(value, name, help)
	g := &s.groups[len(s.groups)-1]
	g.options = append(g.options, option{name: name, arg: arg, help: help})
}

// Hidden declares an option that help does not show: it exists for tests.
func (s *Set) Hidden(value flag.Value, name string) {
	s.Var(value, name, "", "")
	g := &s.groups[len(s.groups)-1]
	g.options[len(g.options)-1].hidden = true
}

// ConfigFile declares the option that names the config file.
func (s *Set) ConfigFile() {
	s.Var(Text(&s.file), "config", "FILE", "read options from FILE, one `name = value` a line")
}

// Parse reads args, then the environment, then the config file, and returns what
// follows the options. getenv is os.Getenv, or a test's. Help goes to help, in
// which case the error is ErrHelp; any other error is one sentence for the user.
func (s *Set) Parse(args []string, getenv func(string) string, help io.Writer) ([]string, error) {
	if err := s.flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		s.PrintHelp(help)
		return nil, ErrHelp
	} else if err != nil {
		return nil, fmt.Errorf("%s; `%s --help` lists the options", plain(err), s.Name)
	}
	s.given = map[string]bool{}
	s.flags.Visit(func(f *flag.Flag) { s.given[f.Name] = true })
	if err := s.readEnvironment(s.given, getenv); err != nil {
		return nil, err
	}
	if err := s.readFile(s.given); err != nil {
		return nil, err
	}
	return s.flags.Args(), nil
}

// Given says whether an option was given anywhere, rather than left at its default.
func (s *Set) Given(name string) bool { return s.given[name] }

// EnvName is the environment variable of an option.
func EnvName(option string) string {
	return "MILLRACE_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

func (s *Set) readEnvironment(given map[string]bool, getenv func(string) string) error {
	var first error
	s.flags.VisitAll(func(f *flag.Flag) {
		text := getenv(EnvName(f.Name))
		if text == "" || given[f.Name] || first != nil {
			return
		}
		given[f.Name] = true
		if err := f.Value.Set(text); err != nil {
			first = fmt.Errorf("environment variable %s=%q: %s", EnvName(f.Name), text, err)
		}
	})
	return first
}

func (s *Set) readFile(given map[string]bool) error {
	if s.file == "" {
		return nil
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return fmt.Errorf("cannot read the config file: %w", err)
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := s.setLine(line, given, seen); err != nil {
			return fmt.Errorf("%s, line %d: %w", s.file, i+1, err)
		}
	}
	return nil
}

// setLine takes one "name = value" of the config file, unless the option was given
// in a place that comes first.
func (s *Set) setLine(line string, given, seen map[string]bool) error {
	name, text, ok := strings.Cut(line, "=")
	if !ok {
		return fmt.Errorf("%q is not of the form `name = value`", line)
	}
	name, text = strings.TrimSpace(name), unquote(strings.TrimSpace(text))
	f := s.flags.Lookup(name)
	if f == nil || name == "config" {
		return fmt.Errorf("there is no option %q; `%s --help` lists the options", name, s.Name)
	}
	if seen[name] {
		return fmt.Errorf("option %q is given a second time", name)
	}
	seen[name] = true
	if given[name] {
		return nil
	}
	if err := f.Value.Set(text); err != nil {
		return fmt.Errorf("%s = %s: %w", name, text, err)
	}
	return nil
}

// unquote takes away one pair of double quotes, which people write out of habit.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

var valueFor = strings.NewReplacer(" for flag -", " for --", " for -", " for --")

// plain rewords the flag package's errors with the two dashes that help shows.
func plain(err error) string {
	text := err.Error()
	text = strings.Replace(text, "flag provided but not defined: -", "there is no option --", 1)
	text = strings.Replace(text, "flag needs an argument: -", "a value is missing after --", 1)
	return valueFor.Replace(text)
}
