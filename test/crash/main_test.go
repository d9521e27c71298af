// Package crash ends the real binary in the ways that servers end, and holds what
// it finds after that against every answer that the server gave before.
//
// A short run is part of `go test ./...`. For a long one:
//
//	go test ./test/crash -run TestKill -kills 10000 -timeout 24h
//	go test ./test/crash -run TestKill -seed 42      # one that failed, again
package crash

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/millrace/millrace/test/daemon"
)

var (
	kills   = flag.Int("kills", 8, "how often TestKill kills the server")
	seed    = flag.Uint64("seed", 0, "of the random choices; 0 chooses one")
	flips   = flag.Int("flips", 40, "how many bits TestDamage flips in each directory, one at a time")
	require = flag.Bool("require", false, "fail instead of skipping what needs root or strace")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64N(1 << 32)
	}
	os.Exit(daemon.Main(m))
}

// random is a source of a test's random choices, and prints how to get them again.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("-seed %d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

// needs skips a test that cannot run here, or fails it if -require says that it must.
func needs(t *testing.T, can bool, what string) {
	t.Helper()
	switch {
	case can:
	case *require:
		t.Fatalf("this test needs %s", what)
	default:
		t.Skipf("needs %s (-require makes this a failure)", what)
	}
}

// strace is the command that runs cmd and injects a fault into the given system
// calls. Strace counts them for each thread by itself. Other calls are not slowed.
func strace(t *testing.T, cmd *exec.Cmd, calls, fault string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("strace")
	needs(t, err == nil, "strace")
	args := []string{"-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + fault}
	return exec.Command(path, append(args, cmd.Args...)...)
}
