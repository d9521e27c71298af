package engine

import (
	"io"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// snapshotDue says whether a snapshot is to be taken: enough was logged since the
// last one, or the log needs one to have room again. As much as the last one wrote is enough, so that
// snapshots at most double what is written, whatever jobs there are. mu is held.
func (e *Engine) snapshotDue() bool {
	switch {
	case e.viewing || e.closing:
		return false
	case e.logged > max(e.opts.SnapshotBytes, e.written):
		return true
	}
	return e.logged > 0 && e.log.Room() != RoomForAll && e.state.Now()-e.tried > int64(time.Second)
}

// takeSnapshot waits until nothing is uncommitted, takes a view and has it stored
// in the background. committing is held.
func (e *Engine) takeSnapshot() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holding = true
	if e.state.Pending() > 0 {
		e.endTurn()
	}
	for len(e.flights) > 0 && e.leading {
		e.changed.Wait()
	}
	e.holding = false
	e.changed.Broadcast()
	if e.leading {
		e.startSnapshot()
	}
}

// startSnapshot takes a view, while nothing is uncommitted, and has it stored in
// the background. mu is held.
func (e *Engine) startSnapshot() {
	view := e.state.View()
	logged := e.logged
	e.viewing, e.logged, e.tried = true, 0, e.state.Now()
	e.snapshots.Add(1)
	go e.store(e.index, view, logged)
}

// store writes a snapshot, of the state after logged more bytes, to the log.
func (e *Engine) store(index uint64, v *queue.View, logged int64) {
	defer e.snapshots.Done()
	m := measured{View: v}
	err := e.log.Snapshot(index, &m)
	if err != nil {
		e.opts.Logger.Warn("snapshot not stored; the log grows until one is", "error", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for v.Release() {
		e.mu.Unlock() // requests need not wait for all of it
		e.mu.Lock()
	}
	v.Close(err == nil)
	e.viewing = false
	e.written = m.written
	if err != nil && e.log.Room() != RoomForAll {
		e.logged += logged // the next try is not to wait for as much again
	}
}

// measured is a view that counts the bytes of the sections that are written.
type measured struct {
	View
	written int64
}

// Sections implements View.
func (m *measured) Sections(visit func(key uint64, unchanged bool, write func(io.Writer) error) error) error {
	return m.View.Sections(func(key uint64, unchanged bool, write func(io.Writer) error) error {
		return visit(key, unchanged, func(w io.Writer) error { return write(counter{w, &m.written}) })
	})
}

// counter adds what is written to n.
type counter struct {
	io.Writer
	n *int64
}

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return c.Writer.Write(p)
}
