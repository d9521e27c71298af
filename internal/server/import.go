package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/internal/binlog"
	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// importNote is the file in a data directory that says how far the import of a
// binlog got. It is written before the first job and again after the last, so that
// an import that a crash cut short is done again.
const importNote = "import.txt"

const unfinished = "The import of a beanstalkd binlog is under way.\n"

// importer brings the jobs of a beanstalkd binlog into an engine.
type importer struct {
	from, data string // directories
	log        *slog.Logger
}

// wanted says whether there is something to import. It is called before the log
// is opened, and leaves a note when there is.
func (im importer) wanted() (bool, error) {
	found, err := binlog.Exists(im.from)
	if err != nil || !found {
		return false, err
	}
	path := filepath.Join(im.data, importNote)
	switch note, err := os.ReadFile(path); {
	case err == nil && string(note) == unfinished:
		return true, nil
	case err == nil:
		return false, im.warnOfNewer(path)
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if entries, err := os.ReadDir(im.data); err == nil && len(entries) > 0 {
		im.log.Warn("the binlog is not imported: the data directory has jobs of its own", "binlog", im.from, "data", im.data)
		return false, nil
	}
	if err := os.MkdirAll(im.data, 0o700); err != nil {
		return false, err
	}
	return true, writeDurably(path, unfinished)
}

// warnOfNewer tells of jobs that beanstalkd wrote after the import.
func (im importer) warnOfNewer(note string) error {
	done, err := os.Stat(note)
	if err != nil {
		return err
	}
	newest, err := binlog.Modified(im.from)
	if err != nil {
		return err
	}
	if newest.After(done.ModTime()) {
		im.log.Warn("beanstalkd has written to its binlog since it was imported: those jobs are not here",
			"binlog", im.from, "imported", done.ModTime().Format(time.RFC3339), "written", newest.Format(time.RFC3339))
	}
	return nil
}

// run imports the binlog into e and notes that it is done.
func (im importer) run(e *engine.Engine) error {
	b, err := binlog.Open(im.from)
	if err != nil {
		return fmt.Errorf("cannot read the binlog: %w", err)
	}
	defer b.Close()
	for _, d := range b.Damage {
		im.log.Warn("binlog damaged: the rest of a file is skipped", "file", d.Path, "offset", d.Offset, "skipped_bytes", d.Skipped, "reason", d.Reason)
	}
	counts, err := im.put(e, b)
	if err != nil {
		return fmt.Errorf("cannot import the binlog of %s: %w", im.from, err)
	}
	im.log.Info("binlog imported", "from", im.from, "files", b.Files, "jobs", counts.total(),
		"ready", counts[queue.Ready], "delayed", counts[queue.Delayed], "buried", counts[queue.Buried], "damaged_places", len(b.Damage))
	note := fmt.Sprintf("%d jobs were imported from %d files of beanstalkd's binlog in %s: %d ready, %d delayed, %d buried.\n",
		counts.total(), b.Files, im.from, counts[queue.Ready], counts[queue.Delayed], counts[queue.Buried])
	for _, d := range b.Damage {
		note += d.String() + "\n"
	}
	return writeDurably(filepath.Join(im.data, importNote), note)
}

// phaseCounts are jobs by phase.
type phaseCounts [queue.Buried + 1]int

func (c phaseCounts) total() (n int) {
	for _, jobs := range c {
		n += jobs
	}
	return n
}

func (im importer) put(e *engine.Engine, b *binlog.Backlog) (counts phaseCounts, err error) {
	f := newFeeder(e)
	defer f.close()
	now := time.Now()
	for _, j := range b.Jobs() {
		counts[j.Phase]++
		if err := f.job(b, j, now); err != nil {
			return counts, err
		}
	}
	return counts, f.flush()
}

// feeder sends requests to an engine in turns of bounded size.
type feeder struct {
	port    *engine.Port
	woken   chan struct{}
	session queue.SessionID
	bytes   int // of bodies in this turn
	uploads uint64
}

// feedBytes is how much of bodies goes into one turn.
const feedBytes = 1 << 20

func newFeeder(e *engine.Engine) *feeder {
	f := &feeder{woken: make(chan struct{}, 1)}
	f.port = e.NewPort(func() {
		select {
		case f.woken <- struct{}{}:
		default:
		}
	})
	f.session = f.port.Open(0, netserve.SourceBeanstalk)
	return f
}

func (f *feeder) close() {
	f.port.Do(&queue.Request{Op: queue.OpClose, Session: f.session})
	f.port.Run()
	f.port.Commit()
	f.port.Close()
}

// job sends one job, its body in chunks when it is large.
func (f *feeder) job(b *binlog.Backlog, j *binlog.Job, now time.Time) error {
	r := queue.Request{
		Op: queue.OpImport, ID: queue.JobID(j.ID), Queue: []byte(j.Tube), Pri: j.Pri, Delay: j.Delay, TTR: j.TTR,
		Import: &queue.ImportInfo{
			Phase: j.Phase, Age: max(0, now.Sub(j.Created)),
			Reserves: j.Reserves, Timeouts: j.Timeouts, Releases: j.Releases, Buries: j.Buries, Kicks: j.Kicks,
		},
	}
	if j.Phase == queue.Delayed {
		r.Import.Left = max(0, j.ReadyAt.Sub(now))
	}
	if j.Size <= queue.MaxInlineBody {
		body, err := read(b, j, 0, j.Size)
		if err != nil {
			return err
		}
		r.Body = body
		return f.send(&r)
	}
	f.uploads++
	r.Upload = f.uploads
	for at := int64(0); at < j.Size; at += queue.MaxInlineBody {
		chunk, err := read(b, j, at, min(queue.MaxInlineBody, j.Size-at))
		if err != nil {
			return err
		}
		if err := f.send(&queue.Request{Op: queue.OpChunk, Upload: r.Upload, Body: chunk}); err != nil {
			return err
		}
	}
	return f.send(&r)
}

func read(b *binlog.Backlog, j *binlog.Job, offset, n int64) ([]byte, error) {
	p := make([]byte, n)
	return p, b.Body(j, p, offset)
}

// send queues a request, and ends the turn when it is large enough.
func (f *feeder) send(r *queue.Request) error {
	r.Session = f.session
	f.port.Do(r)
	if f.bytes += len(r.Body) + 100; f.bytes < feedBytes {
		return nil
	}
	return f.flush()
}

// flush ends a turn and waits until the log has it.
func (f *feeder) flush() error {
	f.bytes = 0
	err := f.check(f.port.Run())
	turn := f.port.Commit()
	for err == nil && f.port.Published() < turn {
		<-f.woken
		err = f.check(f.port.Run())
	}
	return err
}

// check finds what went wrong. A bad request is none: all that a scanned job can be
// is a job that an earlier, unfinished import has put already.
func (f *feeder) check(outputs []engine.Output) error {
	for _, o := range outputs {
		switch {
		case o.Lost:
			return queue.ErrUnavailable
		case o.Result.Err != queue.OK && o.Result.Err != queue.ErrBadRequest:
			return o.Result.Err
		}
	}
	return nil
}

// writeDurably replaces a file so that a crash leaves the old text or the new.
func writeDurably(path, text string) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
