package crash

import (
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

// largeJobs lets bodies be larger than one record of a log.
const largeJobs = "--max-job-size=1MiB"

// frequently has a snapshot written, and old segments recycled, all the time.
const frequently = "--snapshot-bytes=200KiB"

// TestKill kills the server at random moments of load, of recovery and of start,
// and audits what it acknowledged before.
func TestKill(t *testing.T) {
	t.Parallel()
	t.Run("log", func(t *testing.T) { testKill(t, largeJobs) })
	t.Run("snapshots", func(t *testing.T) { testKill(t, largeJobs, frequently) })
	t.Run("written only", func(t *testing.T) { testKill(t, largeJobs, frequently, "--sync=never") })
}

func testKill(t *testing.T, args ...string) {
	t.Parallel()
	rnd, dir := random(t), t.TempDir()
	f := newFleet(t, rnd, 8)
	for range *kills {
		s := daemon.Serve(t, dir, args...)
		f.check(s)
		f.start(s.Addr)
		f.until(s, 1+rnd.IntN(2000))
		s.Kill()
		f.stopped()
		if rnd.IntN(3) == 0 {
			s := daemon.Start(t, daemon.ServeCommand(dir, args...))
			select {
			case <-time.After(time.Duration(rnd.IntN(30)) * time.Millisecond):
			case <-s.Exited():
				t.Fatalf("the server does not start after a kill:\n%s", s.Output())
			}
			s.Kill()
		}
	}
	f.finish(daemon.Serve(t, dir, args...))
}

// TestTerm asks the server to end while it is under load.
func TestTerm(t *testing.T) {
	t.Parallel()
	rnd, dir := random(t), t.TempDir()
	f := newFleet(t, rnd, 8)
	for range 3 {
		s := daemon.Serve(t, dir, largeJobs)
		f.check(s)
		f.start(s.Addr)
		f.until(s, 1+rnd.IntN(2000))
		if err := s.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		status, err := s.Wait(answerLimit)
		if err != nil || status != 0 {
			t.Fatalf("exit status %d, %v:\n%s", status, err, s.Output())
		}
		f.stopped()
	}
	f.finish(daemon.Serve(t, dir, largeJobs))
}
