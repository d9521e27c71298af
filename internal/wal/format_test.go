package wal

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/engine/enginetest"
	"github.com/millrace/millrace/internal/vfs"
)

var writeGolden = flag.Bool("write-golden", false, "write testdata of the present format, for a version about to be released")

const goldenBatches = 40

// TestGolden opens the directories that each released format has left in testdata.
// The zeros at the end of segments are cut off there.
func TestGolden(t *testing.T) {
	if *writeGolden {
		writeGoldenDir(t, fmt.Sprintf("testdata/format-%d", formatVersion))
	}
	dirs, _ := filepath.Glob("testdata/format-*")
	if len(dirs) != formatVersion {
		t.Fatalf("testdata holds %d formats of %d", len(dirs), formatVersion)
	}
	for _, dir := range dirs {
		mem := vfs.NewMem()
		mem.MkdirAll(testDir)
		names, _ := filepath.Glob(dir + "/*")
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			mem.WriteFile(filepath.Join(testDir, filepath.Base(name)), b)
		}
		l, r := open(t, small(mem))
		if err := wantBatches(r, 21, goldenBatches); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		if want := map[uint64]string{1: "one", 7: strings.Repeat("seven", 20_000)}; !maps.Equal(r.restored, want) {
			t.Errorf("%s: the snapshot has %d sections that are not those expected", dir, len(r.restored))
		}
		l.Append(batch(goldenBatches + 1))
		if !r.await(goldenBatches + 1) {
			t.Error(r.lost)
		}
		closeLog(t, l)
	}
}

