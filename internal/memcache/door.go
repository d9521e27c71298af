// Package memcache is the memcached door: queues for clients of memcached, in the
// manner of Kestrel, and beside them an ordinary key-value area. It speaks the text
// protocol, its meta commands and the binary protocol. docs/memcache.md says what a
// command means to a queue.
//
// A request goes through text.go, meta.go or binary.go (parse, no state), which
// leave a request of one kind, and conn.go (the connection's state machine). What it
// asks of a queue is in take.go, put.go and manage.go, what it asks of the key-value
// area in keyvalue.go and area.go. It comes back through reply.go as an outcome,
// which each of the three protocols has words for.
package memcache

import (
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// Defaults of Options.
const (
	DefaultMaxJobSize   = 1<<16 - 1 // bytes of a job's body
	DefaultMaxOpenReads = 100       // of one connection and queue
	DefaultAreaSize     = 64 << 20  // bytes of the key-value area
	DefaultMaxItemSize  = 1 << 20   // bytes of a key with its value
)

// Options are what a door has to be told. The zero value makes one on which every
// key is a queue.
type Options struct {
	// Prefix selects queues: a key that begins with it is a queue, named by the rest;
	// any other key belongs to the key-value area. Empty: every key is a queue.
	Prefix string
	// MaxJobSize is the longest body in bytes; DefaultMaxJobSize when 0.
	MaxJobSize int64
	// MaxOpenReads is how many jobs of one queue a connection may hold unconfirmed,
	// DefaultMaxOpenReads when 0.
	MaxOpenReads int
	// ExpireTo is the queue that jobs go to when their time has passed; empty: they
	// are removed.
	ExpireTo string
	// AreaSize bounds the memory of the key-value area, in bytes; DefaultAreaSize when
	// 0. What was used least recently goes first.
	AreaSize int64
	// MaxItemSize bounds a key with its value and itemOverhead for their place in the
	// area, in bytes; DefaultMaxItemSize when 0.
	MaxItemSize int64
	// Version is told to clients that ask.
	Version string
	// Shutdown ends the server when a client says so; nil: clients may not.
	Shutdown func()
	// Clock reads the wall clock; nil: time.Now.
	Clock func() time.Time
}

// Door makes connections that speak the protocol, and counts what they do.
type Door struct {
	opts    Options
	started time.Time
	area    *area // nil: every key is a queue
	counts  [countCount]atomic.Uint64
	open    atomic.Int64 // connections
}

var _ netserve.Door = (*Door)(nil)

// New makes a door.
func New(o Options) *Door {
	if o.MaxJobSize == 0 {
		o.MaxJobSize = DefaultMaxJobSize
	}
	if o.MaxOpenReads == 0 {
		o.MaxOpenReads = DefaultMaxOpenReads
	}
	if o.AreaSize == 0 {
		o.AreaSize = DefaultAreaSize
	}
	if o.MaxItemSize == 0 {
		o.MaxItemSize = DefaultMaxItemSize
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	d := &Door{opts: o, started: o.Clock()}
	if o.Prefix != "" {
		d.area = newArea(o.AreaSize, min(o.MaxItemSize, o.AreaSize), func() int64 { return o.Clock().Unix() })
	}
	return d
}

// Name is the protocol's name.
func (d *Door) Name() string { return "memcache" }

// Source implements netserve.Door.
func (d *Door) Source() queue.Source { return netserve.SourceMemcache }

// Connect starts a connection.
func (d *Door) Connect(s netserve.Session) netserve.Conn {
	d.open.Add(1)
	d.add(countConnections, 1)
	return &conn{door: d, session: s.ID, port: s.Port, out: s.Out}
}

// count is a figure that stats shows.
type count uint8

const (
	countConnections count = iota
	countGet
	countSet
	countPeek
	countTouch
	countFlush
	countMeta
	countGetHits
	countGetMisses
	countDeleteHits
	countDeleteMisses
	countIncrHits
	countIncrMisses
	countDecrHits
	countDecrMisses
	countCASHits
	countCASMisses
	countCASBad
	countTouchHits
	countTouchMisses
	countBytesRead
	countBytesWritten
	countCount
)

func (d *Door) add(c count, n uint64) { d.counts[c].Add(n) }

// addIf counts a hit or a miss.
func (d *Door) addIf(ok bool, hit, miss count) {
	if ok {
		hit, miss = miss, hit
	}
	d.counts[miss].Add(1)
}
