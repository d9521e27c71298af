package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/test/daemon"
)

// left is a directory that a server left in order, and what has to be in it.
type left struct {
	dir  string
	jobs *stock
	last uint64 // the newest job: its frame may be taken for one that a crash tore
}

// leave has a server put and work jobs, and end.
func leave(t *testing.T, rnd *rand.Rand, puts, size int, args ...string) *left {
	t.Helper()
	l := &left{dir: t.TempDir(), jobs: newStock()}
	s := daemon.Serve(t, l.dir, args...)
	c := connect(t, s.Addr)
	for n := range puts {
		if _, err := l.jobs.put(c, newBody(rnd, "damage", rnd.IntN(size))); err != nil {
			t.Fatal(err)
		}
		if n%3 == 2 {
			l.jobs.work(t, c, 1)
		}
	}
	const body = "the last"
	l.last = c.mustPut(t, body)
	l.jobs.bodies[l.last] = body
	s.Signal(syscall.SIGTERM)
	if status, err := s.Wait(answerLimit); status != 0 || err != nil {
		t.Fatalf("exit status %d, %v", status, err)
	}
	return l
}

// files are the names of the files with any of the suffixes.
func (l *left) files(t *testing.T, suffixes ...string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if slices.Contains(suffixes, filepath.Ext(e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

// start damages a copy of the directory and starts a server on it. It returns nil
// if the server refuses, which it has to do with its name.
func (l *left) start(t *testing.T, what string, damage func(dir string)) *daemon.Server {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	damage(dir)
	s := daemon.Start(t, daemon.ServeCommand(dir))
	err := s.WaitListening()
	switch {
	case err == nil:
		return s
	case !errors.Is(err, daemon.ErrEnded):
		t.Fatalf("%s: %v", what, err)
	case !strings.Contains(s.Output(), dir):
		t.Errorf("%s: the server refuses without naming the directory:\n%s", what, s.Output())
	}
	return nil
}

// TestDamage starts servers on directories in which something is not as it was
// left. They start with exactly what was there, or refuse to.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		puts int
		args []string
	}{{"log", 60, nil}, {"snapshots", 1000, []string{"--snapshot-bytes=64KiB"}}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			rnd := random(t)
			l := leave(t, rnd, kind.puts, 500, kind.args...)
			if kind.args != nil && len(l.files(t, ".data")) == 0 {
				t.Fatal("there is no snapshot")
			}
			if s := l.start(t, "a copy", func(string) {}); s == nil {
				t.Fatal("the server refuses a copy")
			} else {
				l.jobs.check(t, connect(t, s.Addr))
				s.Kill()
			}
			l.flip(t, rnd)
			l.remove(t)
			l.truncate(t, rnd)
		})
	}
}

// flip flips single bits.
func (l *left) flip(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	refused, names := 0, l.files(t, "", ".log", ".snap", ".data")
	for i := range *flips {
		name := names[i%len(names)]
		offset, bit := writtenByte(t, rnd, filepath.Join(l.dir, name)), byte(1)<<rnd.IntN(8)
		if offset < 0 {
			continue
		}
		what := fmt.Sprintf("bit %#x of byte %d in %s", bit, offset, name)
		s := l.start(t, what, func(dir string) { flip(t, filepath.Join(dir, name), offset, bit) })
		if s == nil {
			refused++
			continue
		}
		ids := l.jobs.missing(t, connect(t, s.Addr))
		if len(ids) > 1 || len(ids) == 1 && ids[0] != l.last {
			t.Errorf("%s: jobs %v are gone", what, ids)
		}
		s.Kill()
	}
	t.Logf("%d of %d flips were refused", refused, *flips)
}

// remove removes files one at a time: those that only secure space are not missed.
func (l *left) remove(t *testing.T) {
	t.Helper()
	for _, name := range l.files(t, ".log", ".snap", ".data") {
		s := l.start(t, name+" is missing", func(dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		})
		if s == nil {
			continue
		}
		if ids := l.jobs.missing(t, connect(t, s.Addr)); len(ids) > 0 {
			t.Errorf("without %s: jobs %v are gone", name, ids)
		}
		s.Kill()
	}
}

// truncate cuts snapshots short, which is refused, whatever is lost.
func (l *left) truncate(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	for _, name := range l.files(t, ".snap", ".data") {
		var size int64
		s := l.start(t, name+" is short", func(dir string) {
			path := filepath.Join(dir, name)
			info, err := os.Stat(path)
			if err == nil {
				size = rnd.Int64N(info.Size())
				err = os.Truncate(path, size)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		if s != nil {
			t.Errorf("the server starts though %s ends at byte %d", name, size)
			s.Kill()
		}
	}
}

// writtenByte chooses a byte of a file near bytes other than zero: a flip in space
// that is not used yet shows little. It is negative if there is none.
func writtenByte(t *testing.T, rnd *rand.Rand, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const near = 16
	var places []int
	for i := range data {
		if strings.Trim(string(data[max(0, i-near):min(len(data), i+near)]), "\x00") != "" {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return -1
	}
	return places[rnd.IntN(len(places))]
}

func flip(t *testing.T, path string, offset int, bit byte) {
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
