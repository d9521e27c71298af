package vfs_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestSameBehaviour holds the file system in memory to what the real one does.
func TestSameBehaviour(t *testing.T) {
	mem := vfs.NewMem()
	for name, fs := range map[string]vfs.FS{"os": vfs.OS, "mem": mem} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			must(t, fs.MkdirAll(dir))
			f, err := fs.Create(filepath.Join(dir, "one"))
			must(t, err)
			_, err = f.WriteAt([]byte("hello"), 3)
			must(t, err)
			must(t, f.RawWriteAt([]byte("HE"), 3))
			must(t, f.Sync())
			must(t, f.RawSync())
			if size, err := f.Size(); size != 8 || err != nil {
				t.Errorf("size %d, %v", size, err)
			}
			b := make([]byte, 10)
			if n, err := f.ReadAt(b, 0); n != 8 || err == nil || string(b[:8]) != "\x00\x00\x00HEllo" {
				t.Errorf("read %q, %v", b[:n], err)
			}
			must(t, fs.Rename(filepath.Join(dir, "one"), filepath.Join(dir, "two")))
			must(t, fs.SyncDir(dir))
			if _, err := fs.Open(filepath.Join(dir, "one")); err == nil {
				t.Error("the old name is still there")
			}
			if names, err := fs.List(dir); !slices.Equal(names, []string{"two"}) {
				t.Errorf("names %v, %v", names, err)
			}
			must(t, f.Close())
			lock, err := fs.Lock(filepath.Join(dir, "lock"))
			must(t, err)
			if _, err := fs.Lock(filepath.Join(dir, "lock")); !errors.Is(err, vfs.ErrLocked) {
				t.Errorf("a second lock: %v", err)
			}
			must(t, lock.Close())
			lock, err = fs.Lock(filepath.Join(dir, "lock"))
			must(t, err)
			must(t, lock.Close())
			must(t, fs.Remove(filepath.Join(dir, "two")))
			if err := fs.Remove(filepath.Join(dir, "two")); err == nil {
				t.Error("a file was removed twice")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCrashKeepsWhatWasSynced checks that crashes lose nothing that was synced, and
// that they do lose, keep and tear what was not.
func TestCrashKeepsWhatWasSynced(t *testing.T) {
	mem := vfs.NewMem()
	must(t, mem.MkdirAll("/d"))
	synced, err := mem.Create("/d/synced")
	must(t, err)
	_, err = synced.WriteAt(bytes.Repeat([]byte{1}, 8192), 0)
	must(t, err)
	must(t, synced.Sync())
	must(t, mem.SyncDir("/d"))
	_, err = synced.WriteAt(bytes.Repeat([]byte{2}, 8192), 4096)
	must(t, err)
	_, err = mem.Create("/d/unsynced")
	must(t, err)

	kept, lost, torn, entry, noEntry := 0, 0, 0, 0, 0
	for seed := range uint64(200) {
		after := mem.Crash(rand.New(rand.NewPCG(seed, 0)))
		b, err := after.ReadFile("/d/synced")
		must(t, err)
		if len(b) < 8192 || !bytes.Equal(b[:4096], bytes.Repeat([]byte{1}, 4096)) {
			t.Fatalf("seed %d: synced bytes are gone", seed)
		}
		switch tail := b[4096:]; {
		case bytes.Count(tail, []byte{2}) == 8192:
			kept++
		case bytes.Count(tail, []byte{2}) == 0:
			lost++
		default:
			torn++
		}
		if _, err := after.ReadFile("/d/unsynced"); err == nil {
			entry++
		} else {
			noEntry++
		}
	}
	if kept*lost*torn*entry*noEntry == 0 {
		t.Errorf("of 200 crashes %d kept the write, %d lost it, %d tore it; %d kept the name, %d lost it", kept, lost, torn, entry, noEntry)
	}
}

func TestCrashIsRepeatable(t *testing.T) {
	mem := vfs.NewMem()
	must(t, mem.MkdirAll("/d"))
	for _, name := range []string{"/d/a", "/d/b", "/d/c"} {
		f, err := mem.Create(name)
		must(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte{7}, 20_000), 0)
		must(t, err)
	}
	for seed := range uint64(20) {
		one, two := mem.Crash(rand.New(rand.NewPCG(seed, 0))), mem.Crash(rand.New(rand.NewPCG(seed, 0)))
		names, _ := one.List("/d")
		again, _ := two.List("/d")
		if !slices.Equal(names, again) {
			t.Fatalf("seed %d: %v and %v", seed, names, again)
		}
		for _, name := range names {
			a, _ := one.ReadFile("/d/" + name)
			b, _ := two.ReadFile("/d/" + name)
			if !bytes.Equal(a, b) {
				t.Fatalf("seed %d: %s differs", seed, name)
			}
		}
	}
}

func TestCapacity(t *testing.T) {
	mem := vfs.NewMem()
	mem.SetCapacity(10_000) // two blocks
	must(t, mem.MkdirAll("/d"))
	f, err := mem.Create("/d/f")
	must(t, err)
	if n, err := f.WriteAt(make([]byte, 10_000), 0); n != 8192 || !vfs.IsNoSpace(err) {
		t.Errorf("wrote %d bytes of two blocks: %v", n, err)
	}
	if n, err := f.WriteAt(make([]byte, 8192), 0); n != 8192 || err != nil {
		t.Errorf("overwrote %d bytes: %v", n, err)
	}
	must(t, mem.Remove("/d/f"))
	if used := mem.Used(); used != 0 {
		t.Errorf("%d bytes are used by nothing", used)
	}
}

func TestFaulty(t *testing.T) {
	var seen []vfs.Op
	fs := &vfs.Faulty{FS: vfs.NewMem(), Hook: func(op vfs.Op, name string) error {
		if seen = append(seen, op); op == vfs.OpWrite {
			return syscall.EIO
		}
		return nil
	}}
	must(t, fs.MkdirAll("/d"))
	f, err := fs.Create("/d/f")
	must(t, err)
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, syscall.EIO) {
		t.Errorf("a failing write wrote %d bytes: %v", n, err)
	}
	must(t, f.Sync())
	if want := []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSync}; !slices.Equal(seen, want) {
		t.Errorf("operations %v, not %v", seen, want)
	}
}
