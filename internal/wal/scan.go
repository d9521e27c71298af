package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// position is a place in the log: behind a batch, where the next frame goes.
type position struct {
	segment int    // in scan.segments
	off     int64  // in bytes
	index   uint64 // of the last batch before it
	chain   uint32 // sum of the last frame before it
}

// scan reads frames in order.
type scan struct {
	segments []*segment // ascending by number
	// visit gets each frame and, with the last frame of a batch, the whole batch, valid
	// during the call. Of a part and a mark the batch is nil.
	visit func(f Frame, batch []byte) error
	// from is the first batch whose beginning can be read; what the first segment holds
	// of the one before it is passed over.
	from uint64
	note bool // where batches begin

	end   position // behind the last batch or mark
	at    position // behind the last frame, which may be a part
	parts []byte   // of a batch whose last part is still to come
	open  bool     // there are parts
	win   window
}

// run reads from s.at to the end of the log. It returns a DamageError when the log
// ends at something that had been synced; what is behind the end otherwise is what
// a crash left of frames that nobody was promised.
func (s *scan) run() error {
	s.end = s.at
	for {
		ok, err := s.next()
		if err != nil {
			return err
		}
		if !ok && !s.turn() {
			break
		}
	}
	return s.checkTail()
}

// next reads the frame at s.at, if there is one that follows the last.
func (s *scan) next() (bool, error) {
	seg := s.segments[s.at.segment]
	s.look(s.at.segment)
	f, whole, ok, err := s.win.frame(s.at.off, seg.salt)
	if err != nil || !ok || f.prev != s.at.chain {
		return false, err
	}
	if kind(f.Kind) == kindBatch && f.Index >= s.from && f.Index != s.at.index+1 {
		return false, damage(seg.name, s.at.off, "batch %d follows batch %d", f.Index, s.at.index)
	}
	if !f.known(whole) {
		return false, fmt.Errorf("%s holds a frame of kind %d at byte %d, which this version cannot read: start the newer version that wrote it", seg.name, f.Kind, s.at.off)
	}
	if seg.first == 0 {
		seg.first, seg.chain = f.Index, f.prev
		if s.open || kind(f.Kind) == kindMark {
			seg.first++ // nothing begins here with the index of this frame
		}
	}
	if s.note && !s.open && kind(f.Kind) != kindMark && f.Index >= s.from {
		seg.starts = append(seg.starts, uint32(s.at.off))
	}
	s.at.off += int64(len(whole))
	s.at.chain = f.sum
	return true, s.take(f, whole[frameHeader:])
}

// take joins the parts of batches and shows them.
func (s *scan) take(f Frame, payload []byte) error {
	switch kind(f.Kind) {
	case kindPart:
		s.parts, s.open = append(s.parts, payload...), true
		return s.visit(f, nil)
	case kindBatch:
		if s.open {
			payload = append(s.parts, payload...)
		}
		s.at.index = f.Index
	}
	if kind(f.Kind) == kindMark || f.Index < s.from {
		payload = nil
	}
	err := s.visit(f, payload)
	s.parts, s.open = s.parts[:0], false
	if cap(s.parts) > windowSize {
		s.parts = nil
	}
	s.end = s.at
	return err
}

// turn goes on to the next segment if its first frame follows the last one read.
func (s *scan) turn() bool {
	n := s.at.segment + 1
	for n < len(s.segments) && s.segments[n].short() {
		n++
	}
	if n == len(s.segments) {
		return false
	}
	s.look(n)
	f, _, ok, err := s.win.frame(segmentHeader, s.segments[n].salt)
	if err != nil || !ok || f.prev != s.at.chain {
		return false
	}
	s.at.segment, s.at.off = n, segmentHeader
	return true
}

// look points the window at a segment.
func (s *scan) look(n int) {
	if seg := s.segments[n]; s.win.r != seg.file {
		s.win = window{r: seg.file, size: seg.size, buf: s.win.buf[:0]}
	}
}

// checkTail looks behind the end for a frame that says that something is missing.
func (s *scan) checkTail() error {
	from := s.at.off
	for n := s.at.segment; n < len(s.segments); n++ {
		seg := s.segments[n]
		if seg.short() {
			continue
		}
		found, off, err := s.search(n, from)
		if err != nil {
			return err
		}
		if found.Synced > s.end.index {
			bad := s.segments[s.at.segment]
			return damage(bad.name, s.at.off, "batch %d is missing or unreadable, although the frame at byte %d of %s says that batches up to %d were safe on disk",
				s.end.index+1, off, seg.name, found.Synced)
		}
		from = segmentHeader
	}
	return nil
}

// search finds the first sound frame at or behind from that says that more was
// synced than what was read; it returns the zero Frame if there is none.
func (s *scan) search(n int, from int64) (Frame, int64, error) {
	seg := s.segments[n]
	s.look(n)
	marker := binary.LittleEndian.AppendUint32(nil, seg.marker)
	for off := from; off < seg.size; {
		chunk, err := s.win.at(off, windowSize)
		if err != nil {
			return Frame{}, 0, err
		}
		i := bytes.Index(chunk, marker)
		if i < 0 {
			off += int64(max(len(chunk)-len(marker)+1, 1))
			continue
		}
		off += int64(i)
		f, whole, ok, err := s.win.frame(off, seg.salt)
		switch {
		case err != nil:
			return Frame{}, 0, err
		case !ok:
			off++
		case f.Synced > s.end.index:
			return f, off, nil
		default:
			off += int64(len(whole))
		}
	}
	return Frame{}, 0, nil
}
