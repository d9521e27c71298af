package vfs

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"syscall"
)

// blockSize is what a Mem with a capacity allocates at a time, in bytes.
const blockSize = 4096

// Mem is a file system in memory that knows what of it would survive a crash. It
// is safe for use by several goroutines.
type Mem struct {
	mu       sync.Mutex
	dirs     map[string]*memDir
	locks    map[string]bool
	capacity int64 // bytes; 0: no limit
}

// memDir is a directory: its entries, those that are durable, and the changes in
// between, oldest first.
type memDir struct {
	entries, durable map[string]*memFile
	pending          []dirChange
}

// dirChange is one atomic change: name now means file (nil: nothing), and gone, if
// not empty, has no entry any more.
type dirChange struct {
	name string
	file *memFile
	gone string
}

// memFile is the content of a file: now, what is durable, and the writes in between.
type memFile struct {
	fs            *Mem
	name          string
	data, durable []byte
	pending       []memWrite
}

type memWrite struct {
	off  int64
	data []byte
}

// NewMem makes an empty file system without a limit.
func NewMem() *Mem {
	return &Mem{dirs: map[string]*memDir{}, locks: map[string]bool{}}
}

// SetCapacity limits the file system to so many bytes, counted in blocks of 4 KiB;
// 0 lifts the limit. What is there stays.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used is what the files take, in bytes, counted in blocks of 4 KiB.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used()
}

func (m *Mem) used() int64 {
	var n int64
	for _, d := range m.dirs {
		for _, f := range d.entries {
			n += blocks(int64(len(f.data)))
		}
	}
	return n
}

func blocks(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }

func (m *Mem) dir(name string) (*memDir, error) {
	if d := m.dirs[filepath.Clean(name)]; d != nil {
		return d, nil
	}
	return nil, pathErr("open", name, fs.ErrNotExist)
}

func (d *memDir) change(c dirChange) {
	c.apply(d.entries)
	d.pending = append(d.pending, c)
}

func (c dirChange) apply(entries map[string]*memFile) {
	if c.file != nil {
		entries[c.name] = c.file
	}
	if c.gone != "" {
		delete(entries, c.gone)
	}
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	f := &memFile{fs: m, name: name}
	d.change(dirChange{name: filepath.Base(name), file: f})
	return f, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find("open", name)
}

func (m *Mem) find(op, name string) (*memFile, error) {
	d, err := m.dir(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	f := d.entries[filepath.Base(name)]
	if f == nil {
		return nil, pathErr(op, name, fs.ErrNotExist)
	}
	return f, nil
}

// Rename implements FS.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find("rename", from)
	if err != nil {
		return err
	}
	m.dirs[filepath.Dir(from)].change(dirChange{filepath.Base(to), f, filepath.Base(from)})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find("remove", name); err != nil {
		return err
	}
	m.dirs[filepath.Dir(name)].change(dirChange{gone: filepath.Base(name)})
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range d.entries {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

// MkdirAll implements FS. A directory itself is durable at once.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if m.dirs[dir] == nil {
			m.dirs[dir] = &memDir{entries: map[string]*memFile{}, durable: map[string]*memFile{}}
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(dir)
	if err != nil {
		return err
	}
	for _, c := range d.pending {
		c.apply(d.durable)
	}
	d.pending = nil
	return nil
}

// Lock implements FS; "processes" are the callers of one Mem.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, ErrLocked
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

type memLock struct {
	fs   *Mem
	name string
}

func (l memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}

// ReadFile returns a copy of what name holds.
func (m *Mem) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find("read", name)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), f.data...), nil
}

// WriteFile makes name durably hold data, past every limit: the way to damage or
// truncate a file.
func (m *Mem) WriteFile(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(filepath.Dir(name))
	if err != nil {
		return err
	}
	f := &memFile{fs: m, name: name, data: append([]byte(nil), data...), durable: append([]byte(nil), data...)}
	d.entries[filepath.Base(name)], d.durable[filepath.Base(name)] = f, f
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	var full error
	if p, full = f.admit(p, off); len(p) > 0 {
		f.data = put(f.data, p, off)
		f.pending = append(f.pending, memWrite{off, append([]byte(nil), p...)})
	}
	return len(p), full
}

// admit cuts a write to what the capacity allows.
func (f *memFile) admit(p []byte, off int64) ([]byte, error) {
	have := int64(len(f.data))
	if f.fs.capacity == 0 || off+int64(len(p)) <= blocks(have) {
		return p, nil
	}
	limit := blocks(have) + max(0, (f.fs.capacity-f.fs.used())/blockSize*blockSize)
	if off+int64(len(p)) <= limit {
		return p, nil
	}
	return p[:min(int64(len(p)), max(0, limit-off))], pathErr("write", f.name, syscall.ENOSPC)
}

func put(data, p []byte, off int64) []byte {
	if need := int(off) + len(p); need > len(data) {
		data = append(data, make([]byte, need-len(data))...)
	}
	copy(data[off:], p)
	return data
}

func (f *memFile) RawWriteAt(p []byte, off int64) error {
	_, err := f.WriteAt(p, off)
	return err
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	for _, w := range f.pending {
		f.durable = put(f.durable, w.data, w.off)
	}
	f.pending = nil
	return nil
}

func (f *memFile) RawSync() error { return f.Sync() }

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *memFile) Close() error { return nil }

func pathErr(op, name string, err error) error {
	return &os.PathError{Op: op, Path: name, Err: err}
}
