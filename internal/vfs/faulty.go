package vfs

import "io"

// Op names a file operation for a Faulty.
type Op uint8

// The operations. Raw calls count as the ordinary ones.
const (
	OpCreate Op = iota
	OpOpen
	OpRead
	OpWrite
	OpSync
	OpRename
	OpRemove
	OpList
	OpSyncDir
)

func (o Op) String() string {
	return [...]string{"create", "open", "read", "write", "sync", "rename", "remove", "list", "syncdir"}[o]
}

// Faulty is a file system whose operations first ask Hook. A Hook fails the
// operation by returning an error, stalls it by blocking, and crashes the machine
// by cloning the Mem below. A write that fails has written its first half.
type Faulty struct {
	FS
	Hook func(op Op, name string) error
}

// Create implements FS.
func (f *Faulty) Create(name string) (File, error) {
	if err := f.Hook(OpCreate, name); err != nil {
		return nil, err
	}
	return f.wrap(name)(f.FS.Create(name))
}

// Open implements FS.
func (f *Faulty) Open(name string) (File, error) {
	if err := f.Hook(OpOpen, name); err != nil {
		return nil, err
	}
	return f.wrap(name)(f.FS.Open(name))
}

// Rename implements FS.
func (f *Faulty) Rename(from, to string) error {
	if err := f.Hook(OpRename, from); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if err := f.Hook(OpRemove, name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// List implements FS.
func (f *Faulty) List(dir string) ([]string, error) {
	if err := f.Hook(OpList, dir); err != nil {
		return nil, err
	}
	return f.FS.List(dir)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(dir string) error {
	if err := f.Hook(OpSyncDir, dir); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}

// Lock implements FS; it is no operation of its own.
func (f *Faulty) Lock(name string) (io.Closer, error) { return f.FS.Lock(name) }

func (f *Faulty) wrap(name string) func(File, error) (File, error) {
	return func(file File, err error) (File, error) {
		if err != nil {
			return nil, err
		}
		return &faultyFile{file, f, name}, nil
	}
}

type faultyFile struct {
	File
	fs   *Faulty
	name string
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.Hook(OpRead, f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.Hook(OpWrite, f.name); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.Hook(OpSync, f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultyFile) RawWriteAt(p []byte, off int64) error {
	_, err := f.WriteAt(p, off)
	return err
}

func (f *faultyFile) RawSync() error { return f.Sync() }
