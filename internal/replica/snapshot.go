package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/wal"
)

// metaKey is the section that says what a snapshot is of; it comes behind those of
// the engine.
const metaKey = math.MaxUint64

// snapshots is what a store knows of its last snapshot.
type snapshots struct {
	last *raft.SnapshotMeta // nil: there is none; under store.mu
	// own says that the engine's views may build on the last snapshot: it was not
	// installed by another node since. Under store.snapping.
	own     bool
	configs []committed // configurations since the last snapshot, ascending; under store.mu
}

// committed is a configuration with the index of its entry.
type committed struct {
	index         uint64
	configuration raft.Configuration
}

var (
	errSuperseded = errors.New("the group's log is beyond this snapshot already")
	errNotAsked   = errors.New("snapshots are taken when the engine asks for them")
)

// noteConfiguration remembers the members of the group as of an entry that is
// committed.
func (s *store) noteConfiguration(index uint64, c raft.Configuration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.configs); n == 0 || s.configs[n-1].index < index {
		s.configs = append(s.configs, committed{index, c})
	}
}

// Snapshot stores v, the state after the entry with the given index.
func (s *store) Snapshot(index uint64, v engine.View) error {
	s.snapping.Lock()
	defer s.snapping.Unlock()
	meta, record, err := s.describe(index)
	if err != nil {
		return err
	}
	if err := s.log.Snapshot(record, view{v, meta, !s.own}); err != nil {
		return err
	}
	s.own = true
	return s.stored(meta)
}

// describe says what a snapshot of the given entry is of.
func (s *store) describe(index uint64) (*raft.SnapshotMeta, uint64, error) {
	var e raft.Log
	if err := s.GetLog(index, &e); err != nil {
		return nil, 0, fmt.Errorf("snapshot of entry %d: %w", index, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && s.last.Index >= index {
		return nil, 0, errSuperseded
	}
	meta := &raft.SnapshotMeta{Version: 1, Index: index, Term: e.Term}
	for _, c := range s.configs {
		if c.index <= index {
			meta.ConfigurationIndex, meta.Configuration = c.index, c.configuration
		}
	}
	record, ok := s.index.record(index)
	if !ok {
		return nil, 0, raft.ErrLogNotFound
	}
	return meta, record, nil
}

// stored notes a snapshot that is on disk, and what it made unneeded.
func (s *store) stored(meta *raft.SnapshotMeta) error {
	stored, err := s.log.Stored()
	if err != nil {
		return err
	}
	defer stored.Close()
	meta.ID = fmt.Sprintf("%d-%d", meta.Term, meta.Index)
	meta.Size = streamSize(stored)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = meta
	for len(s.configs) > 1 && s.configs[1].index <= meta.Index {
		s.configs = s.configs[1:]
	}
	s.index.keep(s.log.Kept())
	return nil
}

// findSnapshot reads what the last snapshot is of, when the store is opened.
func (s *store) findSnapshot() error {
	stored, err := s.log.Stored()
	if err != nil || stored == nil {
		return err
	}
	defer stored.Close()
	meta, err := readMeta(stored)
	if err != nil {
		return err
	}
	s.configs = []committed{{meta.ConfigurationIndex, meta.Configuration}}
	return s.stored(meta)
}

// view is the engine's with the section that says what it is of.
type view struct {
	engine.View
	meta  *raft.SnapshotMeta
	whole bool // no section counts as unchanged
}

// Sections implements engine.View.
func (v view) Sections(visit func(uint64, bool, func(io.Writer) error) error) error {
	err := v.View.Sections(func(key uint64, unchanged bool, write func(io.Writer) error) error {
		return visit(key, unchanged && !v.whole, write)
	})
	if err != nil {
		return err
	}
	return visit(metaKey, false, func(w io.Writer) error {
		_, err := w.Write(encodeMeta(v.meta))
		return err
	})
}

// encodeMeta encodes: index, term and index of the configuration, u64 each; the
// configuration as raft does.
func encodeMeta(m *raft.SnapshotMeta) []byte {
	var b []byte
	for _, n := range []uint64{m.Index, m.Term, m.ConfigurationIndex} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return append(b, raft.EncodeConfiguration(m.Configuration)...)
}

func readMeta(stored *wal.Stored) (*raft.SnapshotMeta, error) {
	b, err := stored.Section(metaKey)
	if err != nil {
		return nil, err
	}
	if len(b) < 24 {
		return nil, errors.New("replica: the snapshot does not say what it is of")
	}
	return &raft.SnapshotMeta{
		Version:            1,
		Index:              binary.LittleEndian.Uint64(b),
		Term:               binary.LittleEndian.Uint64(b[8:]),
		ConfigurationIndex: binary.LittleEndian.Uint64(b[16:]),
		Configuration:      raft.DecodeConfiguration(b[24:]),
	}, nil
}

// sections are those of a stored snapshot that are the engine's.
type sections struct{ *wal.Stored }

// Next implements engine.SnapshotReader.
func (s sections) Next() (uint64, io.Reader, error) {
	key, r, err := s.Stored.Next()
	if err == nil && key == metaKey {
		return 0, nil, io.EOF
	}
	return key, r, err
}

// List implements raft.SnapshotStore.
func (s *store) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return nil, nil
	}
	meta := *s.last
	return []*raft.SnapshotMeta{&meta}, nil
}

