package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/millrace/millrace/internal/vfs"
)

// segmentHeader is the length in bytes of a segment's header. It is a block of its
// own, so that no write of a frame touches it.
const segmentHeader = 4096

const segmentMagic = "MRLOGSEG"

// segment is one file of the log.
type segment struct {
	salt
	number uint64
	name   string // its path
	file   vfs.File
	size   int64 // of the file in bytes; all of it is zeroed or was used before
	// first is the index of the first batch that begins here, chain the sum of the
	// frame before that of the segment's first. They are set once it is in use.
	first uint64
	chain uint32
	// starts are the offsets of the batches that begin here, in a log that is read back.
	starts []uint32
}

func segmentHeaderBlock(number, random uint64) []byte {
	b := make([]byte, segmentHeader)
	copy(b, segmentMagic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], formatVersion)
	le.PutUint64(b[16:], number)
	le.PutUint64(b[24:], random)
	le.PutUint32(b[segmentHeader-4:], crc32.Checksum(b[:segmentHeader-4], castagnoli))
	return b
}

// openSegment opens an existing segment and checks its header. A file that is too
// short for one has lost its end: it holds no frames.
func openSegment(fsys vfs.FS, dir string, number uint64) (*segment, error) {
	s := &segment{number: number, name: fileName(dir, number, logSuffix)}
	f, err := fsys.Open(s.name)
	if err != nil {
		return nil, err
	}
	s.file = f
	if s.size, err = f.Size(); err == nil && s.size >= segmentHeader {
		err = s.readHeader()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func (s *segment) readHeader() error {
	b := make([]byte, segmentHeader)
	if _, err := s.file.ReadAt(b, 0); err != nil {
		return err
	}
	le := binary.LittleEndian
	switch {
	case string(b[:8]) != segmentMagic,
		le.Uint32(b[segmentHeader-4:]) != crc32.Checksum(b[:segmentHeader-4], castagnoli):
		return damage(s.name, 0, "the header's checksum is wrong")
	case le.Uint32(b[8:]) > formatVersion:
		return fmt.Errorf("%s has format %d, and this version reads formats up to %d: start the newer version that wrote it", s.name, le.Uint32(b[8:]), formatVersion)
	case le.Uint64(b[16:]) != s.number:
		return damage(s.name, 16, "it is segment %x under another's name", le.Uint64(b[16:]))
	}
	s.salt = newSalt(le.Uint64(b[24:]))
	return nil
}

// short reports whether the file lost even its header.
func (s *segment) short() bool { return s.size < segmentHeader }

// zeros are written to secure space.
var zeros [256 << 10]byte

// syncEvery is after how many bytes a large file in the making is synced, so that
// its writes do not pile up in front of a commit.
const syncEvery = 1 << 20

// secure fills f from off to size with zeros, durably. Space written once is
// overwritten faster, and cannot be missing later. stop ends it early.
func secure(f vfs.File, off, size int64, stop func() bool) error {
	for unsynced := 0; off < size; {
		if stop() {
			return ErrClosed
		}
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off)
		if err != nil {
			return err
		}
		off += int64(n)
		if unsynced += n; unsynced >= syncEvery {
			if err := f.Sync(); err != nil {
				return err
			}
			unsynced = 0
		}
	}
	return f.Sync()
}
