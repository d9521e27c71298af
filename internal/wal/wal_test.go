package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/vfs"
)

const testDir = "/data"

// recorder is a machine that remembers what it was given.
type recorder struct {
	mu       sync.Mutex
	changed  sync.Cond
	calling  bool
	batches  []string // after the snapshot
	restored map[uint64]string
	index    uint64 // of the last batch
	led      bool
	lost     error
	tickets  []uint64
	failures []string // broken promises of the log
	onApply  func(index uint64)
}

func newRecorder() *recorder {
	r := &recorder{}
	r.changed.L = &r.mu
	return r
}

// enter checks that the log calls from one goroutine at a time.
func (r *recorder) enter() func() {
	r.mu.Lock()
	if r.calling {
		r.failures = append(r.failures, "two calls at once")
	}
	r.calling = true
	return func() {
		r.calling = false
		r.changed.Broadcast()
		r.mu.Unlock()
	}
}

func (r *recorder) Restore(s engine.SnapshotReader) error {
	defer r.enter()()
	r.restored = map[uint64]string{}
	for {
		key, section, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := io.ReadAll(section)
		if err != nil {
			return err
		}
		r.restored[key] = string(b)
	}
}

func (r *recorder) Apply(index, term uint64, batch []byte) error {
	defer r.enter()()
	if r.index != 0 && index != r.index+1 {
		r.failures = append(r.failures, fmt.Sprintf("batch %d after %d", index, r.index))
	}
	if r.lost != nil {
		r.failures = append(r.failures, "a batch after the log was lost")
	}
	r.index = index
	r.batches = append(r.batches, string(batch))
	if r.onApply != nil {
		r.onApply(index)
	}
	return nil
}

func (r *recorder) Lead(uint64) { defer r.enter()(); r.led = true }

func (r *recorder) Lost(err error) bool {
	defer r.enter()()
	if r.lost != nil {
		r.failures = append(r.failures, "lost twice")
	}
	r.lost = err
	return true
}

func (r *recorder) Confirmed(ticket uint64) {
	defer r.enter()()
	r.tickets = append(r.tickets, ticket)
}

// await waits until batch index is applied or the log is lost, and reports which.
func (r *recorder) await(index uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.index < index && r.lost == nil {
		r.changed.Wait()
	}
	return r.index >= index
}

func (r *recorder) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.failures {
		t.Errorf("the log broke a promise: %s", f)
	}
}

// sections is a view of fixed sections.
type sections struct {
	content   map[uint64]string
	unchanged map[uint64]bool
}

func (s sections) Sections(visit func(uint64, bool, func(io.Writer) error) error) error {
	for _, key := range slices.Sorted(maps.Keys(s.content)) {
		err := visit(key, s.unchanged[key], func(w io.Writer) error {
			_, err := io.WriteString(w, s.content[key])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// small are options for a log of little files.
func small(fs vfs.FS) Options {
	salt := uint64(1)
	return Options{FS: fs, SegmentSize: minSegment, random: func() uint64 { salt = salt*6364136223846793005 + 1442695040888963407; return salt }}
}

// open opens and recovers a log.
func open(t testing.TB, o Options) (*Log, *recorder) {
	t.Helper()
	l, r, err := tryOpen(o)
	if err != nil {
		t.Fatal(err)
	}
	return l, r
}

func tryOpen(o Options) (*Log, *recorder, error) {
	l, err := Open(testDir, o)
	if err != nil {
		return nil, nil, err
	}
	r := newRecorder()
	return l, r, l.Open(r)
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal("close:", err)
	}
}

// batch is the n-th batch of a test: its number and some bytes.
func batch(n uint64) []byte {
	return append(fmt.Appendf(nil, "batch %d ", n), bytes.Repeat([]byte{byte(n)}, int(n*37%300))...)
}

// wantBatches checks that the batches are those from first to last.
func wantBatches(r *recorder, first, last uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := uint64(len(r.batches)); n != last+1-first {
		return fmt.Errorf("%d batches came back, not %d", n, last+1-first)
	}
	for i, b := range r.batches {
		if want := string(batch(first + uint64(i))); b != want {
			return fmt.Errorf("batch %d is %.20q, not %.20q", first+uint64(i), b, want)
		}
	}
	return nil
}

func TestBatchesComeBack(t *testing.T) {
	for _, mode := range []struct {
		name string
		o    Options
	}{{"always", Options{Sync: SyncAlways}}, {"interval", Options{Sync: 1}}, {"never", Options{Sync: SyncNever}}} {
		t.Run(mode.name, func(t *testing.T) {
			o := small(vfs.NewMem())
			o.Sync = mode.o.Sync
			n := uint64(0)
			for range 5 {
				l, r := open(t, o)
				if err := wantBatches(r, 1, n); err != nil {
					t.Fatal(err)
				}
				for range 300 {
					n++
					l.Append(batch(n))
				}
				if !r.await(n) {
					t.Fatal("lost:", r.lost)
				}
				l.Confirm(n)
				closeLog(t, l)
				r.check(t)
			}
		})
	}
}

func TestBatchLargerThanSegments(t *testing.T) {
	o := small(vfs.NewMem())
	l, r := open(t, o)
	large := bytes.Repeat([]byte("0123456789"), 10*minSegment/10)
	want := [][]byte{[]byte("a"), large, []byte("b"), {}, large, []byte("c")}
	for i, b := range want {
		l.Append(b)
		if !r.await(uint64(i + 1)) {
			t.Fatal("lost:", r.lost)
		}
		if i == 3 {
			if err := l.Snapshot(2, sections{content: map[uint64]string{1: "x"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeLog(t, l)
	l, r = open(t, o)
	defer closeLog(t, l)
	for i, b := range want[2:] {
		if r.batches[i] != string(b) {
			t.Errorf("batch %d: %d bytes came back, not %d", i+3, len(r.batches[i]), len(b))
		}
	}
	if len(r.batches) != 4 {
		t.Errorf("%d batches came back, not 4", len(r.batches))
	}
}
