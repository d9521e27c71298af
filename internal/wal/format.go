package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/vfs"
)

// Names in the directory of a log. Other files there are nobody's business.
const (
	lockName    = "lock"
	formatName  = "format"
	reserveName = "reserve"
	logSuffix   = ".log"  // a segment
	snapSuffix  = ".snap" // the manifest of a snapshot
	dataSuffix  = ".data" // sections of snapshots
	tmpSuffix   = ".tmp"  // a segment that is not finished; never read
	snapTmp     = ".new"  // a manifest that is not finished; never read
)

// formatVersion is the newest layout of the directory that this version reads, and
// the one it writes. History: 1 is the first.
const formatVersion = 1

// A directory says what kind of log it holds, so that none is read as the other.
const (
	formatLine           = "millrace log "
	replicatedFormatLine = "millrace replicated log "
)

func fileName(dir string, number uint64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, suffix))
}

// contents are the numbers of a directory's files by kind, ascending.
type contents struct {
	segments, manifests, data []uint64
	unfinished                []string
}

func list(fsys vfs.FS, dir string) (c contents, err error) {
	names, err := fsys.List(dir)
	if err != nil {
		return c, err
	}
	for _, name := range names {
		stem, suffix := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
		number, err := strconv.ParseUint(stem, 16, 64)
		if err != nil || len(stem) != 16 {
			if suffix == tmpSuffix && stem == formatName {
				c.unfinished = append(c.unfinished, name)
			}
			continue
		}
		switch suffix {
		case logSuffix:
			c.segments = append(c.segments, number)
		case snapSuffix:
			c.manifests = append(c.manifests, number)
		case dataSuffix:
			c.data = append(c.data, number)
		case tmpSuffix, snapTmp:
			c.unfinished = append(c.unfinished, name)
		}
	}
	slices.Sort(c.segments)
	slices.Sort(c.manifests)
	slices.Sort(c.data)
	return c, nil
}

// checkFormat refuses a directory of a format that this version cannot read, and
// reports whether its log is a replicated one. The error is fs.ErrNotExist for a
// directory that holds no log.
func checkFormat(fsys vfs.FS, dir string) (replicated bool, err error) {
	name := filepath.Join(dir, formatName)
	text, err := readFile(fsys, name, 256)
	if errors.Is(err, fs.ErrNotExist) {
		if c, lerr := list(fsys, dir); lerr == nil && len(c.segments)+len(c.manifests) > 0 {
			return false, fmt.Errorf("%s is missing, though %s holds a log: restore the file from a backup", name, dir)
		}
	}
	if err != nil {
		return false, err
	}
	number, replicated := strings.CutPrefix(string(text), replicatedFormatLine)
	number, local := strings.CutPrefix(number, formatLine)
	version, err := strconv.Atoi(strings.TrimSuffix(number, "\n"))
	switch {
	case replicated == local || err != nil || version < 1:
		return false, damage(name, 0, "it does not name a format")
	case version > formatVersion:
		return false, fmt.Errorf("the log in %s has format %d, and this version reads formats up to %d: start the newer version that wrote it, or choose another directory",
			dir, version, formatVersion)
	}
	return replicated, nil
}

// writeFormat makes dir a log's directory.
func writeFormat(fsys vfs.FS, dir string, replicated bool) error {
	line := formatLine
	if replicated {
		line = replicatedFormatLine
	}
	return vfs.Replace(fsys, filepath.Join(dir, formatName), filepath.Join(dir, formatName+tmpSuffix),
		fmt.Appendf(nil, "%s%d\n", line, formatVersion))
}

// readFile reads a file of at most limit bytes.
func readFile(fsys vfs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, limit))
}

func fileSize(fsys vfs.FS, name string) (int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size()
}
