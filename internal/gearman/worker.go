package gearman

import (
	"slices"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// minTimeout is the shortest timeout of a function; a shorter one becomes this.
const minTimeout = time.Second

// maxClientID is how much of what a connection calls itself is kept, in bytes.
const maxClientID = 127

// canDo registers a function, perhaps with a timeout.
func (c *conn) canDo(r *request) {
	function := r.arg[0]
	if !validFunction(function) {
		c.refuse(errFunction, textFunction)
		return
	}
	timeout := time.Duration(0)
	if r.cmd == cmdCanDoTimeout {
		timeout = timeoutOf(leadingInt(r.arg[1]))
	}
	if _, again := c.timeouts[string(function)]; again {
		c.timeouts[string(function)] = timeout
		return
	}
	if len(c.timeouts) >= c.door.opts.MaxFunctions {
		c.refuse(errTooLarge, "A worker cannot register more functions")
		return
	}
	first := len(c.timeouts) == 0
	if c.timeouts == nil {
		c.timeouts = map[string]time.Duration{}
	}
	name := string(function)
	c.timeouts[name] = timeout
	c.door.registry.add(c.entry, name)
	c.do(queue.Request{Op: queue.OpWatch, Queue: function})
	defer c.keepOrder(r.cmd)
	if !first {
		return
	}
	// A session watches the default queue from its start.
	if name != queue.DefaultQueue {
		c.do(queue.Request{Op: queue.OpIgnore, Queue: defaultQueue})
	}
	if c.asleep {
		c.do(queue.Request{Op: queue.OpSleep})
	}
}

var defaultQueue = []byte(queue.DefaultQueue)

func timeoutOf(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	if ms <= 0 {
		return 0
	}
	return max(minTimeout, time.Duration(min(ms, most))*time.Millisecond)
}

// cantDo ends a registration; the jobs of the function that the worker holds go back.
func (c *conn) cantDo(r *request) {
	if _, ok := c.timeouts[string(r.arg[0])]; !ok {
		return
	}
	c.unwatch(r.arg[0])
	c.door.registry.remove(c.entry, r.arg[0])
	c.do(queue.Request{Op: queue.OpGiveBack, Queue: r.arg[0]})
	c.keepOrder(r.cmd)
}

// keepOrder has what follows answered after the events that the requests so far make,
// none of which is answered: it asks for something that is, and does nothing.
func (c *conn) keepOrder(cmd command) {
	c.owe(cmd, 0)
	c.do(queue.Request{Op: queue.OpDropUpload, Seq: seqOwed})
}

// resetAbilities ends all registrations.
func (c *conn) resetAbilities(r *request) {
	names := make([]string, 0, len(c.timeouts))
	for name := range c.timeouts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c.unwatch([]byte(name))
	}
	c.door.registry.reset(c.entry)
	c.do(queue.Request{Op: queue.OpGiveBack})
	c.keepOrder(r.cmd)
}

// unwatch ends the watching of a function. A session always watches something: one
// that has no function any more watches the default queue, and does not ask for jobs.
func (c *conn) unwatch(function []byte) {
	delete(c.timeouts, string(function))
	if len(c.timeouts) > 0 {
		c.do(queue.Request{Op: queue.OpIgnore, Queue: function, Flags: queue.FlagInOrder})
		return
	}
	c.do(queue.Request{Op: queue.OpReserve, Queue: noQueue}) // ends its sleep
	if string(function) != queue.DefaultQueue {
		c.do(queue.Request{Op: queue.OpWatch, Queue: defaultQueue})
		c.do(queue.Request{Op: queue.OpIgnore, Queue: function, Flags: queue.FlagInOrder})
	}
}

// noQueue is a name that no queue has, as it would be too long for any door.
var noQueue = make([]byte, maxFunction+1)

// preSleep has the worker told of the next job.
func (c *conn) preSleep(r *request) {
	c.asleep = true
	if len(c.timeouts) > 0 {
		c.do(queue.Request{Op: queue.OpSleep})
		c.keepOrder(r.cmd)
	}
}

// grab asks for a job.
func (c *conn) grab(r *request) {
	c.asleep = false
	q := queue.Request{Op: queue.OpReserve, Seq: seqOwed, TTR: -1}
	if len(c.timeouts) == 0 || c.door.quiet.Load() {
		q.Queue = noQueue
	}
	if r.cmd != cmdGrabJob {
		q.Flags = queue.FlagMore
	}
	switch o := &c.door.opts; {
	case o.Compat == Compat20:
		q.Flags |= queue.FlagInTurn
	case o.RoundRobin:
		q.Flags |= queue.FlagInTurn | queue.FlagInOrder
	default:
		q.Flags |= queue.FlagInOrder
	}
	c.owe(r.cmd, 0)
	c.do(q)
}

// report passes on what a worker says of a job while it works.
func (c *conn) report(r *request) {
	q := queue.Request{Op: queue.OpReport, Seq: seqOwed, ID: c.door.jobID(r.arg[0]), Body: r.data}
	switch r.cmd {
	case cmdWorkData:
		q.Event = queue.EventData
	case cmdWorkWarning:
		q.Event = queue.EventWarning
	case cmdWorkStatus:
		q.Event = queue.EventProgress
		q.N, q.M = uint64(uint32(leadingInt(r.arg[1]))), uint64(uint32(leadingInt(r.arg[2])))
		// As it was said: the two numbers and the NUL between them.
		q.Body = r.arg[1][:len(r.arg[1])+1+len(r.arg[2])]
	}
	c.tell(r, q)
}

// finish ends a job as its worker says.
func (c *conn) finish(r *request) {
	id := c.door.jobID(r.arg[0])
	q := queue.Request{Op: queue.OpAck, Seq: seqOwed, ID: id, Event: queue.EventComplete, Body: r.data}
	switch r.cmd {
	case cmdWorkFail:
		if c.thrown != 0 && c.thrown == id {
			// Clients say FAIL behind an exception, which ended the job already.
			c.thrown = 0
			return
		}
		q.Event, q.Body = queue.EventFail, nil
	case cmdWorkException:
		q.Event = queue.EventException
		c.thrown = id
	}
	c.tell(r, q)
}

// tell asks q of the queue; only an error is answered.
func (c *conn) tell(r *request, q queue.Request) {
	if len(r.chunks) > 0 {
		q.More = c.moreFor(queue.More{Chunks: r.chunks})
	}
	c.owe(r.cmd, 0)
	c.do(q)
}

// setClientID notes what the connection calls itself.
func (c *conn) setClientID(r *request) {
	c.door.registry.identify(c.entry, string(r.arg[0][:min(len(r.arg[0]), maxClientID)]))
}
