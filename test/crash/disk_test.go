package crash

import (
	"errors"
	"fmt"
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

// TestBitFlips flips single bits of what a server left. It starts with exactly what
// was there, or refuses to.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	rnd, dir, jobs := random(t), t.TempDir(), newStock()
	s := daemon.Serve(t, dir)
	c := connect(t, s.Addr)
	for range 60 {
		jobs.put(c, newBody(rnd, "flip", rnd.IntN(500)))
	}
	jobs.work(t, c, 20)
	last := c.mustPut(t, "the last frame may be taken for one that a crash tore")
	jobs.bodies[last] = "the last frame may be taken for one that a crash tore"
	s.Signal(syscall.SIGTERM)
	s.Wait(answerLimit)
	written := writtenBytes(t, dir)
	refused := 0
	for i := range 1 + *flips {
		at := written[rnd.IntN(len(written))]
		bit := byte(1) << rnd.IntN(8)
		if i == 0 {
			bit = 0 // a copy as it was has to start
		}
		name := strings.TrimPrefix(at.file, dir+"/")
		what := fmt.Sprintf("bit %#x of byte %d in %s", bit, at.offset, name)
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		flip(t, filepath.Join(copied, name), at.offset, bit)
		s := daemon.Start(t, daemon.ServeCommand(copied))
		if err := s.WaitListening(); errors.Is(err, daemon.ErrEnded) {
			refused++
			if bit == 0 {
				t.Fatalf("the server refuses a copy:\n%s", s.Output())
			}
			if !strings.Contains(s.Output(), name) {
				t.Errorf("%s: the server refuses without naming the file:\n%s", what, s.Output())
			}
			continue
		} else if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		ids := jobs.missing(t, connect(t, s.Addr))
		if len(ids) > 1 || len(ids) == 1 && ids[0] != last {
			t.Errorf("%s: jobs %v are gone", what, ids)
		}
		s.Kill()
	}
	t.Logf("%d of %d flips were refused", refused, *flips)
}

// place is a byte of a file.
type place struct {
	file   string
	offset int64
}

// writtenBytes are the places near bytes other than zero: a flip in space that is
// not used yet shows little.
func writtenBytes(t *testing.T, dir string) (places []place) {
	t.Helper()
	const near = 16
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for i := range data {
			if strings.Trim(string(data[max(0, i-near):min(len(data), i+near)]), "\x00") != "" {
				places = append(places, place{path, int64(i)})
			}
		}
		return err
	})
	if err != nil || len(places) == 0 {
		t.Fatalf("nothing was written to %s: %v", dir, err)
	}
	return places
}

func flip(t *testing.T, path string, offset int64, bit byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[offset] ^= bit
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
