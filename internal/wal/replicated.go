package wal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/vfs"
)

// ErrNotKept is the error of Read for a batch that a snapshot has made unneeded, or
// that was never written.
var ErrNotKept = errors.New("the log does not hold this batch")

// Commit writes a group of batches and returns once all are committed, with the
// index of the last; the machine does not get them. It is how a replicated log is
// written, in place of Append.
func (l *Log) Commit(group [][]byte) (last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.phase != phaseIdle && l.err == nil && !l.closing {
		l.idle.Wait()
	}
	switch {
	case l.err != nil:
		return 0, l.err
	case l.closing:
		return 0, ErrClosed
	}
	l.phase = phaseWriting
	l.mu.Unlock()
	err = l.commit(group, false)
	l.mu.Lock()
	l.marking = l.marking || len(group) > 1
	last = l.tail.index
	l.committed(err)
	return last, err
}

// Kept returns the index of the oldest batch that Read can return, if it was
// written already.
func (l *Log) Kept() uint64 {
	l.segMu.Lock()
	defer l.segMu.Unlock()
	if len(l.segments) == 0 {
		return 0
	}
	return l.segments[0].first
}

// Read returns a committed batch of a replicated log. The error is ErrNotKept when
// there is none of that index.
func (l *Log) Read(index uint64) ([]byte, error) {
	segments, off := l.find(index)
	if segments == nil {
		return nil, ErrNotKept
	}
	batch, err := readBatch(segments, off, index)
	if err != nil {
		if again, _ := l.find(index); again == nil {
			return nil, ErrNotKept // its segment was dropped meanwhile
		}
	}
	return batch, err
}

// find returns where a batch begins, and the segments from there on.
func (l *Log) find(index uint64) ([]*segment, int64) {
	l.segMu.Lock()
	defer l.segMu.Unlock()
	for at, s := range slices.Backward(l.segments) {
		if s.first > index {
			continue
		}
		if n := index - s.first; n < uint64(len(s.starts)) {
			return slices.Clone(l.segments[at:]), int64(s.starts[n])
		}
		break
	}
	return nil, 0
}

// readBatch joins the parts of a batch.
func readBatch(segments []*segment, off int64, index uint64) (batch []byte, err error) {
	for _, s := range segments {
		for off+frameHeader <= s.size {
			f, payload, err := s.read(off, index)
			if err != nil {
				return nil, err
			}
			off += frameHeader + int64(f.Length)
			if batch == nil && kind(f.Kind) == kindBatch {
				return payload, nil
			}
			batch = append(batch, payload...)
			if kind(f.Kind) == kindBatch {
				return batch, nil
			}
		}
		off = segmentHeader
	}
	return nil, fmt.Errorf("batch %d of the log has no end", index)
}

// read returns the frame at off, which belongs to the given batch.
func (s *segment) read(off int64, index uint64) (Frame, []byte, error) {
	header := make([]byte, frameHeader)
	if _, err := s.file.ReadAt(header, off); err != nil {
		return Frame{}, nil, err
	}
	f, ok := parseHeader(header, s.salt)
	if !ok || f.Index != index || off+frameHeader+int64(f.Length) > s.size {
		return f, nil, damage(s.name, off, "batch %d does not begin here any more", index)
	}
	whole := make([]byte, frameHeader+int(f.Length))
	if _, err := s.file.ReadAt(whole, off); err != nil {
		return f, nil, err
	}
	if !f.sound(whole, s.salt) {
		return f, nil, damage(s.name, off, "the checksum of batch %d is wrong", index)
	}
	return f, whole[frameHeader:], nil
}

// FS returns the file system that holds the log.
func (l *Log) FS() vfs.FS { return l.fs }
