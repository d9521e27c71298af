package wal

import (
	"sync/atomic"
	"time"
)

// Stats describes a log.
type Stats struct {
	Batches       uint64        // committed since the log was opened
	Bytes         uint64        // written for them
	SinceSnapshot int64         // bytes that a restart would read after the last snapshot, about
	Oldest        uint64        // number of the oldest segment in use
	Current       uint64        // number of the segment that is written
	SegmentSize   int64         // of the current segment, in bytes
	LastCommit    time.Duration // what the last commit took
	Synced        uint64        // index up to which batches are durable
}

type counters struct {
	batches, bytes atomic.Uint64
	lastCommit     atomic.Int64
	failed         atomic.Bool
}

// Stats may be called at any time after Open.
func (l *Log) Stats() Stats {
	l.segMu.Lock()
	defer l.segMu.Unlock()
	s := Stats{
		Batches:    l.stats.batches.Load(),
		Bytes:      l.stats.bytes.Load(),
		LastCommit: time.Duration(l.stats.lastCommit.Load()),
		Synced:     l.synced.Load(),
	}
	if len(l.segments) == 0 {
		return s
	}
	for _, segment := range l.segments {
		s.SinceSnapshot += segment.size - segmentHeader
	}
	last := l.segments[len(l.segments)-1]
	s.SinceSnapshot -= l.pool.left.Load()
	s.Oldest, s.Current, s.SegmentSize = l.segments[0].number, last.number, last.size
	return s
}
