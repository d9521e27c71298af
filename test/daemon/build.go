// Package daemon runs millrace and beanstalkd as child processes, for tests that
// meet a server as its users do: started by its arguments, found at an address,
// ended by a signal.
package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Millrace is the path of the binary that Main built.
var Millrace string

// Main builds millrace once for the tests of a package, runs them and returns
// their exit status. It is what TestMain calls.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "millrace-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Millrace = filepath.Join(dir, "millrace")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", Millrace, "github.com/millrace/millrace/cmd/millrace")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build, err, out)
		return 1
	}
	return m.Run()
}
