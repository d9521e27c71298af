//go:build !linux || (!amd64 && !arm64)

package vfs

// Elsewhere the raw calls are the ordinary ones, and Sync is os.File's, which on
// macOS also empties the drive's cache.

func (f *osFile) RawWriteAt(p []byte, off int64) error {
	_, err := f.WriteAt(p, off)
	return err
}

func (f *osFile) RawSync() error { return f.Sync() }
