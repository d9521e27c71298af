package wal

import (
	"io"
	"slices"
)

// Stored is a snapshot that was stored. It implements engine.SnapshotReader, and
// can be read to its end while newer ones replace it.
type Stored struct {
	*sectionReader
	index   uint64
	entries []entry
}

// Stored returns the last snapshot, or nil when there is none. The caller closes it.
func (l *Log) Stored() (*Stored, error) {
	l.segMu.Lock()
	defer l.segMu.Unlock()
	if l.snap == nil {
		return nil, nil
	}
	s := &Stored{index: l.snap.index, entries: slices.Clone(l.snap.entries)}
	s.sectionReader = newSectionReader(l.fs, l.dir, s.entries)
	for _, e := range s.entries { // a file that is open can be read when its name is gone
		if _, err := s.open(e.data); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// Index is that of the last batch in the snapshot.
func (s *Stored) Index() uint64 { return s.index }

// Sections calls visit for each section with its length in bytes.
func (s *Stored) Sections(visit func(key uint64, length int64)) {
	for _, e := range s.entries {
		visit(e.key, e.content())
	}
}

// Section returns one section whatever Next has come to. It is empty if there is
// none with the given key.
func (s *Stored) Section(key uint64) ([]byte, error) {
	i := slices.IndexFunc(s.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return nil, nil
	}
	rest := s.rest
	defer func() { s.rest = rest }()
	s.rest = s.entries[i:]
	_, section, err := s.Next()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(section)
}

// Close lets go of the files.
func (s *Stored) Close() error {
	s.close()
	return nil
}

// content is the length in bytes of what was written to the section: all its blocks
// but the last are full.
func (e entry) content() int64 {
	const block = blockHeader + maxBlock
	return e.length - (e.length+block-1)/block*blockHeader
}
