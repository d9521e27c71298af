package wal

import (
	"errors"
	"fmt"
)

// ErrClosed is what a log answers after Close.
var ErrClosed = errors.New("the log is closed")

// DamageError says that a file holds something else than what was synced to it.
// Nothing is changed when it is found.
type DamageError struct {
	File   string // its path
	Offset int64  // in bytes, of the first thing that is wrong
	What   string // what is wrong
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s; nothing was changed: restore the directory from a backup, and check the disk ('millrace log verify' shows what can be read)",
		e.File, e.Offset, e.What)
}

func damage(file string, offset int64, format string, args ...any) error {
	return &DamageError{file, offset, fmt.Sprintf(format, args...)}
}
