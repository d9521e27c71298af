package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

func replicated(mem *vfs.Mem) Options {
	o := small(mem)
	o.Replicated = true
	return o
}

// longBatch is one that may span segments.
func longBatch(n uint64) []byte {
	return append(fmt.Appendf(nil, "batch %d ", n), bytes.Repeat([]byte{byte(n)}, int(n*7919%40_000))...)
}

func commitTo(t *testing.T, l *Log, from, to uint64, rng *rand.Rand) {
	t.Helper()
	for from <= to {
		var group [][]byte
		for range 1 + rng.IntN(5) {
			if from+uint64(len(group)) <= to {
				group = append(group, longBatch(from+uint64(len(group))))
			}
		}
		last, err := l.Commit(group)
		if want := from + uint64(len(group)) - 1; err != nil || last != want {
			t.Fatalf("commit: batch %d and %v, want %d", last, err, want)
		}
		from = last + 1
	}
}

func wantRead(t *testing.T, l *Log, from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		got, err := l.Read(n)
		if err != nil || !bytes.Equal(got, longBatch(n)) {
			t.Fatalf("batch %d reads as %.20q, %v", n, got, err)
		}
	}
	for _, n := range []uint64{0, to + 1, to + 100} {
		if _, err := l.Read(n); !errors.Is(err, ErrNotKept) {
			t.Fatalf("batch %d, of %d: %v", n, to, err)
		}
	}
}

// TestReadBack reads batches that lie in one segment or span several, before and
// after a restart and a crash, and after snapshots dropped the first.
func TestReadBack(t *testing.T) {
	mem := vfs.NewMem()
	rng := rand.New(rand.NewPCG(1, 2))
	l, _ := open(t, replicated(mem))
	commitTo(t, l, 1, 60, rng)
	wantRead(t, l, 1, 60)
	closeLog(t, l)
	l, r := open(t, replicated(mem))
	wantRead(t, l, 1, 60)
	if len(r.batches) != 60 {
		t.Fatalf("%d batches were handed over", len(r.batches))
	}
	if err := l.Snapshot(50, sections{content: map[uint64]string{1: "one", 2: strings.Repeat("two", 50_000), 3: ""}}); err != nil {
		t.Fatal(err)
	}
	kept := l.Kept()
	if kept <= 1 || kept > 50 {
		t.Fatalf("the log begins with %d after a snapshot of 50", kept)
	}
	wantRead(t, l, kept, 60)
	commitTo(t, l, 61, 80, rng)
	crashed := mem.Crash(rng)
	closeLog(t, l)
	l, r = open(t, replicated(crashed))
	defer closeLog(t, l)
	if l.Kept() != kept || len(r.batches) != int(80+1-kept) {
		t.Fatalf("after a crash the log begins with %d and hands over %d", l.Kept(), len(r.batches))
	}
	wantRead(t, l, kept, 80)
	wantStored(t, l, 50, map[uint64]string{1: "one", 2: strings.Repeat("two", 50_000), 3: ""})
}

// wantStored reads the stored snapshot, while another one replaces it.
func wantStored(t *testing.T, l *Log, index uint64, want map[uint64]string) {
	t.Helper()
	s, err := l.Stored()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := l.Snapshot(index, sections{content: map[uint64]string{9: "nine"}}); err != nil {
		t.Fatal(err)
	}
	lengths := map[uint64]int64{}
	s.Sections(func(key uint64, length int64) { lengths[key] = length })
	got := map[uint64]string{}
	for {
		key, section, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		b, err := io.ReadAll(section)
		if err != nil || int64(len(b)) != lengths[key] {
			t.Fatalf("section %d has %d bytes, %v; its length is said to be %d", key, len(b), err, lengths[key])
		}
		got[key] = string(b)
	}
	if s.Index() != index || !maps.Equal(got, want) {
		t.Fatalf("the snapshot of %d has %d sections", s.Index(), len(got))
	}
}

func TestOtherKindOfLogIsRefused(t *testing.T) {
	for _, first := range []bool{false, true} {
		mem := vfs.NewMem()
		o := small(mem)
		o.Replicated = first
		l, _ := open(t, o)
		closeLog(t, l)
		o.Replicated = !first
		if _, err := Open(testDir, o); err == nil || !strings.Contains(err.Error(), "choose another directory") {
			t.Errorf("a log with Replicated %v opened with %v: %v", first, !first, err)
		}
	}
}
