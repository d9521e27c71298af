package binlog

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// Backlog is the jobs that a directory's binlog holds. Close gives back its files.
type Backlog struct {
	Files  int
	Damage []Damage

	files  []*os.File
	jobs   map[uint64]*Job
	buries uint64
}

// Damage is a place where a file could not be read on. As in beanstalkd, what
// follows it in that file is not looked at; the files after it are.
type Damage struct {
	Path    string
	Offset  int64 // of the record that cannot be read
	Skipped int64 // bytes from there to the end of the file
	Reason  error
}

func (d Damage) String() string {
	return fmt.Sprintf("%s: damaged at byte %d, %d bytes skipped: %v", d.Path, d.Offset, d.Skipped, d.Reason)
}

// Exists says whether dir holds a binlog.
func Exists(dir string) (bool, error) {
	paths, err := list(dir)
	return len(paths) > 0, err
}

// list returns the paths of the binlog files of dir, the oldest first.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	numbers := []int{}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "binlog.")
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 0 && strconv.Itoa(n) == digits {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var paths []string
	for _, n := range numbers {
		paths = append(paths, filepath.Join(dir, "binlog."+strconv.Itoa(n)))
	}
	return paths, nil
}

// Open reads the binlog of dir. Errors are those of the file system; damage is
// not one, and is listed in the Backlog.
func Open(dir string) (*Backlog, error) {
	paths, err := list(dir)
	if err != nil {
		return nil, err
	}
	b := &Backlog{Files: len(paths), jobs: map[uint64]*Job{}}
	for i, path := range paths {
		if err := b.openFile(i, path); err != nil {
			b.Close()
			return nil, err
		}
	}
	return b, nil
}

func (b *Backlog) openFile(i int, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	b.files = append(b.files, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	offset, reason := b.scan(i, f)
	if reason == nil {
		return nil
	}
	if _, isIO := reason.(*os.PathError); isIO {
		return reason
	}
	// Zeros to the end lost no job: a file is filled with them when it is made,
	// before the version is written.
	if blank(f, offset) {
		return nil
	}
	b.Damage = append(b.Damage, Damage{Path: path, Offset: offset, Skipped: info.Size() - offset, Reason: reason})
	return nil
}

// blank says whether a file holds only zeros from offset at on.
func blank(f *os.File, at int64) bool {
	buf := make([]byte, 64<<10)
	for {
		n, err := f.ReadAt(buf, at)
		if strings.Trim(string(buf[:n]), "\x00") != "" {
			return false
		}
		if err != nil {
			return err == io.EOF
		}
		at += int64(n)
	}
}

// add takes a record with a name and a body: a new job, or one moved on from an
// earlier file.
func (b *Backlog) add(r jobRecord) error {
	if r.state == stateInvalid {
		delete(b.jobs, r.job.ID)
		return nil
	}
	var err error
	if r.job.Phase, err = phase(r.state); err != nil {
		delete(b.jobs, r.job.ID)
		return err
	}
	if r.job.ID > maxID {
		return fmt.Errorf("job id %d is beyond what a server counts to", r.job.ID)
	}
	b.noteBuried(&r.job, b.jobs[r.job.ID])
	b.jobs[r.job.ID] = &r.job
	return nil
}

// update takes a record without a name. A job that is not known was deleted, or
// has moved on to a later file.
func (b *Backlog) update(r jobRecord) error {
	old := b.jobs[r.job.ID]
	if old == nil {
		return nil
	}
	r.job.Tube, r.job.file, r.job.offset = old.Tube, old.file, old.offset
	if r.state != stateInvalid && r.job.Size != old.Size {
		delete(b.jobs, r.job.ID)
		return fmt.Errorf("job %d: its size changes from %d to %d", r.job.ID, old.Size, r.job.Size)
	}
	return b.add(r)
}

// noteBuried keeps the order in which jobs were buried, in which they are kicked.
func (b *Backlog) noteBuried(j, before *Job) {
	if j.Phase != queue.Buried {
		return
	}
	if before != nil && before.Phase == queue.Buried && before.Buries == j.Buries {
		j.buried = before.buried
		return
	}
	b.buries++
	j.buried = b.buries
}

// Jobs returns the jobs in the order to put them in: by id, then the buried ones
// in the order of their burial.
func (b *Backlog) Jobs() []*Job {
	jobs := make([]*Job, 0, len(b.jobs))
	for _, j := range b.jobs {
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(x, y *Job) int {
		return cmp.Or(cmp.Compare(x.buried, y.buried), cmp.Compare(x.ID, y.ID))
	})
	return jobs
}

// Body reads the bytes of j's body from offset on into p, as io.ReaderAt does.
func (b *Backlog) Body(j *Job, p []byte, offset int64) error {
	if _, err := b.files[j.file].ReadAt(p, j.offset+offset); err != nil {
		return fmt.Errorf("reading the body of job %d from %s: %w", j.ID, b.files[j.file].Name(), err)
	}
	return nil
}

// Close closes the files.
func (b *Backlog) Close() {
	for _, f := range b.files {
		f.Close()
	}
}

// Modified is when a file of the binlog of dir was last written.
func Modified(dir string) (newest time.Time, err error) {
	paths, err := list(dir)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return newest, err
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest, err
}
