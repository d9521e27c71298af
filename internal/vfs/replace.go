package vfs

import "path/filepath"

// Replace makes name hold data, durably, so that a crash leaves all of it or what
// was there before. tmp is the name the file has while it is written. After an error
// that IsNoSpace, name holds what it did; after another, that is unknown.
func Replace(fsys FS, name, tmp string, data []byte) error {
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	f.Close()
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		return err
	}
	if err := fsys.SyncDir(filepath.Dir(name)); err != nil {
		return unsettled{err}
	}
	return nil
}

// unsettled is the error of a change that may have happened: whatever the cause,
// space would not cure it.
type unsettled struct{ error }

// Unwrap returns the cause.
func (u unsettled) Unwrap() error { return u.error }
