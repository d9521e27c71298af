package replica

import (
	"io"

	"github.com/hashicorp/raft"
)

// fsm is what raft hands committed entries to. It implements raft.BatchingFSM. All
// its methods are called by one goroutine of raft, which must not wait for another
// entry, nor for raft.
type fsm struct{ l *Log }

// ApplyBatch implements raft.BatchingFSM.
func (f fsm) ApplyBatch(entries []*raft.Log) []any {
	l := f.l
	l.calling.Lock()
	defer l.calling.Unlock()
	for _, e := range entries {
		l.apply(e)
	}
	return make([]any, len(entries))
}

// apply takes a committed entry, in l.calling.
func (l *Log) apply(e *raft.Log) {
	if l.failed != nil || l.closed {
		return
	}
	if e.Term > l.led {
		l.lose() // raft's word of it may still be on its way
	}
	if e.Type == raft.LogConfiguration {
		l.store.noteConfiguration(e.Index, raft.DecodeConfiguration(e.Data))
	}
	if err := l.handOver(e); err != nil {
		l.fail(err)
		return
	}
	l.applied = e.Index
}

// Apply implements raft.FSM.
func (f fsm) Apply(e *raft.Log) any {
	f.ApplyBatch([]*raft.Log{e})
	return nil
}

// Restore implements raft.FSM. The stream is not needed: the snapshot is stored here.
func (f fsm) Restore(io.ReadCloser) error {
	l := f.l
	l.calling.Lock()
	defer l.calling.Unlock()
	if l.failed != nil || l.closed {
		return l.failed
	}
	l.lose()
	l.store.snapping.Lock()
	defer l.store.snapping.Unlock()
	index, err := l.restore()
	if err != nil {
		l.fail(err)
		return err
	}
	l.applied = index
	return nil
}

// Snapshot implements raft.FSM.
func (f fsm) Snapshot() (raft.FSMSnapshot, error) { return nil, errNotAsked }
