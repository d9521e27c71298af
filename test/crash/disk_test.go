package crash

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/test/daemon"
)

// TestDiskFull fills a disk of 16 MiB. Puts are refused, all else goes on, a restart
// works, and deletes make room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	const disk, size = 16 << 20, 8 << 10
	dir := filepath.Join(mount(t, "size=16m"), "data")
	jobs := newStock()
	s := daemon.Serve(t, dir)
	c := connect(t, s.Addr)
	if answer, err := jobs.fill(t, c, disk/size, size); answer != "OUT_OF_MEMORY" {
		t.Fatalf("the answer to a put on a full disk is %q, %v", answer, err)
	}
	if n := len(jobs.bodies); n*size < disk/4 {
		t.Errorf("only %d jobs of %d bytes fit a disk of %d", n, size, disk)
	}
	jobs.work(t, c, 10)
	jobs.check(t, c)

	s.Kill()
	s = daemon.Serve(t, dir)
	jobs.check(t, connect(t, s.Addr))
	s.Signal(syscall.SIGTERM)
	if status, err := s.Wait(answerLimit); status != 0 || err != nil {
		t.Fatalf("exit status %d, %v", status, err)
	}

	s = daemon.Serve(t, dir)
	c = connect(t, s.Addr)
	jobs.check(t, c)
	jobs.work(t, c, len(jobs.bodies)-10)
	for tries := 0; ; tries++ {
		if answer, err := jobs.put(c, "there is room again"); err != nil {
			t.Fatal(err)
		} else if answer == "" {
			break
		}
		if tries == 20 {
			t.Fatal("no put is taken 20 s after all but 10 jobs were deleted")
		}
		wait(t, c)
	}
	jobs.check(t, c)
}

// mount is a file system in memory, gone with the test.
func mount(t *testing.T, options string) string {
	t.Helper()
	needs(t, os.Getuid() == 0, "root, to mount a small disk")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		needs(t, false, "the right to mount a small disk ("+err.Error()+")")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskFails makes every write, or every sync, of a thread fail from some moment on. Nothing
// is acknowledged after that, the server says why, and a restart on the disk as it
// was when it still worked has everything.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	const syncs, writes = "fdatasync,fsync", "pwrite64,pwritev,pwritev2"
	// A disk that is fast is synced by another thread after a while, so a fault may
	// come early or late.
	for _, fault := range []struct{ calls, when string }{{syncs, "20+"}, {syncs, "150+"}, {writes, "150+"}, {writes, "400+"}} {
		t.Run(fault.calls+" "+fault.when, func(t *testing.T) {
			t.Parallel()
			testDiskFails(t, fault.calls, "error=EIO:when="+fault.when)
		})
	}
}

// unwell matches what an operator has to read about a disk that fails.
var unwell = regexp.MustCompile(`(?i)input/output error`)

func testDiskFails(t *testing.T, calls, fault string) {
	dir, jobs := t.TempDir(), newStock()
	s := daemon.Listening(t, strace(t, daemon.ServeCommand(dir), calls, fault))
	c := connect(t, s.Addr)
	if answer, err := jobs.fill(t, c, 20_000, 100); err == nil {
		t.Fatalf("a put whose outcome is unknown was answered: %q", answer)
	} else if !gone(err) {
		t.Fatalf("a put whose outcome is unknown: %v", err)
	}
	t.Logf("%d puts were acknowledged before", len(jobs.bodies))
	if _, err := s.WaitOutput(unwell, answerLimit); err != nil {
		t.Error(err)
	}
	// The server may have ended, or it may refuse.
	if c, err := dial(s.Addr); err == nil {
		if id, answer, _ := c.put(0, 0, 60, "late"); id != 0 {
			t.Errorf("after the disk failed, a put was answered %q", answer)
		}
		c.Close()
	}
	s.Kill()
	s = daemon.Serve(t, dir)
	jobs.check(t, connect(t, s.Addr))
}

// TestLocked starts a second server on the same directory.
func TestLocked(t *testing.T) {
	t.Parallel()
	dir, jobs := t.TempDir(), newStock()
	first := daemon.Serve(t, dir)
	c := connect(t, first.Addr)
	jobs.put(c, "before")
	second := daemon.Start(t, daemon.ServeCommand(dir))
	status, err := second.Wait(answerLimit)
	if err != nil || status == 0 {
		t.Fatalf("the second server: exit status %d, %v", status, err)
	}
	if !strings.Contains(second.Output(), dir) {
		t.Errorf("the second server does not name the directory %s:\n%s", dir, second.Output())
	}
	jobs.put(c, "after")
	jobs.check(t, c)
	first.Kill()
	jobs.check(t, connect(t, daemon.Serve(t, dir).Addr))
}
