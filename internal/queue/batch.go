package queue

import (
	"encoding/binary"
	"errors"
)

// Batch is the unit of the log: the records of one turn.
//
// A node that may lead first commits a batch with Seq 0, which begins its Epoch;
// the batches after it count from 1. A batch of another epoch, or one that is not
// the next, is void: a log may take a batch after it reported failure, or a late
// one of a leader that was.
type Batch struct {
	Epoch, Seq uint64
	Clock      int64 // engine's clock, ns
	Records    []byte
}

// batchHeader is the length of a batch's epoch, sequence and clock on disk, each
// eight bytes, little-endian.
const batchHeader = 24

// AppendBatch encodes a batch behind b.
func AppendBatch(b []byte, x Batch) []byte {
	b = binary.LittleEndian.AppendUint64(b, x.Epoch)
	b = binary.LittleEndian.AppendUint64(b, x.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(x.Clock))
	return append(b, x.Records...)
}

var errShortBatch = errors.New("queue: a batch is shorter than its header")

// DecodeBatch reads what AppendBatch wrote. Records is part of b.
func DecodeBatch(b []byte) (Batch, error) {
	if len(b) < batchHeader {
		return Batch{}, errShortBatch
	}
	return Batch{
		Epoch:   binary.LittleEndian.Uint64(b),
		Seq:     binary.LittleEndian.Uint64(b[8:]),
		Clock:   int64(binary.LittleEndian.Uint64(b[16:])),
		Records: b[batchHeader:],
	}, nil
}

// Epoch returns the epoch of the last batch.
func (s *State) Epoch() uint64 { return s.epoch }

// BeginEpoch returns the batch with which a node that may lead starts. It has
// happened once ApplyBatch is given it.
func (s *State) BeginEpoch(epoch uint64) Batch {
	return Batch{Epoch: epoch, Clock: s.now, Records: appendRecord(nil, &record{kind: recordEpoch})}
}

// TakeBatch returns what requests and time decided since the last call, or ok
// false if that is nothing. Records are the state's until the next request runs.
func (s *State) TakeBatch() (b Batch, ok bool) {
	if len(s.records) == 0 {
		return Batch{}, false
	}
	s.seq++
	b = Batch{s.epoch, s.seq, s.now, s.records}
	s.records = s.records[:0]
	return b, true
}

// Pending returns the length of the records TakeBatch would return, in bytes.
func (s *State) Pending() int { return len(s.records) }

// ApplyBatch makes a committed batch of this or another node happen, unless it is
// void. term is that of the log entry that carries it, or 0 in a log without terms.
func (s *State) ApplyBatch(term uint64, b Batch) error {
	switch {
	case term != 0 && term != b.Epoch:
		return nil
	case b.Seq == 0 && b.Epoch > s.epoch:
		s.epoch, s.seq = b.Epoch, 0
	case b.Seq == 0 || b.Epoch != s.epoch || b.Seq != s.seq+1:
		return nil
	default:
		s.seq++
	}
	s.now = b.Clock
	return eachRecord(b.Records, s.apply)
}
