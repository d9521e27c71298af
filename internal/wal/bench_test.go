package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/vfs"
)

// counter is a machine that only counts.
type counter struct{ n *atomic.Uint64 }

func (c counter) Restore(engine.SnapshotReader) error          { return nil }
func (c counter) Apply(index uint64, _ uint64, _ []byte) error { c.n.Store(index); return nil }
func (c counter) Lead(uint64)                                  {}
func (c counter) Lost(error) bool                              { return false }
func (c counter) Confirmed(uint64)                             {}

func benchLog(b *testing.B, dir string, o Options) (*Log, counter) {
	l, err := Open(dir, o)
	if err != nil {
		b.Fatal(err)
	}
	c := counter{new(atomic.Uint64)}
	if err := l.Open(c); err != nil {
		b.Fatal(err)
	}
	return l, c
}

// BenchmarkAppend is one durable connection: each batch waits for the one before.
func BenchmarkAppend(b *testing.B) {
	for _, sync := range []time.Duration{SyncAlways, SyncNever} {
		b.Run(fmt.Sprint(sync), func(b *testing.B) {
			l, err := Open(b.TempDir(), Options{Sync: sync})
			if err != nil {
				b.Fatal(err)
			}
			m := discard{done: make(chan struct{}, 1)}
			if err := l.Open(m); err != nil {
				b.Fatal(err)
			}
			batch := make([]byte, 300)
			for b.Loop() {
				l.Append(batch)
				<-m.done
			}
			closeLog(b, l)
		})
	}
}

// BenchmarkOverwrite is what the disk gives: a write and a sync of the same size
// over space that was written before.
func BenchmarkOverwrite(b *testing.B) {
	f, err := vfs.OS.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const size = 64 << 20
	if err := secure(f, 0, size, func() bool { return false }); err != nil {
		b.Fatal(err)
	}
	batch, off := make([]byte, 348), int64(0)
	for b.Loop() {
		if err := f.RawWriteAt(batch, off%(size-1000)); err != nil {
			b.Fatal(err)
		}
		if err := f.RawSync(); err != nil {
			b.Fatal(err)
		}
		off += int64(len(batch))
	}
}

// BenchmarkRecovery reads a log of a million batches, 300 MB.
func BenchmarkRecovery(b *testing.B) {
	dir := b.TempDir()
	l, c := benchLog(b, dir, Options{Sync: SyncNever})
	batch := make([]byte, 260)
	for range 1_000_000 {
		l.Append(batch)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, again := benchLog(b, dir, Options{Sync: SyncNever})
		if again.n.Load() != c.n.Load() {
			b.Fatalf("%d batches of %d came back", again.n.Load(), c.n.Load())
		}
		b.StopTimer()
		l.Close()
		b.StartTimer()
	}
	var size int64
	names, _ := filepath.Glob(dir + "/*.log")
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	b.ReportMetric(float64(size)/1e6, "MB")
}
