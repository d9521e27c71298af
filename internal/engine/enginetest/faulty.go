package enginetest

import (
	"bytes"
	"io"
	"sync"

	"github.com/millrace/millrace/internal/engine"
)

// Faulty is a log in memory that does on command what a replicated log may do: it
// answers late, refuses a batch and takes the next, commits what it reported as
// lost, carries a batch of a leader that was, loses the leadership and gets it
// back.
type Faulty struct {
	calls chan func() // to the machine, one at a time
	done  chan struct{}

	mu       sync.Mutex
	m        engine.Machine
	term     uint64
	entries  []entry
	held     bool
	waiting  [][]byte // appended while held
	dropNext int      // batches that will not be appended
	snapshot *stored
}

type entry struct {
	term  uint64
	batch []byte
}

type stored struct {
	index    uint64
	keys     []uint64
	sections map[uint64][]byte
}

// NewFaulty returns an empty log. It may be opened again after Close.
func NewFaulty() *Faulty { return &Faulty{} }

// Open implements engine.Log.
func (f *Faulty) Open(m engine.Machine) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m, f.held, f.waiting = m, false, nil
	f.calls, f.done = make(chan func(), 1024), make(chan struct{})
	calls, done := f.calls, f.done
	go func() {
		defer close(done)
		for call := range calls {
			call()
		}
	}()
	if err := f.replay(); err != nil {
		return err
	}
	f.term++
	term := f.term
	f.calls <- func() { m.Lead(term) }
	return nil
}

// replay hands over what is committed. mu is held.
func (f *Faulty) replay() error {
	var from uint64
	if f.snapshot != nil {
		from = f.snapshot.index
		if err := f.m.Restore(&reader{s: f.snapshot}); err != nil {
			return err
		}
	}
	for i, e := range f.entries[from:] {
		if err := f.m.Apply(from+uint64(i)+1, e.term, e.batch); err != nil {
			return err
		}
	}
	return nil
}

// Append implements engine.Log.
func (f *Faulty) Append(batch []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	batch = bytes.Clone(batch)
	switch {
	case f.dropNext > 0:
		f.dropNext--
	case f.held:
		f.waiting = append(f.waiting, batch)
	default:
		f.commit(f.term, batch)
	}
}

// commit makes a batch part of the log. mu is held.
func (f *Faulty) commit(term uint64, batch []byte) {
	f.entries = append(f.entries, entry{term, batch})
	index, m := uint64(len(f.entries)), f.m
	f.calls <- func() {
		if err := m.Apply(index, term, batch); err != nil {
			panic(err)
		}
	}
}

// Hold makes batches wait until Release.
func (f *Faulty) Hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = true
}

// Release commits what waits.
func (f *Faulty) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = false
	for _, b := range f.waiting {
		f.commit(f.term, b)
	}
	f.waiting = nil
}

// DropNext makes the next n batches vanish; those after them are taken.
func (f *Faulty) DropNext(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropNext = n
}

// Lose ends the leadership. What waits is committed after the machine was told, if
// late, else it is gone.
func (f *Faulty) Lose(late bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.m
	f.held, f.dropNext = false, 0
	f.calls <- func() {
		if m.Lost(engine.ErrLeadershipLost) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if err := f.replay(); err != nil {
				panic(err)
			}
		}
	}
	f.sync()
	if late {
		for _, b := range f.waiting {
			f.commit(f.term, b)
		}
	}
	f.waiting = nil
}

// sync waits for the calls made so far. mu is held, and let go meanwhile.
func (f *Faulty) sync() {
	called := make(chan struct{})
	f.calls <- func() { close(called) }
	f.mu.Unlock()
	<-called
	f.mu.Lock()
}

// Regain makes the node lead again, in a new term.
func (f *Faulty) Regain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.term++
	term, m := f.term, f.m
	f.calls <- func() { m.Lead(term) }
}

// Stale commits the last batch of the log once more, in the term that lasts: a
// proposal of an old term can be appended after a step-down.
func (f *Faulty) Stale() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.entries); n > 0 {
		f.commit(f.term, f.entries[n-1].batch)
	}
}

// Confirm implements engine.Log.
func (f *Faulty) Confirm(ticket uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.m
	f.calls <- func() { m.Confirmed(ticket) }
}

// Room implements engine.Log.
func (f *Faulty) Room() engine.Room { return engine.RoomForAll }

// Snapshot implements engine.Log.
func (f *Faulty) Snapshot(index uint64, v engine.View) error {
	s := &stored{index: index, sections: map[uint64][]byte{}}
	err := v.Sections(func(key uint64, unchanged bool, write func(io.Writer) error) error {
		var b bytes.Buffer
		s.keys = append(s.keys, key)
		if unchanged {
			s.sections[key] = f.snapshot.sections[key]
			return nil
		}
		err := write(&b)
		s.sections[key] = b.Bytes()
		return err
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshot = s
	return err
}

// Close implements engine.Log.
func (f *Faulty) Close() error {
	f.mu.Lock()
	calls := f.calls
	f.calls = nil
	f.mu.Unlock()
	close(calls)
	<-f.done
	return nil
}

type reader struct {
	s *stored
	n int
}

func (r *reader) Next() (uint64, io.Reader, error) {
	if r.n == len(r.s.keys) {
		return 0, nil, io.EOF
	}
	key := r.s.keys[r.n]
	r.n++
	return key, bytes.NewReader(r.s.sections[key]), nil
}
