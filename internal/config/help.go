package config

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// PrintHelp writes what a person wants to know of the command: what it does, the
// options by group with their defaults, and examples.
func (s *Set) PrintHelp(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n", s.About, s.usage())
	for _, g := range s.groups {
		s.printGroup(w, g)
	}
	if len(s.Examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
		printColumns(w, s.Examples)
	}
	s.printPlaces(w)
}

// printPlaces says where else options can be given.
func (s *Set) printPlaces(w io.Writer) {
	if len(s.groups) == 0 {
		return
	}
	if s.flags.Lookup("config") == nil {
		fmt.Fprintf(w, "\nAn option can also be set in the environment: --server as %s.\n", EnvName("server"))
		return
	}
	fmt.Fprintf(w, "\nAn option can also be set in the environment (--data as %s) or in the config\nfile (data = DIR). A flag comes before the environment, and that before the file.\n", EnvName("data"))
}

func (s *Set) usage() string {
	if len(s.groups) == 0 {
		return s.Name + " " + s.Args
	}
	return strings.TrimSpace(s.Name + " [options] " + s.Args)
}

func (s *Set) printGroup(w io.Writer, g group) {
	var lines []string
	for _, o := range g.options {
		if !o.hidden {
			lines = append(lines, strings.TrimSpace("--"+o.name+" "+o.arg)+"  # "+o.help+s.defaultNote(o))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		printColumns(w, lines)
	}
}

func (s *Set) defaultNote(o option) string {
	switch d := s.flags.Lookup(o.name).DefValue; {
	case d == "" || d == "false" || d == "0" || d == "0s":
		return ""
	default:
		return " (default " + d + ")"
	}
}

// printColumns writes "left  # right" lines with the right sides aligned.
func printColumns(w io.Writer, lines []string) {
	columns := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, line := range lines {
		left, right, ok := strings.Cut(line, "  # ")
		if !ok {
			fmt.Fprintf(columns, "  %s\n", left)
			continue
		}
		fmt.Fprintf(columns, "  %s\t%s\n", left, strings.ReplaceAll(right, "\n", "\n  \t"))
	}
	columns.Flush()
}
