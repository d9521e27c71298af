package replica

import (
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"

	"github.com/millrace/millrace/internal/wal"
)

// A snapshot goes to another node as a stream:
//
//	"MRSTREAM", version u32, number of sections u32,
//	for each section: key u64, length u64, its bytes, CRC32C of all that u32
//
// The section that says what the snapshot is of is not among them: raft's message
// does.
const (
	streamMagic   = "MRSTREAM"
	streamVersion = 1
	streamHeader  = 16 // bytes
	sectionHeader = 16
	sectionSum    = 4
)

var errStream = errors.New("replica: the snapshot that another node sent is damaged or of a newer version")

// streamSize is the length of the stream in bytes.
func streamSize(stored *wal.Stored) int64 {
	size := int64(streamHeader)
	stored.Sections(func(key uint64, length int64) {
		if key != metaKey {
			size += sectionHeader + length + sectionSum
		}
	})
	return size
}

func writeStream(w io.Writer, stored *wal.Stored) error {
	lengths := map[uint64]int64{}
	stored.Sections(func(key uint64, length int64) {
		if key != metaKey {
			lengths[key] = length
		}
	})
	head := append([]byte(nil), streamMagic...)
	head = binary.LittleEndian.AppendUint32(head, streamVersion)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(lengths)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	in := sections{stored}
	for {
		key, section, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = writeSection(w, key, lengths[key], section)
		}
		if err != nil {
			return err
		}
	}
}

func writeSection(w io.Writer, key uint64, length int64, section io.Reader) error {
	sum := crc32.New(castagnoli)
	w = io.MultiWriter(w, sum)
	head := binary.LittleEndian.AppendUint64(nil, key)
	head = binary.LittleEndian.AppendUint64(head, uint64(length))
	if _, err := w.Write(head); err != nil {
		return err
	}
	if _, err := io.Copy(w, section); err != nil {
		return err
	}
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

// stream is a snapshot as it comes in. It implements engine.View.
type stream struct{ r io.Reader }

// Sections implements engine.View.
func (s stream) Sections(visit func(uint64, bool, func(io.Writer) error) error) error {
	head := make([]byte, streamHeader)
	if _, err := io.ReadFull(s.r, head); err != nil {
		return err
	}
	le := binary.LittleEndian
	if string(head[:8]) != streamMagic || le.Uint32(head[8:]) != streamVersion {
		return errStream
	}
	for range le.Uint32(head[12:]) {
		if err := s.section(visit); err != nil {
			return err
		}
	}
	return nil
}

func (s stream) section(visit func(uint64, bool, func(io.Writer) error) error) error {
	sum := crc32.New(castagnoli)
	in := io.TeeReader(s.r, sum)
	head := make([]byte, sectionHeader)
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	key, length := binary.LittleEndian.Uint64(head), int64(binary.LittleEndian.Uint64(head[8:]))
	if key == metaKey || length < 0 {
		return errStream
	}
	return visit(key, false, func(w io.Writer) error {
		if _, err := io.CopyN(w, in, length); err != nil {
			return err
		}
		return s.checkSum(sum)
	})
}

// checkSum compares a section's checksum before the section counts as stored.
func (s stream) checkSum(sum hash.Hash32) error {
	b := make([]byte, sectionSum)
	if _, err := io.ReadFull(s.r, b); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b) != sum.Sum32() {
		return errStream
	}
	return nil
}
