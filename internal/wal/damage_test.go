package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// copyOf copies the files of a directory to a file system of their own.
func copyOf(t testing.TB, mem *vfs.Mem) (*vfs.Mem, map[string][]byte) {
	t.Helper()
	names, err := mem.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	to, files := vfs.NewMem(), map[string][]byte{}
	to.MkdirAll(testDir)
	for _, name := range names {
		path := filepath.Join(testDir, name)
		b, err := mem.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return copyOf(t, mem) // recycled under another name meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		files[path] = b
		to.WriteFile(path, b)
	}
	return to, files
}

// TestTruncatedAtEveryByte cuts the last segment of a log of 1,000 batches at each
// byte: exactly the batches before come back.
func TestTruncatedAtEveryByte(t *testing.T) {
	o := small(vfs.NewMem())
	o.SegmentSize = 128 << 10
	l, r := open(t, o)
	var ends []int64 // of batches, in the segment
	for n := uint64(1); n <= 1000; n++ {
		l.Append(fmt.Appendf(nil, "%d", n))
		r.await(n)
	}
	closeLog(t, l)
	Dump(o.FS, testDir, func(f Frame, batch []byte) error {
		if batch != nil {
			ends = append(ends, int64(frameHeader+len(batch)))
		}
		return nil
	})
	if l.tail.seg.number != 1 || len(ends) != 1000 {
		t.Fatalf("the log should have 1000 batches in one segment; it has %d in %d", len(ends), l.tail.seg.number)
	}
	mem, files := copyOf(t, o.FS.(*vfs.Mem))
	name := fileName(testDir, 1, logSuffix)
	for i, end := 1, int64(segmentHeader); i < len(ends)+1; i++ {
		end += ends[i-1]
		ends[i-1] = end
	}
	step := int64(29)
	if *long {
		step = 1
	}
	for cut := int64(0); cut <= ends[len(ends)-1]+frameHeader; cut += step {
		mem.WriteFile(name, files[name][:cut])
		want := 0
		for want < len(ends) && ends[want] <= cut {
			want++
		}
		s := recover1(t, mem)
		if len(s) != want {
			t.Fatalf("cut at byte %d: %d batches came back, not %d", cut, len(s), want)
		}
		for i, b := range s {
			if b != fmt.Sprint(i+1) {
				t.Fatalf("cut at byte %d: batch %d is %q", cut, i+1, b)
			}
		}
	}
}

// recover1 reads a log without changing it.
func recover1(t *testing.T, mem *vfs.Mem) (batches []string) {
	t.Helper()
	err := Dump(mem, testDir, func(f Frame, batch []byte) error {
		if batch != nil {
			batches = append(batches, string(batch))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return batches
}

func TestTruncatedLogGoesOn(t *testing.T) {
	o := small(vfs.NewMem())
	l, r := open(t, o)
	for n := uint64(1); n <= 20; n++ {
		l.Append(batch(n))
	}
	r.await(20)
	closeLog(t, l)
	for _, cut := range []int{0, 100, segmentHeader, segmentHeader + 300} {
		mem, files := copyOf(t, o.FS.(*vfs.Mem))
		name := fileName(testDir, 1, logSuffix)
		mem.WriteFile(name, files[name][:cut])
		o := small(mem)
		var last uint64
		for range 3 {
			l, r := open(t, o)
			if err := wantBatches(r, 1, last); last > 0 && err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			for last = uint64(len(r.batches)); last < uint64(len(r.batches))+90; {
				last++
				l.Append(batch(last))
				if !r.await(last) {
					t.Fatal(r.lost)
				}
				if last%90 == 0 {
					break
				}
			}
			closeLog(t, l)
		}
	}
}

// smallLog makes a log with a snapshot, a few segments and some batches, closed
// cleanly or as a kill leaves it. It returns the last batch.
func smallLog(t *testing.T, kill bool) (*vfs.Mem, uint64) {
	mem := vfs.NewMem()
	o := small(mem)
	l, r := open(t, o)
	n := uint64(0)
	put := func(count int) {
		for range count {
			n++
			l.Append(fmt.Appendf(nil, "batch %d %s", n, strings.Repeat("x", 200)))
			r.await(n)
		}
	}
	put(60)
	content := map[uint64]string{1: "one", 2: strings.Repeat("two", 100), 3: ""}
	if err := l.Snapshot(30, sections{content: content}); err != nil {
		t.Fatal(err)
	}
	put(10)
	if err := l.Snapshot(70, sections{content, map[uint64]bool{1: true, 2: true}}); err != nil {
		t.Fatal(err)
	}
	put(12)
	if kill {
		l.idleNow()
		mem, _ = copyOf(t, mem)
	}
	closeLog(t, l)
	return mem, n
}

// idleNow waits until nothing is going on in the log.
func (l *Log) idleNow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.phase != phaseIdle || l.due() {
		l.idle.Wait()
	}
}

// TestEveryBitFlipped flips each bit of each file. Nothing but the truth may come
// back, and all of it, or a refusal that names the file; after a kill the last
// batch may be missing.
func TestEveryBitFlipped(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill=%v", kill), func(t *testing.T) {
			mem, last := smallLog(t, kill)
			mem, files := copyOf(t, mem)
			refused, lostLast := 0, 0
			for name, content := range files {
				used := len(bytes.TrimRight(content, "\x00"))
				for i := range content {
					if i > used+8 && !*long && i%97 != 0 {
						continue // zeros that nobody has written to
					}
					bits := []int{i % 8}
					if *long {
						bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
					}
					for _, bit := range bits {
						content[i] ^= 1 << bit
						mem.WriteFile(name, content)
						got, err := flipped(mem, last)
						switch {
						case err != nil && strings.Contains(err.Error(), "differs"):
							t.Fatalf("%s, byte %d, bit %d: %v", name, i, bit, err)
						case err != nil:
							refused++
							if !strings.Contains(err.Error(), testDir) {
								t.Fatalf("%s, byte %d, bit %d: the error names no file: %v", name, i, bit, err)
							}
						case got == last-1 && kill:
							lostLast++
						case got != last:
							t.Fatalf("%s, byte %d, bit %d: the log ends at %d of %d", name, i, bit, got, last)
						}
						content[i] ^= 1 << bit
					}
				}
				mem.WriteFile(name, content)
			}
			if refused == 0 || kill && lostLast == 0 {
				t.Errorf("%d flips were refused, %d took the last batch: that is not to be believed", refused, lostLast)
			}
		})
	}
}

