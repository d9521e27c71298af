package replica

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/wal"
)

// store keeps the entries and the snapshots of the group's log on this node's disk.
// It implements raft.LogStore and raft.SnapshotStore.
type store struct {
	log    *wal.Log
	failed func(error) // is told when the disk can no longer be written

	mu      sync.Mutex
	index   index
	recent  recent
	written uint64 // the last record

	began   time.Time
	writing atomic.Int64 // since when a write is under way, ns after began; 0: none is

	snapping sync.Mutex // held while a snapshot is written, or entries must not be dropped
	snapshots
}

// openStore reads the log in a directory.
func openStore(dir string, o wal.Options, failed func(error)) (*store, error) {
	log, err := wal.Open(dir, o)
	if err != nil {
		return nil, err
	}
	s := &store{log: log, failed: failed, began: time.Now()}
	if err := log.Open(reader{s}); err != nil {
		return nil, err
	}
	s.index.keep(log.Kept())
	if err := s.findSnapshot(); err != nil {
		log.Close()
		return nil, err
	}
	return s, nil
}

// FirstIndex implements raft.LogStore.
func (s *store) FirstIndex() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.first, nil
}

// LastIndex implements raft.LogStore.
func (s *store) LastIndex() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.last, nil
}

// GetLog implements raft.LogStore.
func (s *store) GetLog(entry uint64, to *raft.Log) error {
	s.mu.Lock()
	record, ok := s.index.record(entry)
	found := ok && s.recent.find(entry, to)
	s.mu.Unlock()
	if !ok || found {
		if !ok {
			return raft.ErrLogNotFound
		}
		return nil
	}
	b, err := s.log.Read(record)
	if errors.Is(err, wal.ErrNotKept) {
		return raft.ErrLogNotFound
	}
	if err == nil {
		*to, err = decodeRecord(b)
	}
	if err == nil && to.Index != entry {
		err = fmt.Errorf("replica: record %d holds entry %d, not %d", record, to.Index, entry)
	}
	return err
}

// StoreLog implements raft.LogStore.
func (s *store) StoreLog(e *raft.Log) error { return s.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore. The first error is final.
func (s *store) StoreLogs(entries []*raft.Log) error {
	group := make([][]byte, len(entries))
	for i, e := range entries {
		if len(e.Extensions) > 0 {
			return errors.New("replica: an entry has extensions, which are not kept")
		}
		group[i] = appendRecord(make([]byte, 0, recordHeader+len(e.Data)), uint8(e.Type), e.Index, e.Term, e.Data)
	}
	last, err := s.commit(group)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range entries {
		s.index.add(e.Index, last+1-uint64(len(entries)-i))
		s.recent.add(e)
	}
	return nil
}

// commit writes records and notes how long that takes.
func (s *store) commit(group [][]byte) (uint64, error) {
	s.writing.Store(max(1, int64(time.Since(s.began))))
	defer s.writing.Store(0)
	last, err := s.log.Commit(group)
	if err == nil {
		s.mu.Lock()
		s.written = last
		s.mu.Unlock()
	}
	return last, err
}

// stalled says whether a write has been under way for longer than limit.
func (s *store) stalled(limit time.Duration) bool {
	since := s.writing.Load()
	return since != 0 && time.Since(s.began)-time.Duration(since) > limit
}

// DeleteRange implements raft.LogStore. The end of the log is gone durably before
// anything else can be stored; from its beginning entries go with a snapshot.
func (s *store) DeleteRange(from, to uint64) error {
	s.mu.Lock()
	first, last := s.index.first, s.index.last
	if to < last { // the beginning: for this run, that is enough
		s.index.first = max(first, to+1)
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if _, err := s.commit([][]byte{appendRecord(nil, recordCut, from-1, 0, nil)}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.cut(from - 1)
	s.recent = recent{}
	return nil
}

// Close releases the directory.
func (s *store) Close() error { return s.log.Close() }

// reader takes what the log on disk held, when it is opened. It implements
// engine.Machine for that log.
type reader struct{ s *store }

func (r reader) Restore(engine.SnapshotReader) error { return nil }

func (r reader) Apply(record, _ uint64, b []byte) error {
	e, err := decodeRecord(b)
	if err != nil {
		return err
	}
	r.s.written = record
	x := &r.s.index
	switch {
	case e.Type == recordCut:
		x.cut(e.Index)
	case !x.empty() && e.Index <= x.last:
		return fmt.Errorf("replica: entry %d is in the log twice, the second time in record %d", e.Index, record)
	default:
		x.add(e.Index, record)
	}
	return nil
}

func (r reader) Lead(uint64)      {}
func (r reader) Confirmed(uint64) {}

func (r reader) Lost(err error) bool {
	r.s.failed(err)
	return false
}