func writeGoldenDir(t *testing.T, dir string) {
	mem := vfs.NewMem()
	l, r := open(t, small(mem))
	for n := uint64(1); n <= goldenBatches; n++ {
		l.Append(batch(n))
		r.await(n)
		if n == 20 {
			content := map[uint64]string{1: "one", 7: strings.Repeat("seven", 20_000)}
			if err := l.Snapshot(n, sections{content: content}); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeLog(t, l)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, files := copyOf(t, mem)
	for name, b := range files {
		if filepath.Base(name) == reserveName || filepath.Ext(name) == logSuffix && len(bytes.TrimRight(b, "\x00")) <= segmentHeader {
			continue
		}
		if filepath.Ext(name) == logSuffix {
			b = bytes.TrimRight(b, "\x00")
			b = append(b, 0, 0, 0, 0) // a frame may end in zeros
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	mem.MkdirAll(testDir)
	mem.WriteFile(filepath.Join(testDir, formatName), []byte("millrace log 2\n"))
	_, _, err := tryOpen(small(mem))
	if err == nil || !strings.Contains(err.Error(), "format 2") || !strings.Contains(err.Error(), testDir) {
		t.Errorf("a newer format: %v", err)
	}
	if names, _ := mem.List(testDir); len(names) != 1 {
		t.Errorf("the refusal left %v", names)
	}
}

// TestUnknownFrameKind has a sound frame that says what only a later version
// understands.
func TestUnknownFrameKind(t *testing.T) {
	mem := vfs.NewMem()
	l, r := open(t, small(mem))
	l.Append(batch(1))
	r.await(1)
	l.idleNow()
	l.put(kindMark+1, []byte("?"))
	if err := l.write(false); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	if _, _, err := tryOpen(small(mem)); err == nil || !strings.Contains(err.Error(), "kind 3") {
		t.Errorf("an unknown kind of frame: %v", err)
	}
}

// TestRecycledSegments checks that old frames of a recycled segment never come
// back, wherever the new ones end.
func TestRecycledSegments(t *testing.T) {
	mem := vfs.NewMem()
	o := small(mem)
	l, r := open(t, o)
	n, recycled := uint64(0), false
	for range 12 {
		for range 60 {
			n++
			l.Append(batch(n))
			r.await(n)
		}
		if err := l.Snapshot(n, sections{content: map[uint64]string{1: "x"}}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			n++
			l.Append(batch(n))
			r.await(n)
		}
		closeLog(t, l)
		name := l.tail.seg.name
		b, _ := mem.ReadFile(name)
		recycled = recycled || len(bytes.TrimRight(b[l.tail.off:], "\x00")) > 0
		l, r = open(t, o)
		if err := wantBatches(r, n-2, n); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	if !recycled {
		t.Error("no segment was recycled")
	}
	if names, _ := mem.List(testDir); len(names) > 14 {
		t.Errorf("files pile up: %v", names)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	l, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := discard{done: make(chan struct{}, 1)}
	if err := l.Open(r); err != nil {
		t.Fatal(err)
	}
	b := batch(7)
	step := func() {
		l.Append(b)
		<-r.done
	}
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Errorf("Append makes %v allocations", n)
	}
	closeLog(t, l)
}

// discard is a machine that only says when a batch was committed.
type discard struct{ done chan struct{} }

func (d discard) Restore(engine.SnapshotReader) error { return nil }
func (d discard) Apply(uint64, uint64, []byte) error  { d.done <- struct{}{}; return nil }
func (d discard) Lead(uint64)                         {}
func (d discard) Lost(error) bool                     { return false }
func (d discard) Confirmed(uint64)                    {}

// TestEngine proves the engine over this log.
func TestEngine(t *testing.T) {
	enginetest.TestLog(t, func(t *testing.T) enginetest.Store {
		mem := vfs.NewMem()
		return func() engine.Log { return &late{o: Options{FS: mem, SegmentSize: 64 << 10}} }
	})
}

// late takes hold of its directory only when it is opened: the suite makes logs
// that it does not open.
type late struct {
	*Log
	o Options
}

func (l *late) Open(m engine.Machine) (err error) {
	if l.Log, err = Open(testDir, l.o); err != nil {
		return err
	}
	return l.Log.Open(m)
}

// FuzzFrames gives the reader arbitrary bytes as a segment's frames.
func FuzzFrames(f *testing.F) {
	s := newSalt(42)
	frame := Frame{Index: 1}
	good := appendFrame(nil, s, &frame, []byte("hello"))
	f.Add(good)
	next := Frame{Index: 2, prev: frame.sum, Synced: 1, Kind: uint8(kindPart)}
	f.Add(appendFrame(bytes.Clone(good), s, &next, []byte("world")))
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := vfs.NewMem()
		mem.MkdirAll(testDir)
		writeFormat(mem, testDir, false)
		mem.WriteFile(fileName(testDir, 1, logSuffix), append(segmentHeaderBlock(1, 42), b...))
		last := uint64(0)
		err := Dump(mem, testDir, func(f Frame, batch []byte) error {
			if batch == nil {
				return nil
			}
			if last++; f.Index != last {
				t.Fatalf("batch %d after %d", f.Index, last-1)
			}
			return nil
		})
		if err == nil && last > 0 {
			l, r := open(t, small(mem))
			if r.index != last {
				t.Fatalf("%d batches were read, and then %d", last, r.index)
			}
			closeLog(t, l)
		}
	})
}

// FuzzManifest gives the reader arbitrary bytes, with the right checksum, as a
// manifest.
func FuzzManifest(f *testing.F) {
	f.Add((&manifest{number: 1, segment: 1, first: 1, entries: []entry{{key: 1, data: 1, off: dataHeader, length: 8}}}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := vfs.NewMem()
		mem.MkdirAll(testDir)
		writeFormat(mem, testDir, false)
		m := manifest{number: 1, segment: 1, first: 1}
		for ; len(b) >= 24; b = b[24:] {
			m.entries = append(m.entries, entry{key: uint64(b[0]), data: 1, off: int64(b[8])<<56 | int64(b[9]), length: int64(b[10])<<56 | int64(b[11])})
		}
		mem.WriteFile(fileName(testDir, 1, snapSuffix), m.encode())
		mem.WriteFile(fileName(testDir, 1, dataSuffix), append(dataHeaderBlock(1), b...))
		mem.WriteFile(fileName(testDir, 1, logSuffix), segmentHeaderBlock(1, 42))
		if l, _, err := tryOpen(small(mem)); err == nil {
			closeLog(t, l)
		}
	})
}
