package server

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockFile holds the file at path, which it makes if need be, until the result is
// closed. It is a record lock, as beanstalkd's: locks of other kinds do not see it.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	err = syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		err = errors.New("another server uses it: stop that one first")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
