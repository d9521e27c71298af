package wal

import (
	"encoding/binary"
	"hash/crc32"
)

// frameHeader is the length in bytes of what precedes a frame's payload.
const frameHeader = 48

// maxFrame bounds the payload of one frame, in bytes; a longer batch takes several.
const maxFrame = 1 << 30

// kind says what a frame's payload is. A kind that is not known here must be
// understood: the log is then of a newer version.
type kind uint8

const (
	kindBatch kind = iota // a batch, or its last part
	kindPart              // a part of the batch that the next frame goes on with
	kindMark              // nothing: the frame only says how far the log is synced
)

// Frame is the header of one frame.
type Frame struct {
	Index  uint64 // of the batch; of a mark: of the last batch before it
	Term   uint64 // of the entry that carries the batch; 0 in a local log
	Synced uint64 // all batches up to this index were durable when it was written
	Length uint32 // of the payload in bytes
	Kind   uint8  // 0 a batch or its last part, 1 a part, 2 a mark
	run    uint32 // random for each opening of the log
	prev   uint32 // sum of the frame before
	sum    uint32 // CRC32C of the rest of the frame
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// salt tells a segment's frames from those that the file held before, and from
// whatever a client may put into a job.
type salt struct {
	marker uint32 // begins each frame; never 0
	seed   uint32 // of the checksums
}

func newSalt(random uint64) salt {
	return salt{marker: uint32(random) | 1, seed: uint32(random >> 32)}
}

// appendFrame appends a frame to buf. f.Length and f.sum are set.
func appendFrame(buf []byte, s salt, f *Frame, payload []byte) []byte {
	f.Length = uint32(len(payload))
	var h [frameHeader]byte
	le := binary.LittleEndian
	le.PutUint32(h[0:], s.marker)
	le.PutUint32(h[8:], f.prev)
	le.PutUint32(h[12:], f.run)
	le.PutUint64(h[16:], f.Index)
	le.PutUint64(h[24:], f.Term)
	le.PutUint64(h[32:], f.Synced)
	le.PutUint32(h[40:], f.Length)
	h[44] = f.Kind
	start := len(buf)
	buf = append(buf, h[:]...)
	buf = append(buf, payload...)
	f.sum = crc32.Update(s.seed, castagnoli, buf[start+8:])
	le.PutUint32(buf[start+4:], f.sum)
	return buf
}

// parseHeader reads a header; ok says that it may be one. The payload is still to
// be checked.
func parseHeader(h []byte, s salt) (f Frame, ok bool) {
	le := binary.LittleEndian
	if len(h) < frameHeader || le.Uint32(h) != s.marker {
		return f, false
	}
	f = Frame{
		sum:    le.Uint32(h[4:]),
		prev:   le.Uint32(h[8:]),
		run:    le.Uint32(h[12:]),
		Index:  le.Uint64(h[16:]),
		Term:   le.Uint64(h[24:]),
		Synced: le.Uint64(h[32:]),
		Length: le.Uint32(h[40:]),
		Kind:   h[44],
	}
	return f, f.Length <= maxFrame
}

// sound reports whether the bytes of the whole frame are what was written.
func (f *Frame) sound(frame []byte, s salt) bool {
	return crc32.Update(s.seed, castagnoli, frame[8:]) == f.sum
}

// known reports whether this version understands the frame.
func (f *Frame) known(header []byte) bool {
	return f.Kind <= uint8(kindMark) && header[45]|header[46]|header[47] == 0
}