// flipped reads a log that may be damaged, and returns the last batch.
func flipped(mem *vfs.Mem, last uint64) (uint64, error) {
	var index uint64
	err := inspect(mem, testDir, func(r *reader) error {
		if err := verifySnapshot(mem, r, io.Discard); err != nil {
			return err
		}
		got := recorder{}
		got.changed.L = &got.mu
		s := newSectionReader(mem, testDir, r.snap.entries)
		if err := got.Restore(s); err != nil {
			return err
		}
		if want := map[uint64]string{1: "one", 2: strings.Repeat("two", 100), 3: ""}; !maps.Equal(got.restored, want) {
			return errors.New("the snapshot differs")
		}
		end, err := r.batches(func(f Frame, batch []byte) error {
			if want := fmt.Sprintf("batch %d %s", f.Index, strings.Repeat("x", 200)); batch != nil && string(batch) != want {
				return fmt.Errorf("batch %d differs", f.Index)
			}
			return nil
		})
		index = end.index
		return err
	})
	return index, err
}

func TestMissingFilesAreRefused(t *testing.T) {
	mem, last := smallLog(t, false)
	_, files := copyOf(t, mem)
	refused := 0
	for name := range files {
		mem, _ := copyOf(t, mem)
		mem.Remove(name)
		l, r, err := tryOpen(small(mem))
		base := filepath.Base(name)
		switch {
		case base == reserveName, base == lockName:
			if err != nil {
				t.Errorf("without %s: %v", base, err)
			}
		case err == nil && r.index != last:
			t.Errorf("without %s the log opened, and ends with batch %d of %d", base, r.index, last)
		case err != nil:
			refused++
		}
		if err == nil {
			closeLog(t, l)
		}
	}
	if refused < 3 {
		t.Errorf("only %d missing files were refused", refused)
	}
}

func TestVerifyNamesTheDamage(t *testing.T) {
	mem, _ := smallLog(t, false)
	var out bytes.Buffer
	if err := Verify(mem, testDir, &out); err != nil || !strings.Contains(out.String(), "up to batch 82") {
		t.Fatalf("%v: %s", err, out.String())
	}
	_, files := copyOf(t, mem)
	for name, content := range files {
		if i := bytes.Index(content, []byte("batch 75 ")); i > 0 && filepath.Ext(name) == logSuffix {
			content[i]++
			mem.WriteFile(name, content)
		}
	}
	var d *DamageError
	if err := Verify(mem, testDir, &out); !errors.As(err, &d) || d.Offset == 0 || !strings.Contains(d.What, "batch 75") {
		t.Fatalf("verify says: %v", err)
	}
}
