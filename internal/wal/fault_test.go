package wal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/vfs"
)

// TestErrorAtEveryOperation fails each operation in turn: nothing is acknowledged
// after it, nothing is tried again, and what was acknowledged is there after a
// crash. The disk is broken, or full from then on.
func TestErrorAtEveryOperation(t *testing.T) {
	changes := []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir}
	t.Run("broken", func(t *testing.T) {
		testErrorAtEveryOperation(t, errors.New("broken"), false, append(changes, vfs.OpRemove))
	})
	t.Run("full", func(t *testing.T) { testErrorAtEveryOperation(t, syscall.ENOSPC, true, changes) })
}

func testErrorAtEveryOperation(t *testing.T, broken error, lasts bool, ops []vfs.Op) {
	var mu sync.Mutex
	failed := map[vfs.Op]int{}
	for n := int64(1); ; n++ {
		mem := vfs.NewMem()
		var count atomic.Int64
		fs := &vfs.Faulty{FS: mem, Hook: func(op vfs.Op, name string) error {
			if lasts && !slices.Contains(ops, op) {
				return nil
			}
			if at := count.Add(1); at < n || at > n && !lasts {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			failed[op]++
			return broken
		}}
		acked, done := errorRun(t, fs, broken, func() bool { return count.Load() >= n })
		l, r, err := tryOpen(small(mem))
		if err != nil {
			t.Fatalf("operation %d: restart: %v", n, err)
		}
		if r.index = l.tail.index; r.index < acked {
			t.Fatalf("operation %d: batch %d was acknowledged, and %d is the last one after a restart", n, acked, r.index)
		}
		closeLog(t, l)
		if done {
			break
		}
	}
	for _, op := range ops {
		if failed[op] == 0 {
			t.Errorf("no %v failed", op)
		}
	}
}

// errorRun works until the file system fails, and reports the last batch that was
// acknowledged, and whether all went well.
func errorRun(t *testing.T, fs vfs.FS, broken error, failed func() bool) (uint64, bool) {
	l, r, err := tryOpen(small(fs))
	if err != nil {
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		return 0, false
	}
	acked := uint64(0)
	for n := uint64(1); n <= 150 && r.lostErr() == nil; n++ {
		l.Append(batch(n))
		if !r.await(n) {
			break
		}
		acked = n
		if n%50 == 0 {
			l.Snapshot(n, sections{content: map[uint64]string{1: fmt.Sprint(n)}})
		}
	}
	l.Append(batch(1))
	l.mu.Lock()
	ended := l.err != nil
	l.mu.Unlock()
	err = l.Close()
	if ended && (r.lostErr() == nil || l.Room() != engine.RoomForNone || err == nil) {
		t.Errorf("the log failed, and nobody was told: lost %v, close %v", r.lost, err)
	}
	if ended && !errors.Is(r.lostErr(), broken) {
		t.Errorf("the log ended for another reason: %v", r.lost)
	}
	r.check(t)
	return acked, !failed()
}

func (r *recorder) lostErr() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

// reopened opens a log that has its segments, so that the files a test sees
// written are those of commits.
func reopened(t *testing.T, o Options) (*Log, *recorder) {
	l, _ := open(t, o)
	l.pool.mu.Lock()
	for len(l.pool.spares) < spareSegments {
		l.pool.ready.Wait()
	}
	l.pool.mu.Unlock()
	closeLog(t, l)
	return open(t, o)
}

func TestFailedSyncIsFinal(t *testing.T) {
	var syncs, writes atomic.Int64
	var broken atomic.Bool
	fs := &vfs.Faulty{FS: vfs.NewMem(), Hook: func(op vfs.Op, name string) error {
		if !broken.Load() || !strings.HasSuffix(name, logSuffix) {
			return nil
		}
		switch op {
		case vfs.OpSync:
			syncs.Add(1)
			return syscall.EIO
		case vfs.OpWrite:
			writes.Add(1)
		}
		return nil
	}}
	l, r := reopened(t, small(fs))
	l.Append(batch(1))
	r.await(1)
	l.idleNow()
	broken.Store(true)
	for n := uint64(2); n < 50; n++ {
		l.Append(batch(n))
	}
	if r.await(2) || !errors.Is(r.lost, syscall.EIO) {
		t.Fatalf("a batch was acknowledged after its sync failed; lost: %v", r.lost)
	}
	if err := l.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close says %v", err)
	}
	if syncs.Load() != 1 || writes.Load() != 1 {
		t.Errorf("after the failure there were %d syncs and %d writes", syncs.Load()-1, writes.Load()-1)
	}
	r.check(t)
}

