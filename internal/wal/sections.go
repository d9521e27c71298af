package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/millrace/millrace/internal/vfs"
)

const (
	dataMagic   = "MRSNDATA"
	dataHeader  = 32 // bytes
	blockHeader = 8  // bytes
	maxBlock    = 64 << 10
	lastBlock   = 1 << 31 // flag in a block's length: the section ends with it
)

// A section is written as blocks, each with a checksum chained from the block
// before, so that it can be streamed and nothing unchecked is ever handed on.

func sectionSeed(data, key uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], data)
	binary.LittleEndian.PutUint64(b[8:], key)
	return crc32.Checksum(b[:], castagnoli)
}

func dataHeaderBlock(number uint64) []byte {
	b := make([]byte, dataHeader)
	copy(b, dataMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	binary.LittleEndian.PutUint64(b[16:], number)
	binary.LittleEndian.PutUint32(b[dataHeader-4:], crc32.Checksum(b[:dataHeader-4], castagnoli))
	return b
}

func checkDataHeader(b []byte, name string, number uint64) error {
	le := binary.LittleEndian
	switch {
	case len(b) < dataHeader || string(b[:8]) != dataMagic ||
		le.Uint32(b[dataHeader-4:]) != crc32.Checksum(b[:dataHeader-4], castagnoli):
		return damage(name, 0, "the header's checksum is wrong")
	case le.Uint32(b[8:]) > formatVersion:
		return fmt.Errorf("%s has format %d, and this version reads formats up to %d: start the newer version that wrote it", name, le.Uint32(b[8:]), formatVersion)
	case le.Uint64(b[16:]) != number:
		return damage(name, 16, "it is data file %x under another's name", le.Uint64(b[16:]))
	}
	return nil
}

// sectionWriter writes sections to a data file, one after the other.
type sectionWriter struct {
	write    func(p []byte, off int64) error
	sync     func() error
	off      int64 // of the next block
	unsynced int64 // bytes
	sum      uint32
	block    []byte // header and payload of the block being filled
	err      error  // of the file; final
}

// begin starts the section of the given entry.
func (w *sectionWriter) begin(e *entry) {
	e.off = w.off
	w.sum = sectionSeed(e.data, e.key)
	w.block = append(w.block[:0], make([]byte, blockHeader)...)
}

// Write implements io.Writer.
func (w *sectionWriter) Write(p []byte) (int, error) {
	for done := 0; ; {
		n := min(len(p)-done, maxBlock+blockHeader-len(w.block))
		w.block = append(w.block, p[done:done+n]...)
		if done += n; done == len(p) {
			return done, w.err
		}
		if w.flush(0); w.err != nil {
			return done, w.err
		}
	}
}

// end finishes the section begun with e.
func (w *sectionWriter) end(e *entry) error {
	w.flush(lastBlock)
	e.length, e.sum = w.off-e.off, w.sum
	return w.err
}

func (w *sectionWriter) flush(flag uint32) {
	if w.err != nil {
		return
	}
	le := binary.LittleEndian
	le.PutUint32(w.block, uint32(len(w.block)-blockHeader)|flag)
	le.PutUint32(w.block[4:], 0)
	w.sum = crc32.Update(w.sum, castagnoli, w.block)
	le.PutUint32(w.block[4:], w.sum)
	w.err = w.write(w.block, w.off)
	w.off += int64(len(w.block))
	w.unsynced += int64(len(w.block))
	if w.err == nil && w.unsynced >= syncEvery {
		w.err = w.sync()
		w.unsynced = 0
	}
	w.block = w.block[:blockHeader]
}

// sectionReader reads the sections of a manifest. It implements
// engine.SnapshotReader.
type sectionReader struct {
	fs    vfs.FS
	dir   string
	rest  []entry // sections to come
	files map[uint64]*dataFile
}

type dataFile struct {
	name string
	file vfs.File
	win  window
}

func newSectionReader(fsys vfs.FS, dir string, entries []entry) *sectionReader {
	return &sectionReader{fs: fsys, dir: dir, rest: entries, files: map[uint64]*dataFile{}}
}

// Next implements engine.SnapshotReader.
func (r *sectionReader) Next() (uint64, io.Reader, error) {
	if len(r.rest) == 0 {
		return 0, nil, io.EOF
	}
	e := r.rest[0]
	r.rest = r.rest[1:]
	f, err := r.open(e.data)
	if err != nil {
		return 0, nil, err
	}
	return e.key, &blockReader{f: f, e: e, off: e.off, sum: sectionSeed(e.data, e.key)}, nil
}

func (r *sectionReader) open(number uint64) (*dataFile, error) {
	if f := r.files[number]; f != nil {
		return f, nil
	}
	name := fileName(r.dir, number, dataSuffix)
	file, err := r.fs.Open(name)
	if err != nil {
		return nil, err
	}
	f := &dataFile{name: name, file: file}
	r.files[number] = f
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	f.win = window{r: file, size: size}
	b, err := f.win.at(0, dataHeader)
	if err != nil {
		return nil, err
	}
	return f, checkDataHeader(b, name, number)
}

func (r *sectionReader) close() {
	for _, f := range r.files {
		f.file.Close()
	}
}

// blockReader reads one section.
type blockReader struct {
	f    *dataFile
	e    entry
	off  int64
	sum  uint32
	have []byte // checked, not yet read
	last bool
}

// Read implements io.Reader.
func (r *blockReader) Read(p []byte) (int, error) {
	for len(r.have) == 0 {
		if r.last {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.have)
	r.have = r.have[n:]
	return n, nil
}

// next checks the next block before any of it is handed on.
func (r *blockReader) next() error {
	h, err := r.f.win.at(r.off, blockHeader)
	if err != nil {
		return err
	}
	if len(h) < blockHeader {
		return r.damaged()
	}
	le := binary.LittleEndian
	length, sum := le.Uint32(h), le.Uint32(h[4:])
	r.last = length&lastBlock != 0
	length &^= lastBlock
	if length > maxBlock {
		return r.damaged()
	}
	b, err := r.f.win.at(r.off, blockHeader+int(length))
	if err != nil {
		return err
	}
	r.sum = crc32.Update(r.sum, castagnoli, b[:min(4, len(b))])
	r.sum = crc32.Update(r.sum, castagnoli, zeros[:4])
	r.sum = crc32.Update(r.sum, castagnoli, b[min(blockHeader, len(b)):])
	if len(b) < blockHeader+int(length) || r.sum != sum {
		return r.damaged()
	}
	r.off += int64(len(b))
	if r.last && (r.sum != r.e.sum || r.off-r.e.off != r.e.length) || !r.last && r.off-r.e.off >= r.e.length {
		return r.damaged()
	}
	r.have = b[blockHeader:]
	return nil
}

func (r *blockReader) damaged() error {
	return damage(r.f.name, r.off, "section %x of the snapshot is not what was written", r.e.key)
}
