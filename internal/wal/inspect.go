package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/millrace/millrace/internal/vfs"
)

// Verify reads all of the log in dir, changes nothing, and reports to w. The error
// is the first damage, if there is any.
func Verify(fsys vfs.FS, dir string, w io.Writer) error {
	return inspect(fsys, dir, func(r *reader) error {
		if err := verifySnapshot(fsys, r, w); err != nil {
			return err
		}
		var batches, bytes uint64
		end, err := r.batches(func(f Frame, batch []byte) error {
			if batch != nil {
				batches++
			}
			bytes += uint64(f.Length)
			return nil
		})
		fmt.Fprintf(w, "log: %d segments, %d batches, %d bytes, up to batch %d\n", len(r.segments), batches, bytes, end.index)
		return err
	})
}

func verifySnapshot(fsys vfs.FS, r *reader, w io.Writer) error {
	if r.snap == nil {
		fmt.Fprintln(w, "snapshot: none")
		return nil
	}
	sections := newSectionReader(fsys, r.dir, r.snap.entries)
	defer sections.close()
	var bytes int64
	for {
		_, section, err := sections.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, section)
		if err != nil {
			return err
		}
		bytes += n
	}
	fmt.Fprintf(w, "snapshot: after batch %d, %d sections, %d bytes in %d files\n",
		r.snap.index, len(r.snap.entries), bytes, len(r.snap.live()))
	return nil
}

// Dump visits the frames of the log in dir that a restart would read, and changes
// nothing. batch is that of a frame that ends one, else nil, and valid during the
// call. Batches that are in the snapshot may come first.
func Dump(fsys vfs.FS, dir string, visit func(f Frame, batch []byte) error) error {
	return inspect(fsys, dir, func(r *reader) error {
		_, err := r.batches(visit)
		return err
	})
}

func inspect(fsys vfs.FS, dir string, look func(*reader) error) error {
	if _, err := checkFormat(fsys, dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s holds no log", dir)
		}
		return err
	}
	lock, err := lockDir(fsys, dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	c, err := list(fsys, dir)
	if err != nil {
		return err
	}
	r, err := openReader(fsys, dir, c)
	if err != nil {
		return err
	}
	defer r.close()
	if len(r.segments) == 0 {
		return nil
	}
	return look(r)
}
