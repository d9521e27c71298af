package vfs

import "path/filepath"

// Replace makes name hold data, durably, so that a crash leaves all of it or what
// was there before. tmp is the name the file has while it is written.
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
	if err == nil {
		err = fsys.SyncDir(filepath.Dir(name))
	}
	return err
}
