package engine

import (
	"errors"
	"io"

	"github.com/millrace/millrace/internal/queue"
)

// Log keeps batches in order. The engine runs over four of them: none (nil),
// wal.Log, the faulty one of the tests, and a Raft group.
//
// A Log calls its Machine from one goroutine at a time, never while it holds a
// lock that Append, Confirm or Room need.
type Log interface {
	// Open hands m the last snapshot (if any) and every committed batch after it, in
	// order, and then calls m.Lead when this node may lead. Until Close it hands m
	// every batch that is committed from then on, its own included.
	Open(m Machine) error
	// Append offers the next batch. Its outcome is m.Apply with the same bytes, or
	// m.Lost; either may come before Append returns. batch is not kept after that
	// outcome. Append may block to bound what is uncommitted.
	Append(batch []byte)
	// Confirm answers by m.Confirmed(ticket) once it is sure that, at the time of the
	// call, this node still led.
	Confirm(ticket uint64)
	// Room says what may still be written.
	Room() Room
	// Snapshot stores v, the state after the batch with the given index, and then
	// drops the batches it makes unneeded. It blocks; the engine calls it from a
	// goroutine of its own, one at a time.
	Snapshot(index uint64, v View) error
	// Close waits for what was appended and releases the log. No method of the machine
	// may call it.
	Close() error
}

// Machine is what a Log drives: the engine.
type Machine interface {
	// Restore replaces the state by a snapshot. It comes before every Apply.
	Restore(SnapshotReader) error
	// Apply takes a committed batch. index counts batches from 1, over the whole life
	// of the log; term is that of the entry (in a local log 0). An error means that
	// the log holds what this version cannot read, and ends the log's work.
	Apply(index, term uint64, batch []byte) error
	// Lead says that this node may lead from now on, in the given term, which is
	// higher than any before it (in a local log 0: the engine counts for itself).
	Lead(term uint64)
	// Lost says that batches offered in this epoch will not be confirmed: the
	// leadership ended (ErrLeadershipLost) or the log failed for good. Batches appended but not applied may still be
	// applied later. rebuild asks the log, before anything else it hands over, to
	// start again as Open does, with Restore (if there is a snapshot) and every
	// committed batch.
	Lost(err error) (rebuild bool)
	// Confirmed answers Confirm.
	Confirmed(ticket uint64)
}

// ErrLeadershipLost is for Machine.Lost: this node may lead again.
var ErrLeadershipLost = errors.New("engine: the leadership ended")

// Room says what the space secured for the log still allows.
type Room = queue.Room

const (
	RoomForNone  = queue.RoomForNone  // nothing that writes
	RoomToDelete = queue.RoomToDelete // what changes or removes jobs, not what adds them
	RoomForAll   = queue.RoomForAll   // everything
)

// View is the state at one moment, readable while the state goes on. It consists
// of sections, each named by a key; keys ascend.
type View interface {
	// Sections calls visit for each section, by ascending key, until visit fails. A
	// section that has not changed since the last snapshot that succeeded has
	// unchanged set: the log then keeps the bytes it has under that key. write may be
	// called in either case, at most once, during the visit.
	Sections(visit func(key uint64, unchanged bool, write func(io.Writer) error) error) error
}

// SnapshotReader gives back the sections of a snapshot, by ascending key; Next
// returns io.EOF after the last. A reader is valid until the next call.
type SnapshotReader interface {
	Next() (key uint64, r io.Reader, err error)
}
