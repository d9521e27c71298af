// Package beanstalk is the beanstalkd door: the protocol of beanstalkd 1.13, and
// a few extension commands for clients that ask. docs/beanstalk.md says what
// differs from beanstalkd.
//
// A line goes through request.go (parse, no state), commands.go (the table that
// says what a command asks of the queue and how its answer looks), conn.go and
// body.go (the connection's state machine) and comes back through reply.go. The
// rules of queues are in package queue alone.
package beanstalk

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// Defaults and limits of beanstalkd.
const (
	DefaultMaxJobSize = 1<<16 - 1 // bytes of a job's body, without -z
)

// defaultMaxWatched bounds what one connection can make the server remember.
const defaultMaxWatched = 1 << 16

// Options are what the door has to be told. The zero value works.
type Options struct {
	// MaxJobSize is the longest body in bytes; DefaultMaxJobSize when 0. A longer
	// one is answered with JOB_TOO_BIG.
	MaxJobSize uint32
	// MaxWatched is how many tubes one connection may watch, 65,536 when 0. Beyond,
	// watch is answered with OUT_OF_MEMORY.
	MaxWatched uint64
	// Version, ID, Hostname, OS and Platform appear in stats. Empty ones are filled
	// in from the machine, ID with a random one.
	Version, ID, Hostname, OS, Platform string
	// Binlog gives the log's figures for stats; nil: there is no log.
	Binlog func() Binlog
	// Clock gives the time since which uptime counts; time.Now when nil.
	Clock func() time.Time
}

// Binlog is what stats says about the log, in beanstalkd's words.
type Binlog struct {
	OldestIndex     uint64 // number of the oldest segment
	CurrentIndex    uint64 // number of the segment being written
	RecordsMigrated uint64 // records rewritten to let go of old segments
	RecordsWritten  uint64
	MaxSize         uint64 // bytes of a segment
}

// Door makes connections that speak the protocol, and counts what they do.
type Door struct {
	opts     Options
	started  time.Time
	draining atomic.Bool

	counts      [commandCount]atomic.Uint64
	connections atomic.Int64
	producers   atomic.Int64
	workers     atomic.Int64
	everOpened  atomic.Uint64
}

var _ netserve.Door = (*Door)(nil)

// New makes a door.
func New(o Options) *Door {
	if o.MaxJobSize == 0 {
		o.MaxJobSize = DefaultMaxJobSize
	}
	if o.MaxWatched == 0 {
		o.MaxWatched = defaultMaxWatched
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Binlog == nil {
		o.Binlog = func() Binlog { return Binlog{MaxSize: 10 << 20} }
	}
	if o.ID == "" {
		var id [8]byte
		rand.Read(id[:])
		o.ID = hex.EncodeToString(id[:])
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname()
	}
	version, machine := uname()
	if o.OS == "" {
		o.OS = version
	}
	if o.Platform == "" {
		o.Platform = machine
	}
	return &Door{opts: o, started: o.Clock()}
}

// Name is the protocol's name.
func (d *Door) Name() string { return "beanstalk" }

// Source implements netserve.Door.
func (d *Door) Source() queue.Source { return netserve.SourceBeanstalk }

// Drain makes every put from now on be answered with DRAINING, for good.
func (d *Door) Drain() { d.draining.Store(true) }

// Connect starts a connection.
func (d *Door) Connect(s netserve.Session) netserve.Conn {
	d.connections.Add(1)
	d.everOpened.Add(1)
	return &conn{door: d, session: s.ID, port: s.Port, out: s.Out, firstLine: true}
}
