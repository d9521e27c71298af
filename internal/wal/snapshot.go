package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/vfs"
)

// maxDataFiles is how many data files a snapshot refers to at most; the smallest
// are copied together beyond that.
const maxDataFiles = 16

// Snapshot implements engine.Log. A snapshot that finds the disk full changes
// nothing, and may be tried again; any other failure to write ends the log.
func (l *Log) Snapshot(index uint64, v engine.View) error {
	l.snapping.Lock()
	defer l.snapping.Unlock()
	l.mu.Lock()
	err := l.err
	if l.closing {
		err = ErrClosed
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	s := &snapshot{log: l, last: l.snap, next: &manifest{number: 1, index: index}}
	if l.snap != nil {
		s.next.number = l.snap.number + 1
	}
	err = s.store(v)
	if s.file != nil {
		s.file.Close()
	}
	if err != nil {
		s.undo()
		if s.failed != nil && !vfs.IsNoSpace(s.failed) {
			l.fail(s.failed)
		}
		return fmt.Errorf("snapshot: %w", err)
	}
	l.segMu.Lock()
	l.snap = s.next
	l.segMu.Unlock()
	l.cleanUp(s.last)
	return nil
}

// snapshot is one that is being stored.
type snapshot struct {
	log    *Log
	last   *manifest // nil for the first
	next   *manifest
	file   vfs.File // the data file; nil while nothing is written
	out    sectionWriter
	failed error // what the file system answered
}

func (s *snapshot) store(v engine.View) error {
	if err := v.Sections(s.section); err != nil {
		return err
	}
	if err := s.compact(); err != nil {
		return err
	}
	if s.file != nil {
		// The name of the data file must not be lost when the manifest's is not.
		if err := s.io(s.file.Sync()); err != nil {
			return err
		}
		if err := s.io(s.log.fs.SyncDir(s.log.dir)); err != nil {
			return err
		}
	}
	if err := s.log.flush(); err != nil { // the log must reach as far as the snapshot
		return err
	}
	s.locate()
	return s.writeManifest()
}

func (s *snapshot) io(err error) error {
	if err != nil {
		s.failed = err
	}
	return err
}

// section takes one section of the view.
func (s *snapshot) section(key uint64, unchanged bool, write func(io.Writer) error) error {
	if n := len(s.next.entries); n > 0 && s.next.entries[n-1].key >= key {
		return fmt.Errorf("section %x comes after section %x", key, s.next.entries[n-1].key)
	}
	if unchanged {
		if e, ok := s.last.find(key); ok {
			s.next.entries = append(s.next.entries, e)
			return nil
		}
	}
	e := entry{key: key}
	if err := s.add(&e, write); err != nil {
		return err
	}
	s.next.entries = append(s.next.entries, e)
	return nil
}

// add writes a section to the data file.
func (s *snapshot) add(e *entry, write func(io.Writer) error) error {
	if err := s.begin(); err != nil {
		return err
	}
	e.data = s.next.number
	s.out.begin(e)
	if err := write(&s.out); err != nil {
		return err
	}
	return s.out.end(e)
}

// begin makes the data file.
func (s *snapshot) begin() error {
	if s.file != nil {
		return nil
	}
	f, err := s.log.fs.Create(fileName(s.log.dir, s.next.number, dataSuffix))
	if s.io(err) != nil {
		return err
	}
	s.file = f
	s.out = sectionWriter{write: s.write, sync: func() error { return s.io(f.Sync()) }, off: dataHeader}
	return s.write(dataHeaderBlock(s.next.number), 0)
}

// write writes to the data file, at the cost of the reserve if need be: a snapshot
// is what makes room.
func (s *snapshot) write(p []byte, off int64) error {
	_, err := s.file.WriteAt(p, off)
	if vfs.IsNoSpace(err) && s.log.pool.giveReserve() {
		_, err = s.file.WriteAt(p, off)
	}
	return s.io(err)
}

// compact copies the sections that are kept out of data files that hold little
// else, so that these can go.
func (s *snapshot) compact() error {
	sparse, err := s.sparse()
	if err != nil {
		return err
	}
	for i := range s.next.entries {
		e := &s.next.entries[i]
		if !sparse[e.data] {
			continue
		}
		old := *e
		err := s.add(e, func(w io.Writer) error { return s.copy(w, old) })
		if err != nil {
			return err
		}
	}
	return nil
}

// sparse names the data files to be rewritten: less than half of each is live, or
// there are too many.
func (s *snapshot) sparse() (map[uint64]bool, error) {
	live := s.next.live()
	delete(live, s.next.number)
	files := slices.SortedFunc(maps.Keys(live), func(a, b uint64) int { return cmp.Compare(live[a], live[b]) })
	sparse := map[uint64]bool{}
	for i, number := range files {
		size, err := fileSize(s.log.fs, fileName(s.log.dir, number, dataSuffix))
		if s.io(err) != nil {
			return nil, err
		}
		sparse[number] = live[number] < (size-dataHeader)/2 || len(files)-i > maxDataFiles
	}
	return sparse, nil
}

// copy copies a section. One that turns out to be damaged is forgotten, and the
// next snapshot has it written anew.
func (s *snapshot) copy(w io.Writer, e entry) error {
	r := newSectionReader(s.log.fs, s.log.dir, []entry{e})
	defer r.close()
	_, section, err := r.Next()
	if err == nil {
		_, err = io.Copy(w, section)
	}
	if damaged := (*DamageError)(nil); errors.As(err, &damaged) {
		s.log.segMu.Lock()
		s.last.entries = slices.DeleteFunc(s.last.entries, func(o entry) bool { return o == e })
		s.log.segMu.Unlock()
	}
	return err
}

// locate notes where the first batch is to be found that is still needed: the one
// after the snapshot, or in a replicated log one that leaves what a node may lack
// that lags by less than a segment.
func (s *snapshot) locate() {
	l := s.log
	l.segMu.Lock()
	defer l.segMu.Unlock()
	at := 0
	for i, segment := range l.segments {
		if segment.first <= s.next.index+1 {
			at = i
		}
	}
	if l.o.Replicated {
		for at > 0 && l.segments[at].first > s.next.index {
			at--
		}
		at = max(0, at-1)
	}
	from := l.segments[at]
	s.next.segment, s.next.first, s.next.chain = from.number, from.first, from.chain
}

func (s *snapshot) writeManifest() error {
	l := s.log
	name, tmp := fileName(l.dir, s.next.number, snapSuffix), fileName(l.dir, s.next.number, snapTmp)
	b := s.next.encode()
	err := vfs.Replace(l.fs, name, tmp, b)
	if vfs.IsNoSpace(err) && l.pool.giveReserve() {
		err = vfs.Replace(l.fs, name, tmp, b)
	}
	return s.io(err)
}

// undo removes what a snapshot that was not stored has left. Where that fails, the
// next start does it.
func (s *snapshot) undo() {
	if s.failed != nil && !vfs.IsNoSpace(s.failed) {
		return // the manifest may be in force
	}
	l := s.log
	l.fs.Remove(fileName(l.dir, s.next.number, snapTmp))
	l.fs.Remove(fileName(l.dir, s.next.number, dataSuffix))
}

// cleanUp lets go of what a new snapshot has made unneeded; last is the one before.
func (l *Log) cleanUp(last *manifest) {
	if last != nil {
		live := l.snap.live()
		l.remove(fileName(l.dir, last.number, snapSuffix))
		for number := range last.live() {
			if live[number] == 0 {
				l.remove(fileName(l.dir, number, dataSuffix))
			}
		}
	}
	l.segMu.Lock()
	var dropped []unneeded
	for l.segments[0].number < l.snap.segment {
		s := l.segments[0]
		s.file.Close()
		dropped = append(dropped, unneeded{s.number, s.size})
		l.segments = slices.Delete(l.segments, 0, 1)
	}
	l.segMu.Unlock()
	l.pool.drop(dropped)
}

func (l *Log) remove(name string) {
	if err := l.fs.Remove(name); err != nil {
		l.fail(err)
	}
}
