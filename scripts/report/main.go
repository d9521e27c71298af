// Command report reads the output of `go test -json`, prints a line for each package
// and everything about what failed or was skipped, and adds what it counted to a
// file: how many tests passed, failed and were skipped.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ... | report COUNTS-FILE")
		os.Exit(2)
	}
	r := report{out: os.Stdout, output: map[test][]string{}, tests: map[string]int{}, fails: map[string]int{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if err := r.count(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if r.failed > 0 {
		os.Exit(1)
	}
}

// event is a line of `go test -json` (see `go doc test2json`).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64 // seconds
}

// test names a test; without a test, its package.
type test struct{ pkg, name string }

type report struct {
	out                     io.Writer
	output                  map[test][]string // of what has not ended yet
	tests, fails            map[string]int    // in each package
	passed, failed, skipped int
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// line takes one event. What is not an event is something else's output.
func (r *report) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.out, line)
		return
	}
	key := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.output[key] = append(r.output[key], e.Output)
		return
	case "build-output":
		fmt.Fprint(r.out, e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Test == "" {
		r.ended(e)
	} else {
		r.testEnded(e)
	}
	delete(r.output, key)
}

func (r *report) testEnded(e event) {
	r.tests[e.Package]++
	switch e.Action {
	case "pass":
		r.passed++
		return
	case "fail":
		r.fail(e.Package)
	case "skip":
		r.skipped++
	}
	fmt.Fprintf(r.out, "%s %s %s (%.1f s)\n", strings.ToUpper(e.Action), e.Package, e.Test, e.Elapsed)
	r.print(test{e.Package, e.Test})
}

func (r *report) fail(pkg string) {
	r.failed++
	r.fails[pkg]++
}

// ended prints the line of a package. One that fails without a test that fails did
// not compile, or died.
func (r *report) ended(e event) {
	if e.Action == "skip" {
		return // no test files
	}
	word := "ok  "
	if e.Action == "fail" {
		word = "FAIL"
		r.print(test{e.Package, ""})
		for key := range r.output {
			if key.pkg == e.Package && key.name != "" {
				fmt.Fprintf(r.out, "FAIL %s %s did not end\n", key.pkg, key.name)
				r.fail(e.Package)
				r.print(key)
				delete(r.output, key)
			}
		}
		if r.fails[e.Package] == 0 {
			r.fail(e.Package)
		}
	}
	fmt.Fprintf(r.out, "%s %6.1f s %5d tests  %s\n", word, e.Elapsed, r.tests[e.Package], e.Package)
}

func (r *report) print(key test) {
	for _, line := range r.output[key] {
		if !strings.HasPrefix(strings.TrimSpace(line), "=== ") {
			fmt.Fprint(r.out, "    ", line)
		}
	}
}

// count adds a line to the file that the caller sums up.
func (r *report) count(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, r.passed, r.failed, r.skipped); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
