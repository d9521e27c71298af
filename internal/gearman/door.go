// Package gearman is the Gearman door: the protocol of gearmand 1.1.20 and 2.0, its
// text administrative protocol on the same port, and its HTTP front end.
// docs/gearman.md says what differs from gearmand.
//
// A packet goes through packet.go and request.go (parse, no state), commands.go (the
// table that says who does it), conn.go and body.go (the connection's state machine)
// and submit.go or worker.go, and comes back through reply.go. Text lines go through
// admin.go. The rules of queues are in package queue alone: a function is a queue.
package gearman

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// Defaults of Options.
const (
	DefaultMaxPacket    = 64 << 20 // bytes behind a packet's header
	defaultMaxFunctions = 1 << 16
)

// Compat is the release of gearmand to be like where releases differ.
type Compat uint8

// The two that differ in what a client can see.
const (
	Compat11 Compat = iota // 1.1.20 and before
	Compat20               // 2.0 and later
)

// Options are what the door has to be told. The zero value works.
type Options struct {
	// Compat decides the order in which a worker with several functions gets jobs.
	Compat Compat
	// RoundRobin has a worker's functions take turns with Compat11; with Compat20 they
	// always do.
	RoundRobin bool
	// Attempts is how many workers may fail a job, by going away or by their timeout,
	// before it is removed; 0: any number.
	Attempts uint32
	// Exceptions has clients get exceptions without asking for the option.
	Exceptions bool
	// DurableForeground keeps foreground jobs in the log, too.
	DurableForeground bool
	// Shutdown is what the administrative command "shutdown" does; nil: it is refused.
	Shutdown func()
	// HandlePrefix begins each job handle; "H:" and the host's name when empty. What is
	// longer than fits into a handle is cut.
	HandlePrefix string
	// MaxPacket is the most bytes behind a packet's header; DefaultMaxPacket when 0.
	MaxPacket uint32
	// MaxFunctions is how many functions one worker may register, 65,536 when 0, and how
	// many without a job `status` goes on listing.
	MaxFunctions int
	// Version is what the administrative command "version" says.
	Version string
	// Verbose is what the administrative command "verbose" says; "ERROR" when empty.
	Verbose string
	// Clock gives wall time, for SUBMIT_JOB_SCHED; time.Now when nil.
	Clock func() time.Time
}

// Door makes connections that speak the protocol.
type Door struct {
	opts     Options
	prefix   string // of handles, with the colon before the number
	registry registry
	quiet    atomic.Bool // workers are given no more jobs
}

var _ netserve.Door = (*Door)(nil)

// Quiet has workers told from now on that there are no jobs, for good: what they are
// at, they finish.
func (d *Door) Quiet() { d.quiet.Store(true) }

// New makes a door.
func New(o Options) *Door {
	if o.MaxPacket == 0 {
		o.MaxPacket = DefaultMaxPacket
	}
	if o.MaxFunctions == 0 {
		o.MaxFunctions = defaultMaxFunctions
	}
	if o.Verbose == "" {
		o.Verbose = "ERROR"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.HandlePrefix == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		o.HandlePrefix = "H:" + host
	}
	d := &Door{opts: o, prefix: handlePrefix(o.HandlePrefix)}
	d.registry.init(o.MaxFunctions)
	return d
}

// Name is the protocol's name.
func (d *Door) Name() string { return "gearman" }

// Source implements netserve.Door.
func (d *Door) Source() queue.Source { return netserve.SourceGearman }

// Connect starts a connection.
func (d *Door) Connect(s netserve.Session) netserve.Conn {
	return &conn{
		door: d, session: s.ID, port: s.Port, out: s.Out,
		exceptions: d.opts.Exceptions,
		entry:      d.registry.enter(s.Peer),
	}
}
