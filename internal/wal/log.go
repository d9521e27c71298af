package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/vfs"
)

// Log is a log in a directory on local disk. It implements engine.Log.
type Log struct {
	o       Options
	fs      vfs.FS
	dir     string
	lock    io.Closer
	machine engine.Machine
	pool    pool
	run     uint32 // told apart in every frame: what a crash left of the last run never continues this one

	mu      sync.Mutex
	work    sync.Cond // the syncer has something to do
	idle    sync.Cond // phase, queue or err have changed
	phase   phase
	queue   [][]byte // batches for the syncer
	spareQ  [][]byte // the queue's other backing array
	tickets []uint64 // confirmations for the syncer
	backlog int      // bytes in queue and in the syncer's hands
	pace    pace
	marking bool  // the syncer is to write a mark
	err     error // why the log ended
	lost    bool  // the machine was told
	opened  bool
	closing bool
	current *segment   // that batch is in
	unsaved []*segment // left for the next one before they were synced
	written uint64     // index of the last batch that is written

	// tail is where batches are written. It belongs to whoever set phase.
	tail tail

	flushing sync.Mutex // held while segments are synced outside a commit
	timer    *time.Timer
	timing   bool // the timer runs
	finished chan struct{}

	segMu    sync.Mutex
	segments []*segment // in use, ascending; the last is the current one
	snap     *manifest  // the last snapshot; nil before the first
	snapping sync.Mutex

	synced atomic.Uint64 // index up to which everything is durable
	stats  counters
}

var _ engine.Log = (*Log)(nil)

// phase is what is going on in the log. While it is not idle, one goroutine owns
// the tail and the right to call the machine.
type phase uint8

const (
	phaseIdle    phase = iota
	phaseWriting       // the syncer writes and syncs
	phaseCalling       // somebody may be in a call of the machine
)

// Open takes hold of the log in dir, which it makes if need be, and checks that
// this version can read it. What it holds is read by the method Open. The log must
// be closed.
func Open(dir string, o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{o: o, fs: o.FS, dir: dir, run: uint32(o.random()), pace: pace{need: warmUp}}
	l.work.L, l.idle.L = &l.mu, &l.mu
	if err := l.fs.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := lockDir(l.fs, dir)
	if err != nil {
		return nil, err
	}
	l.lock = lock
	if err := l.checkFormat(); err != nil {
		lock.Close()
		return nil, err
	}
	return l, nil
}

func lockDir(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("the data directory %s is in use by another process: stop that one, or choose another directory", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the data directory: %w: the user the server runs as must be able to write there", err)
	}
	return lock, nil
}

func (l *Log) checkFormat() error {
	replicated, err := checkFormat(l.fs, l.dir)
	if err == nil && replicated != l.o.Replicated {
		return l.otherKind()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeFormat(l.fs, l.dir, l.o.Replicated); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return l.fs.SyncDir(filepath.Dir(filepath.Clean(l.dir)))
}

func (l *Log) otherKind() error {
	if l.o.Replicated {
		return fmt.Errorf("%s holds the log of a node that runs alone: choose another directory for a node of a cluster", l.dir)
	}
	return fmt.Errorf("%s holds the log of a node of a cluster: start it as one, or choose another directory", l.dir)
}

// Room implements engine.Log.
func (l *Log) Room() engine.Room {
	if l.stats.failed.Load() {
		return engine.RoomForNone
	}
	return l.pool.room()
}

// Close implements engine.Log. It must not be called from a method of the machine.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return ErrClosed
	}
	l.closing = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.work.Signal()
	l.idle.Broadcast()
	l.mu.Unlock()
	if !l.opened {
		l.release()
		return nil
	}
	<-l.finished
	err := l.finish()
	l.pool.stop()
	l.release()
	return err
}

// finish syncs what is written and marks it so: from now on any damage is told
// from a crash.
func (l *Log) finish() error {
	l.snapping.Lock() // lets a snapshot end
	defer l.snapping.Unlock()
	l.mu.Lock()
	err := l.err
	l.mu.Unlock()
	if err == nil {
		err = l.flush()
	}
	if err == nil {
		err = l.mark()
	}
	if err == nil {
		err = l.tail.seg.file.Sync()
	}
	return err
}

// release closes all files and lets go of the directory.
func (l *Log) release() {
	l.segMu.Lock()
	defer l.segMu.Unlock()
	for _, s := range append(l.segments, l.pool.spares...) {
		s.file.Close()
	}
	l.segments, l.pool.spares = nil, nil
	if l.lock != nil {
		l.lock.Close()
		l.lock = nil
	}
}
