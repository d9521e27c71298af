package wal

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/vfs"
)

// Open implements engine.Log. It writes nothing that needs space, unless the log is
// new. After an error the directory is released, and what it holds was not changed.
func (l *Log) Open(m engine.Machine) error {
	l.machine = m
	err := l.recover()
	if err == nil {
		err = l.pool.start()
	}
	if err != nil {
		l.release()
		return err
	}
	l.timer = time.AfterFunc(time.Hour, l.flushOnTime)
	l.timer.Stop()
	l.finished = make(chan struct{})
	l.phase = phaseCalling
	l.mu.Lock()
	l.opened = true
	l.mu.Unlock()
	go l.syncer()
	m.Lead(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest()
	return nil
}

// recover gives the machine what the log holds, and finds where to go on.
func (l *Log) recover() error {
	c, err := list(l.fs, l.dir)
	if err != nil {
		return err
	}
	r, err := openReader(l.fs, l.dir, c)
	if err != nil {
		return err
	}
	l.segments, l.snap = r.segments, r.snap
	r.note = l.o.Replicated
	if !l.o.Replicated { // whose snapshot is read by Stored
		if err := l.restore(); err != nil {
			return err
		}
	}
	l.pool = pool{
		fs: l.fs, dir: l.dir, target: l.o.SegmentSize, retry: l.o.RetryFull, random: l.o.random, logger: l.o.Logger,
		failed: l.fail, next: r.start,
	}
	if len(l.segments) == 0 {
		if err := l.tidy(c, r.start); err != nil {
			return err
		}
		return l.create()
	}
	end, err := r.batches(func(f Frame, batch []byte) error {
		if batch == nil || !l.o.Replicated && l.snap != nil && f.Index <= l.snap.index {
			return nil
		}
		return l.machine.Apply(f.Index, f.Term, batch)
	})
	if err != nil {
		return err
	}
	if err := l.resume(end); err != nil {
		return err
	}
	return l.tidy(c, r.start)
}

// restore gives the machine the last snapshot.
func (l *Log) restore() error {
	if l.snap == nil {
		return nil
	}
	r := newSectionReader(l.fs, l.dir, l.snap.entries)
	defer r.close()
	return l.machine.Restore(r)
}

// create begins a new log with its first segment.
func (l *Log) create() error {
	if err := l.pool.add(min(firstSegment, l.o.SegmentSize), minSegment); err != nil {
		return fmt.Errorf("cannot begin a log in %s: %w; it needs 256 KiB at first, and 200 MiB as it grows", l.dir, err)
	}
	l.segments, l.pool.spares = l.pool.spares, nil
	return l.resume(position{off: segmentHeader})
}

// resume sets the tail to where the log ends. What recovery has read may still be
// on its way to the disk, if only the process had ended: from here on it counts as
// synced.
func (l *Log) resume(end position) error {
	for _, s := range l.segments[:end.segment+1] {
		if err := s.file.Sync(); err != nil {
			return err
		}
	}
	seg := l.segments[end.segment]
	if seg.first == 0 {
		seg.first, seg.chain = end.index+1, end.chain
	}
	for _, s := range l.segments[:end.segment+1] { // a torn batch may have begun
		s.starts = s.starts[:min(uint64(len(s.starts)), end.index+1-s.first)]
	}
	l.tail = tail{seg: seg, off: end.off, index: end.index, chain: end.chain}
	l.synced.Store(end.index)
	l.written, l.current = end.index, seg
	l.pool.left.Store(seg.size - end.off)
	l.pool.spares = slices.Clone(l.segments[end.segment+1:])
	l.pool.next = l.segments[len(l.segments)-1].number + 1
	l.pool.grown = l.segments[len(l.segments)-1].size
	l.segments = slices.Clone(l.segments[:end.segment+1])
	for _, s := range l.segments {
		l.pool.used.Add(s.size)
	}
	return nil
}

// tidy removes what a crash kept from being finished or cleaned up. Only now: had
// there been damage, nothing would have been changed.
func (l *Log) tidy(c contents, start uint64) error {
	for _, name := range c.unfinished {
		if err := l.fs.Remove(filepath.Join(l.dir, name)); err != nil {
			return err
		}
	}
	live := l.snap.live()
	for _, number := range c.manifests {
		if number < l.snap.number {
			if err := l.fs.Remove(fileName(l.dir, number, snapSuffix)); err != nil {
				return err
			}
		}
	}
	for _, number := range c.data {
		if live[number] == 0 {
			if err := l.fs.Remove(fileName(l.dir, number, dataSuffix)); err != nil {
				return err
			}
		}
	}
	for _, number := range c.segments {
		if number < start {
			size, err := fileSize(l.fs, fileName(l.dir, number, logSuffix))
			if err != nil {
				return err
			}
			l.pool.dropped = append(l.pool.dropped, unneeded{number, size})
		}
	}
	return nil
}

// reader reads the log of a directory.
type reader struct {
	dir      string
	snap     *manifest  // nil if there is none
	start    uint64     // number of the first segment that is needed
	segments []*segment // from there on
	note     bool       // where batches begin
}

// openReader finds the last snapshot and opens the segments after it. The caller
// closes them.
func openReader(fsys vfs.FS, dir string, c contents) (*reader, error) {
	r := &reader{dir: dir, start: 1}
	if n := len(c.manifests); n > 0 {
		m, err := readManifest(fsys, dir, c.manifests[n-1])
		if err != nil {
			return nil, err
		}
		r.snap, r.start = m, m.segment
	}
	next := r.start
	for _, number := range c.segments {
		if number < r.start {
			continue
		}
		if number != next {
			break
		}
		s, err := openSegment(fsys, dir, number)
		if err != nil {
			r.close()
			return nil, err
		}
		r.segments = append(r.segments, s)
		next++
	}
	last := next - 1
	if n := len(c.segments); n > 0 && c.segments[n-1] > last || r.snap != nil && len(r.segments) == 0 {
		r.close()
		return nil, damage(fileName(dir, next, logSuffix), 0, "the segment is missing")
	}
	return r, nil
}

func (r *reader) close() {
	for _, s := range r.segments {
		s.file.Close()
	}
}

// batches visits the frames and returns where they end.
func (r *reader) batches(visit func(f Frame, batch []byte) error) (position, error) {
	s := scan{segments: r.segments, visit: visit, from: 1, note: r.note, at: position{off: segmentHeader}}
	if r.snap != nil {
		s.from = r.snap.first
		s.at.chain, s.at.index = r.snap.chain, r.snap.first-1
		r.segments[0].first, r.segments[0].chain = r.snap.first, r.snap.chain
	}
	if err := s.run(); err != nil {
		return s.end, err
	}
	if r.snap != nil && s.end.index < r.snap.index {
		seg := r.segments[s.end.segment]
		return s.end, damage(seg.name, s.end.off, "the log ends with batch %d, before the snapshot's %d", s.end.index, r.snap.index)
	}
	return s.end, nil
}