// TestFullDisk fills the disk with puts, works on with what is kept for deletes,
// restarts while it is full, and goes on when there is space again.
func TestFullDisk(t *testing.T) {
	for _, kib := range []int64{256, 1024, 3000} {
		t.Run(fmt.Sprint(kib, "KiB"), func(t *testing.T) {
			mem := vfs.NewMem()
			mem.SetCapacity(kib << 10)
			o := Options{FS: mem, SegmentSize: 1 << 20, RetryFull: time.Millisecond}
			l, r := open(t, o)
			n := uint64(0)
			put := func() {
				n++
				l.Append(batch(n))
				if !r.await(n) {
					t.Fatalf("batch %d: %v", n, r.lost)
				}
			}
			for l.Room() == engine.RoomForAll {
				put()
			}
			puts := n
			if puts < 200 {
				t.Errorf("only %d puts were taken", puts)
			}
			for range puts / 10 { // deletes
				if l.Room() == engine.RoomForNone {
					t.Fatalf("no room to delete after %d puts and %d deletes", puts, n-puts)
				}
				put()
			}
			closeLog(t, l)
			mem.SetCapacity(1) // others took what was left
			l, r = open(t, o)
			if err := wantBatches(r, 1, n); err != nil {
				t.Fatal(err)
			}
			if l.Room() != engine.RoomToDelete {
				t.Errorf("after a restart on the full disk there is room %v", l.Room())
			}
			put()
			if err := l.Snapshot(n, sections{content: map[uint64]string{1: strings.Repeat("x", 1<<20)}}); !vfs.IsNoSpace(err) {
				t.Errorf("a snapshot that does not fit: %v", err)
			}
			put()
			mem.SetCapacity(0)
			for l.Room() != engine.RoomForAll {
				l.pool.mu.Lock()
				l.pool.ready.Wait()
				l.pool.mu.Unlock()
			}
			put()
			closeLog(t, l)
			r.check(t)
		})
	}
}

// TestSnapshotFreesFullDisk has only the log itself fill the disk.
func TestSnapshotFreesFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	mem.SetCapacity(1 << 20)
	o := Options{FS: mem, SegmentSize: 1 << 20, RetryFull: time.Hour}
	l, r := open(t, o)
	n := uint64(0)
	for round := range 3 {
		for l.Room() == engine.RoomForAll {
			n++
			l.Append(batch(n))
			if !r.await(n) {
				t.Fatalf("round %d, batch %d: %v", round, n, r.lost)
			}
		}
		if err := l.Snapshot(n, sections{content: map[uint64]string{1: "all deleted"}}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for l.Room() != engine.RoomForAll {
			l.pool.mu.Lock()
			if l.Room() != engine.RoomForAll {
				l.pool.ready.Wait()
			}
			l.pool.mu.Unlock()
		}
	}
	closeLog(t, l)
}

