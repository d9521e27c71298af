package wal

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// Values of Options.Sync beside an interval.
const (
	SyncAlways time.Duration = 0  // a batch is committed when it is synced
	SyncNever  time.Duration = -1 // the operating system decides when to write to disk
)

// Options of a log. The zero value is good.
type Options struct {
	// Sync is SyncAlways, SyncNever, or how long after its write a batch is synced.
	// Unless it is SyncAlways, a batch counts as committed when it is written: a crash
	// of the process loses nothing, a crash of the machine may lose that much.
	Sync time.Duration
	// SegmentSize is the size of a segment in bytes, by default 64 MiB. The first
	// ones of a log are smaller.
	SegmentSize int64
	// MaxBacklog is how many bytes may wait to be committed before Append blocks, by
	// default 64 MiB.
	MaxBacklog int
	// RetryFull is how often more space is tried for while the disk is full, by
	// default every second.
	RetryFull time.Duration
	// Replicated says that the batches are entries of a replicated log: they can be
	// read back, and a snapshot leaves the last ones for nodes that lag a little. A
	// directory keeps its kind of log.
	Replicated bool
	// FS holds the directory, by default that of the operating system.
	FS vfs.FS
	// Logger gets what an operator should know. By default nobody does.
	Logger *slog.Logger

	random func() uint64 // salts; replaced where a test needs the same ones again
}

const (
	defaultSegment = 64 << 20
	firstSegment   = 256 << 10 // what a new log zeroes before it serves
	minSegment     = 16 << 10  // below this a segment on a full disk is not worth a file
)

func (o Options) withDefaults() Options {
	if o.SegmentSize == 0 {
		o.SegmentSize = defaultSegment
	}
	o.SegmentSize = max(o.SegmentSize, minSegment)
	if o.Replicated {
		o.SegmentSize = min(o.SegmentSize, 1<<31) // see segment.starts
		o.Sync = SyncAlways
	}
	if o.MaxBacklog == 0 {
		o.MaxBacklog = 64 << 20
	}
	if o.RetryFull == 0 {
		o.RetryFull = time.Second
	}
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.random == nil {
		o.random = randomSalt
	}
	return o
}

func randomSalt() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
