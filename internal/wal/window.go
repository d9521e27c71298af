package wal

import (
	"errors"
	"io"
)

// windowSize is how much of a file is read at a time, in bytes.
const windowSize = 1 << 20

// window reads a file front to back in large pieces.
type window struct {
	r    io.ReaderAt
	size int64 // of the file
	base int64 // offset of buf in the file
	buf  []byte
}

// at returns n bytes at off, or fewer at the end of the file. They are valid until
// the next call. It never holds more than the file has.
func (w *window) at(off int64, n int) ([]byte, error) {
	if off < 0 || off >= w.size {
		return nil, nil
	}
	n = int(min(int64(n), w.size-off))
	if off < w.base || off+int64(n) > w.base+int64(len(w.buf)) {
		if err := w.fill(off, n); err != nil {
			return nil, err
		}
	}
	start := int(off - w.base)
	return w.buf[start : start+n], nil
}

func (w *window) fill(off int64, n int) error {
	want := int(min(int64(max(n, windowSize)), w.size-off))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.buf, w.base = w.buf[:want], off
	got, err := w.r.ReadAt(w.buf, off)
	if got == want {
		return nil
	}
	w.buf = w.buf[:0]
	if errors.Is(err, io.EOF) { // it shrank while we read
		return io.ErrUnexpectedEOF
	}
	return err
}

// frame returns the frame at off, with its header and payload, if it is sound.
func (w *window) frame(off int64, s salt) (f Frame, whole []byte, ok bool, err error) {
	h, err := w.at(off, frameHeader)
	if err != nil {
		return f, nil, false, err
	}
	f, ok = parseHeader(h, s)
	if !ok || off+frameHeader+int64(f.Length) > w.size {
		return f, nil, false, nil
	}
	whole, err = w.at(off, frameHeader+int(f.Length))
	if err != nil {
		return f, nil, false, err
	}
	return f, whole, f.sound(whole, s), nil
}