// TestStall lets the disk hang for seconds: Append goes on until too much is
// waiting, Confirm and Room answer, and all is committed in the end.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stalled atomic.Bool
		fs := &vfs.Faulty{FS: vfs.NewMem(), Hook: func(op vfs.Op, name string) error {
			if op == vfs.OpSync && stalled.Load() && strings.HasSuffix(name, logSuffix) {
				time.Sleep(5 * time.Second)
			}
			return nil
		}}
		o := small(fs)
		o.MaxBacklog = 10_000
		l, r := reopened(t, o)
		for n := uint64(1); n <= warmUp+10; n++ {
			l.Append(batch(n))
			r.await(n)
		}
		l.idleNow()
		if !l.pace.inline {
			t.Fatal("commits are not inline although all were fast")
		}
		stalled.Store(true)
		began := time.Now()
		l.Append(batch(1)) // inline: this one waits
		if time.Since(began) < 5*time.Second {
			t.Fatal("the first commit of a stall was not inline")
		}
		began = time.Now()
		for range 10 {
			l.Append(make([]byte, 1000))
			l.Room()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Append took %v during a stall, with little waiting", took)
		}
		l.Append(make([]byte, 1000))
		l.Append(make([]byte, 1000))
		if took := time.Since(began); took == 0 {
			t.Errorf("Append did not block with %d bytes waiting", l.Backlog())
		}
		closeLog(t, l)
		if r.index != warmUp+10+1+12 {
			t.Errorf("%d batches were committed", r.index)
		}
		r.check(t)
	})
}

// TestIntervalSync looks when a log that syncs every 50 ms does.
func TestIntervalSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		fs := &vfs.Faulty{FS: vfs.NewMem(), Hook: func(op vfs.Op, name string) error {
			if op == vfs.OpSync && strings.HasSuffix(name, logSuffix) {
				syncs.Add(1)
			}
			return nil
		}}
		o := small(fs)
		o.Sync = 50 * time.Millisecond
		l, r := reopened(t, o)
		synctest.Wait()
		before := syncs.Load()
		for n := uint64(1); n <= 10; n++ {
			l.Append(batch(n))
			r.await(n)
		}
		if now := syncs.Load(); now != before {
			t.Errorf("%d syncs before the interval was over", now-before)
		}
		time.Sleep(51 * time.Millisecond)
		synctest.Wait()
		if now := syncs.Load(); now != before+1 {
			t.Errorf("%d syncs after the interval", now-before)
		}
		if got := l.Stats().Synced; got != 10 {
			t.Errorf("synced up to %d", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if now := syncs.Load(); now != before+1 {
			t.Errorf("%d syncs while nothing happened", now-before-1)
		}
		closeLog(t, l)
	})
}

func TestSecondProcessIsRefused(t *testing.T) {
	for _, fs := range []vfs.FS{vfs.NewMem(), vfs.OS} {
		dir := t.TempDir()
		l, err := Open(dir, Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		inUse := func(err error) bool {
			return err != nil && strings.Contains(err.Error(), dir) && strings.Contains(err.Error(), "in use")
		}
		if _, err := Open(dir, Options{FS: fs}); !inUse(err) {
			t.Errorf("a second log says %v", err)
		}
		if err := Verify(fs, dir, &bytes.Buffer{}); !inUse(err) {
			t.Errorf("verify says %v", err)
		}
		closeLog(t, l)
		if l, err = Open(dir, Options{FS: fs}); err != nil {
			t.Fatalf("after the first was closed: %v", err)
		}
		closeLog(t, l)
	}
}

func TestConfirm(t *testing.T) {
	l, r := open(t, small(vfs.NewMem()))
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := uint64(1); n <= 500; n++ {
			l.Append(batch(n))
		}
	})
	wg.Go(func() {
		for n := uint64(1); n <= 500; n++ {
			l.Confirm(n)
		}
	})
	wg.Wait()
	r.await(500)
	closeLog(t, l)
	r.check(t)
	if len(r.tickets) != 500 {
		t.Fatalf("%d of 500 confirmations came", len(r.tickets))
	}
	for i, ticket := range r.tickets {
		if ticket != uint64(i+1) {
			t.Fatalf("confirmation %d is of %d", i+1, ticket)
		}
	}
}
