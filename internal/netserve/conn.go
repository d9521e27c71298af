// Package netserve drives the connections of socket doors: listeners, TLS,
// limits, deadlines, drain, and the turn from bytes read to replies flushed.
//
// A driver owns a set of connections and a port to the engine. Its turn is: read
// what has arrived, feed it to the doors, run the requests, hand the results to
// the doors, commit, and flush all sockets whose output is published. Two drivers
// share that turn: an epoll loop on Linux, and goroutines for TLS, other systems
// and listeners without a descriptor.
package netserve

import (
	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
)

// Conn is a door's side of one connection: a state machine that never blocks and
// never sees a socket. Its methods are called by one goroutine at a time.
type Conn interface {
	// Feed parses what it can of in, sends requests through the port and returns how
	// many bytes it used. The rest is shown again, with more behind it; a door makes
	// progress on any FeedLimit bytes. It takes nothing while Blocked, and leaves the
	// rest after FeedRequests requests, so that the unread output of a connection
	// stays near its limit. The requests may refer to in until the port has run them.
	Feed(in []byte) (used int)
	// Result encodes the answer to request seq. r is valid during the call.
	Result(seq uint32, r *queue.Result)
	// Event tells of something that is no answer; see queue.Event. seq and r are as in
	// queue.Output. r is valid during the call.
	Event(e queue.Event, seq uint32, r *queue.Result)
	// Blocked says that no input is wanted until a result arrives.
	Blocked() bool
	// InRequest says that the bytes taken so far end inside a request, which the
	// client has to finish within the deadline.
	InRequest() bool
	// EOF says that the client sends no more; it may still read. It is called once:
	// after all input was fed, or as soon as it is known while the door is Blocked,
	// which then ends its wait; what the client had sent behind it is fed afterwards.
	// The driver closes the connection once everything is fed and flushed and the
	// door is not Blocked, so a door need not ask for it.
	EOF()
	// Closed says that the connection is gone; the door gives back what it holds.
	// The driver itself sends OpClose.
	Closed()
}

// FeedLimit is how many bytes of input a door may ask to see at once.
const FeedLimit = queue.MaxInlineBody + 4096

// FeedRequests is how many requests a door takes in one Feed.
const FeedRequests = 256

// Door makes connections of one protocol.
type Door interface {
	// Name is the protocol's, for logs: "beanstalk".
	Name() string
	// Source is the protocol's number among the doors, kept with the jobs put through it.
	Source() queue.Source
	// Connect starts a connection's state machine. Replies go to s.Out. It may be
	// called by several drivers at a time.
	Connect(s Session) Conn
}

// Session is what a door gets of a new connection.
type Session struct {
	ID   queue.SessionID
	Port engine.Requester
	Out  *Out
	// Peer and Local are addresses as text, "127.0.0.1:4711" or "unix".
	Peer, Local string
}

// Port is what a driver needs of the engine; *engine.Port is the one that serves.
type Port interface {
	engine.Requester
	// Open starts a session; tag comes back in each of its outputs.
	Open(tag uint64, source queue.Source) queue.SessionID
	// Run runs the queued requests and returns what is to be delivered, valid until
	// the next Run.
	Run() []engine.Output
	// Commit ends a turn and returns its number.
	Commit() uint64
	// Published is the last turn whose output may leave.
	Published() uint64
	// Congested says that no input should be read until the port wakes its driver.
	Congested() bool
	Close()
}

// The doors' numbers. They are written to the log: none is given twice.
const (
	SourceBeanstalk queue.Source = 1 + iota
	SourceGearman
	SourceMemcache
	SourceHTTP
)

// SourceName names a door for people; "" for a number that is none.
func SourceName(s queue.Source) string {
	names := [...]string{"", "beanstalk", "gearman", "memcache", "http"}
	if int(s) < len(names) {
		return names[s]
	}
	return ""
}
