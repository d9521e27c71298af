// Package vfs is the few file operations that the log needs, so that its tests
// can run over disks that lose power, fill up, fail and stall.
package vfs

import (
	"errors"
	"io"
	"syscall"
)

// FS is a file system. Names are paths with the system's separator.
type FS interface {
	// Create makes an empty file, replacing one of that name, open for reading and
	// writing. Only its owner may read it.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Rename gives a file another name in the same directory, replacing what had it.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(name string) error
	// List returns the names, without the directory, of the files in dir, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory that only its owner may enter, and its parents.
	MkdirAll(dir string) error
	// SyncDir makes the creations, renames and removals in dir durable.
	SyncDir(dir string) error
	// Lock creates the file if needed and holds it until it is closed or the process
	// ends. The error is ErrLocked while another process holds it.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the length in bytes.
	Size() (int64, error)
	// Sync makes the file's data, and what is needed to read it back, durable
	// (fdatasync). After an error the state of what was written is unknown.
	Sync() error
	// RawWriteAt and RawSync are WriteAt and Sync without telling Go's scheduler,
	// which saves it from moving other goroutines away and back again. A raw call
	// that blocks for long freezes the process as soon as the garbage collector wants
	// to stop it: use them only where the disk has lately answered in microseconds.
	RawWriteAt(p []byte, off int64) error
	RawSync() error
}

// ErrLocked is the error of Lock for a file that another process holds.
var ErrLocked = errors.New("held by another process")

// IsNoSpace reports whether err says that the disk, or the owner's share of it, is
// full, and that nothing was changed.
func IsNoSpace(err error) bool {
	if errors.As(err, new(unsettled)) {
		return false
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
