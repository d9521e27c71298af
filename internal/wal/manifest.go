package wal

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/millrace/millrace/internal/vfs"
)

const (
	manifestMagic  = "MRSNAPSH"
	manifestHeader = 48 // bytes
	entrySize      = 36 // bytes
)

// manifest says what a snapshot consists of.
type manifest struct {
	number  uint64 // of the snapshot, in its file's name
	index   uint64 // of the last batch in it
	segment uint64 // where the batch after it is, or will be
	first   uint64 // that segment's, and so is
	chain   uint32
	entries []entry // ascending by key
}

// entry is a section: where its blocks are.
type entry struct {
	key    uint64
	data   uint64 // number of the data file
	off    int64  // in bytes
	length int64  // in bytes, with the blocks' headers
	sum    uint32 // of the last block, chained from those before it
}

func (m *manifest) encode() []byte {
	b := make([]byte, manifestHeader, manifestHeader+len(m.entries)*entrySize+4)
	le := binary.LittleEndian
	copy(b, manifestMagic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint32(b[12:], m.chain)
	le.PutUint64(b[16:], m.index)
	le.PutUint64(b[24:], m.segment)
	le.PutUint64(b[32:], m.first)
	le.PutUint64(b[40:], m.number)
	for _, e := range m.entries {
		b = le.AppendUint64(b, e.key)
		b = le.AppendUint64(b, e.data)
		b = le.AppendUint64(b, uint64(e.off))
		b = le.AppendUint64(b, uint64(e.length))
		b = le.AppendUint32(b, e.sum)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func readManifest(fsys vfs.FS, dir string, number uint64) (*manifest, error) {
	name := fileName(dir, number, snapSuffix)
	b, err := readFile(fsys, name, 1<<32)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	end := len(b) - 4
	switch {
	case end < manifestHeader, (end-manifestHeader)%entrySize != 0, string(b[:8]) != manifestMagic,
		le.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli):
		return nil, damage(name, 0, "the manifest's checksum is wrong")
	case le.Uint32(b[8:]) > formatVersion:
		return nil, fmt.Errorf("%s has format %d, and this version reads formats up to %d: start the newer version that wrote it", name, le.Uint32(b[8:]), formatVersion)
	case le.Uint64(b[40:]) != number:
		return nil, damage(name, 40, "it is manifest %x under another's name", le.Uint64(b[40:]))
	}
	m := &manifest{number: number, chain: le.Uint32(b[12:]), index: le.Uint64(b[16:]), segment: le.Uint64(b[24:]), first: le.Uint64(b[32:])}
	for b = b[manifestHeader:end]; len(b) > 0; b = b[entrySize:] {
		m.entries = append(m.entries, entry{
			key:    le.Uint64(b),
			data:   le.Uint64(b[8:]),
			off:    int64(le.Uint64(b[16:])),
			length: int64(le.Uint64(b[24:])),
			sum:    le.Uint32(b[32:]),
		})
	}
	return m, nil
}

// find returns the section with the given key. m may be nil.
func (m *manifest) find(key uint64) (entry, bool) {
	if m == nil {
		return entry{}, false
	}
	i, ok := slices.BinarySearchFunc(m.entries, key, func(e entry, key uint64) int { return cmp.Compare(e.key, key) })
	if !ok {
		return entry{}, false
	}
	return m.entries[i], true
}

// live is how many bytes of each data file the manifest refers to. m may be nil.
func (m *manifest) live() map[uint64]int64 {
	sums := map[uint64]int64{}
	if m != nil {
		for _, e := range m.entries {
			sums[e.data] += e.length
		}
	}
	return sums
}
