package wal

import (
	"errors"
	"time"
)

// errFull ends the log: a batch was taken on while there was room, and now there is
// none.
var errFull = errors.New("the disk is full and the space kept for deletes is used up: free space on the disk and restart")

const (
	minPart   = 64       // a shorter rest of a segment, in bytes, is left alone
	keepBuf   = 1 << 20  // a larger buffer is not kept
	maxRaw    = 64 << 10 // a longer write, in bytes, is worth a word to the scheduler
	maxStaged = 4 << 20  // what is written at once, in bytes
)

// tail is where the log is written.
type tail struct {
	seg   *segment
	off   int64  // where buf goes
	buf   []byte // frames that are not written yet
	index uint64 // of the last batch
	chain uint32 // sum of the last frame
	frame Frame  // the one being made

	took time.Duration // by the last commit
	size int           // of it, in bytes
	one  [1][]byte     // the group of an inline commit
}

// stage makes frames of a batch.
func (l *Log) stage(batch []byte) error {
	t := &l.tail
	t.index++
	begins := t.index // the first batch that could begin in a new segment
	started := !l.o.Replicated
	for {
		room := t.seg.size - t.off - int64(len(t.buf)) - frameHeader
		if room < int64(min(len(batch), minPart)) {
			if err := l.rotate(begins); err != nil {
				return err
			}
			continue
		}
		if !started {
			l.noteStart()
			started = true
		}
		if len(batch) <= min(int(room), maxFrame) {
			l.put(kindBatch, batch)
			return nil
		}
		n := min(int(room), maxFrame)
		l.put(kindPart, batch[:n])
		begins = t.index + 1
		batch = batch[n:]
	}
}

// noteStart remembers where the batch begins whose first frame comes next.
func (l *Log) noteStart() {
	t := &l.tail
	l.segMu.Lock()
	defer l.segMu.Unlock()
	t.seg.starts = append(t.seg.starts, uint32(t.off+int64(len(t.buf))))
}

func (l *Log) put(k kind, payload []byte) {
	t := &l.tail
	t.frame = Frame{Index: t.index, Synced: l.synced.Load(), Kind: uint8(k), run: l.run, prev: t.chain}
	t.buf = appendFrame(t.buf, t.seg.salt, &t.frame, payload)
	t.chain = t.frame.sum
}

// write puts the staged frames into the segment. raw picks the system call.
func (l *Log) write(raw bool) (err error) {
	t := &l.tail
	if raw {
		err = t.seg.file.RawWriteAt(t.buf, t.off)
	} else {
		_, err = t.seg.file.WriteAt(t.buf, t.off)
	}
	t.off += int64(len(t.buf))
	l.pool.left.Store(t.seg.size - t.off)
	l.stats.bytes.Add(uint64(len(t.buf)))
	t.buf = t.buf[:0]
	if cap(t.buf) > keepBuf {
		t.buf = nil
	}
	return err
}

// sync makes what is written durable.
func (l *Log) sync(raw bool) (err error) {
	if raw {
		err = l.tail.seg.file.RawSync()
	} else {
		err = l.tail.seg.file.Sync()
	}
	if err == nil {
		l.synced.Store(l.tail.index)
	}
	return err
}

// commit writes batches and, if that is what commits them, syncs them.
func (l *Log) commit(group [][]byte, raw bool) error {
	began := time.Now()
	size := 0
	for _, batch := range group {
		if err := l.stage(batch); err != nil {
			return err
		}
		size += len(batch)
		if len(l.tail.buf) > maxStaged {
			if err := l.write(false); err != nil {
				return err
			}
		}
	}
	raw = raw && len(l.tail.buf) <= maxRaw
	if err := l.write(raw); err != nil {
		return err
	}
	if l.o.Sync == SyncAlways {
		if err := l.sync(raw); err != nil {
			return err
		}
	}
	l.tail.took, l.tail.size = time.Since(began), size
	l.stats.batches.Add(uint64(len(group)))
	l.stats.lastCommit.Store(int64(l.tail.took))
	return nil
}

// rotate goes on to the next segment. The one left is synced before anything is
// written to the next: frames of a later segment always vouch for the earlier
// ones. Where a batch need not be durable to be committed, that happens beside.
// begins is the first batch that could begin in the next one.
func (l *Log) rotate(begins uint64) error {
	if err := l.write(false); err != nil {
		return err
	}
	old := l.tail.seg
	if l.o.Sync == SyncAlways {
		if err := old.file.Sync(); err != nil {
			return err
		}
		l.synced.Store(l.tail.index - 1) // of the batch at hand there is more to come
	}
	next, err := l.pool.take()
	if err != nil {
		return err
	}
	next.chain, next.first, next.starts = l.tail.chain, begins, nil
	l.tail.seg, l.tail.off = next, segmentHeader
	l.segMu.Lock()
	l.segments = append(l.segments, next)
	l.segMu.Unlock()
	if l.o.Sync != SyncAlways {
		l.mu.Lock()
		l.unsaved = append(l.unsaved, old)
		l.schedule(0)
		l.mu.Unlock()
	}
	return nil
}

// mark writes a frame that says how far the log is synced, where there is room for
// it. Nothing depends on it, so it is not synced.
func (l *Log) mark() error {
	t := &l.tail
	if t.seg.size-t.off < frameHeader {
		return nil
	}
	l.put(kindMark, nil)
	return l.write(false)
}