// Open implements raft.SnapshotStore: it opens the last snapshot, which may be newer
// than the one that List named.
func (s *store) Open(string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	stored, err := s.log.Stored()
	if err != nil {
		return nil, nil, err
	}
	if stored == nil {
		return nil, nil, errors.New("replica: there is no snapshot")
	}
	meta, err := readMeta(stored)
	if err != nil {
		stored.Close()
		return nil, nil, err
	}
	meta.ID, meta.Size = fmt.Sprintf("%d-%d", meta.Term, meta.Index), streamSize(stored)
	r, w := io.Pipe()
	go func() {
		defer stored.Close()
		w.CloseWithError(writeStream(w, stored))
	}()
	return meta, r, nil
}

// Create implements raft.SnapshotStore, for a snapshot that another node sends.
func (s *store) Create(_ raft.SnapshotVersion, index, term uint64, c raft.Configuration, configIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	s.mu.Lock()
	beyond := s.last != nil && s.last.Index > index
	s.mu.Unlock()
	if beyond {
		return nil, errSuperseded
	}
	meta := &raft.SnapshotMeta{Version: 1, Index: index, Term: term, Configuration: c, ConfigurationIndex: configIndex}
	r, w := io.Pipe()
	k := &sink{PipeWriter: w, id: fmt.Sprintf("%d-%d", term, index), done: make(chan error, 1)}
	go func() {
		err := s.install(meta, r)
		if err != nil {
			r.CloseWithError(err)
		}
		k.done <- err
	}()
	return k, nil
}

// install stores a snapshot as it comes in.
func (s *store) install(meta *raft.SnapshotMeta, in io.Reader) error {
	s.snapping.Lock()
	defer s.snapping.Unlock()
	s.mu.Lock()
	record, ok := s.index.record(meta.Index)
	if !ok {
		record = s.written // all that is here comes before the snapshot
	}
	ok = ok || s.index.last < meta.Index
	s.mu.Unlock()
	if !ok {
		return errSuperseded
	}
	s.own = false
	if err := s.log.Snapshot(record, view{stream{in}, meta, true}); err != nil {
		return err
	}
	s.mu.Lock()
	s.configs = []committed{{meta.ConfigurationIndex, meta.Configuration}}
	s.mu.Unlock()
	return s.stored(meta)
}

// sink takes a snapshot that another node sends. It implements raft.SnapshotSink.
type sink struct {
	*io.PipeWriter
	id   string
	done chan error
}

// ID implements raft.SnapshotSink.
func (k *sink) ID() string { return k.id }

// Close waits until the snapshot is stored.
func (k *sink) Close() error {
	k.PipeWriter.Close()
	return <-k.done
}

// Cancel implements raft.SnapshotSink.
func (k *sink) Cancel() error {
	k.CloseWithError(errors.New("the transfer was broken off"))
	<-k.done
	return nil
}
