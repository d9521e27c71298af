//go:build linux && (amd64 || arm64)

package vfs

import (
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

func (f *osFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.fd))
		if err != syscall.EINTR { // a signal came before the sync began
			runtime.KeepAlive(f)
			return pathError("fdatasync", f.Name(), err)
		}
	}
}

func (f *osFile) RawWriteAt(p []byte, off int64) error {
	for len(p) > 0 {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_PWRITE64, f.fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(off), 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno != 0:
			return pathError("pwrite", f.Name(), errno)
		case n == 0:
			return pathError("pwrite", f.Name(), io.ErrShortWrite)
		default:
			p, off = p[n:], off+int64(n)
		}
	}
	runtime.KeepAlive(f)
	return nil
}

func (f *osFile) RawSync() error {
	for {
		_, _, errno := syscall.RawSyscall(syscall.SYS_FDATASYNC, f.fd, 0, 0)
		switch errno {
		case 0:
			runtime.KeepAlive(f)
			return nil
		case syscall.EINTR:
		default:
			return pathError("fdatasync", f.Name(), errno)
		}
	}
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}
