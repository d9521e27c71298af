package sim_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
)

// history is every batch that was offered to the log over all lives of a server, by
// index from 1, but for those that a crash has undone.
type history struct {
	batches [][]byte
	err     error
}

// tap sits between an engine and its log, which gets what it is asked when the
// simulation says so, and writes down what goes either way. It checks that the log
// gives back what it was given.
type tap struct {
	engine.Log
	h         *history
	saw       *sights
	allowed   chan int      // calls to the log
	snapshots chan struct{} // each lets one go on
	done      chan struct{}

	mu      sync.Mutex
	calls   []func() // to the log, in order
	free    bool     // all calls are allowed
	leads   bool
	found   uint64 // the last batch of the life before
	index   uint64 // of the last batch that is committed
	must    uint64 // of the last that must come back
	commits []commit
	shadow  *queue.State // what the log says, before this life
}

// commit is when a batch was committed.
type commit struct {
	index uint64
	at    time.Time
}

func newTap(log engine.Log, w *world) *tap {
	t := &tap{
		Log: log, h: w.log, saw: w.saw, must: w.must, free: true, shadow: queue.New(true),
		allowed: make(chan int, 4096), snapshots: make(chan struct{}), done: make(chan struct{}),
	}
	go func() {
		defer close(t.done)
		for n := range t.allowed {
			for range n {
				t.pass()
			}
		}
	}()
	return t
}

// call has the log asked something, after what it was asked before. t.mu is held.
func (t *tap) call(f func()) {
	t.calls = append(t.calls, f)
	if t.free {
		t.allowed <- 1
	}
}

// pass lets one call through.
func (t *tap) pass() {
	t.mu.Lock()
	if len(t.calls) == 0 {
		t.mu.Unlock()
		return
	}
	call := t.calls[0]
	t.calls = t.calls[1:]
	t.mu.Unlock()
	call()
}

// allow lets n more calls through.
func (t *tap) allow(n int) { t.allowed <- n }

// setFree lets all calls through from now on, or none.
func (t *tap) setFree(free bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = free
	if free {
		t.allowed <- len(t.calls)
	}
}

func (t *tap) Open(m engine.Machine) error { return t.Log.Open(tapped{m, t}) }

func (t *tap) Append(batch []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.h.batches = append(t.h.batches, bytes.Clone(batch))
	t.call(func() { t.Log.Append(batch) })
}

func (t *tap) Confirm(ticket uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.call(func() { t.Log.Confirm(ticket) })
}

func (t *tap) Close() error {
	t.setFree(true)
	close(t.allowed)
	<-t.done
	return t.Log.Close()
}

func (t *tap) Snapshot(index uint64, v engine.View) error {
	<-t.snapshots
	err := t.Log.Snapshot(index, v)
	if err == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.saw.snapshots++
	}
	return err
}

// committed returns the last batch that is committed; 0 before recovery is over.
func (t *tap) committed() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.leads {
		return 0
	}
	return t.index
}

// committedBy returns the last batch that was committed at a time, or recovered.
func (t *tap) committedBy(at time.Time) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	index := t.found
	for _, c := range t.commits {
		if !c.at.After(at) {
			index = max(index, c.index)
		}
	}
	return index
}

func (t *tap) fail(format string, args ...any) {
	if t.h.err == nil {
		t.h.err = fmt.Errorf(format, args...)
	}
}

// tapped is the engine as the log sees it.
type tapped struct {
	engine.Machine
	t *tap
}

// Restore finds out what batch the snapshot is the state after.
func (m tapped) Restore(r engine.SnapshotReader) error {
	t := m.t
	copied := &sections{}
	restorer := queue.NewRestorer(t.shadow)
	for {
		key, section, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		b, err := io.ReadAll(section)
		if err != nil {
			return err
		}
		copied.keys, copied.bytes = append(copied.keys, key), append(copied.bytes, b)
		if err := restorer.Section(key, bytes.NewReader(b)); err != nil {
			return err
		}
	}
	restorer.Done()
	epoch, n := binary.Uvarint(copied.bytes[0])
	seq, _ := binary.Uvarint(copied.bytes[0][n:])
	t.mu.Lock()
	for i, raw := range t.h.batches {
		if b, _ := queue.DecodeBatch(raw); b.Epoch == epoch && b.Seq == seq {
			t.index = uint64(i + 1)
		}
	}
	t.saw.restored++
	if t.index == 0 {
		t.fail("the snapshot is of batch %d of epoch %d, which was never offered", seq, epoch)
	}
	t.mu.Unlock()
	return m.Machine.Restore(copied)
}

// sections gives back what was read of a snapshot.
type sections struct {
	keys  []uint64
	bytes [][]byte
}

func (s *sections) Next() (uint64, io.Reader, error) {
	if len(s.keys) == 0 {
		return 0, nil, io.EOF
	}
	key, b := s.keys[0], s.bytes[0]
	s.keys, s.bytes = s.keys[1:], s.bytes[1:]
	return key, bytes.NewReader(b), nil
}

func (m tapped) Apply(index, term uint64, batch []byte) error {
	t := m.t
	t.mu.Lock()
	switch {
	case index != t.index+1:
		t.fail("batch %d comes after batch %d", index, t.index)
	case index > uint64(len(t.h.batches)) || !bytes.Equal(batch, t.h.batches[index-1]):
		t.fail("batch %d is not what was offered", index)
	}
	t.index = index
	if t.leads {
		t.commits = append(t.commits, commit{index, time.Now()})
	} else {
		t.mirror(batch)
	}
	t.mu.Unlock()
	return m.Machine.Apply(index, term, batch)
}

// mirror applies a batch that recovery found. t.mu is held.
func (t *tap) mirror(batch []byte) {
	b, err := queue.DecodeBatch(batch)
	if err == nil {
		err = t.shadow.ApplyBatch(0, b)
	}
	if err != nil {
		t.fail("recovery: %v", err)
	}
}

// Lead checks what recovery has found: a beginning of what was offered, with all that
// was promised, and the state that those batches make.
func (m tapped) Lead(term uint64) {
	t := m.t
	t.mu.Lock()
	if t.index < t.must || t.index > uint64(len(t.h.batches)) {
		t.fail("the log ends with batch %d; %d were promised, %d offered", t.index, t.must, len(t.h.batches))
	} else {
		t.h.batches = t.h.batches[:t.index]
		t.compare()
	}
	t.leads, t.found = true, t.index
	t.mu.Unlock()
	m.Machine.Lead(term)
}

// compare checks that snapshot and log give the state that all batches give. t.mu is
// held.
func (t *tap) compare() {
	all := queue.New(true)
	for _, raw := range t.h.batches {
		b, err := queue.DecodeBatch(raw)
		if err == nil {
			err = all.ApplyBatch(0, b)
		}
		if err != nil {
			t.fail("replay: %v", err)
			return
		}
	}
	now := max(all.Now(), t.shadow.Now())
	all.SetTime(now, 0)
	t.shadow.SetTime(now, 0)
	if all.Digest() != t.shadow.Digest() {
		t.fail("snapshot and log are not the state that %d batches make", len(t.h.batches))
	}
}
