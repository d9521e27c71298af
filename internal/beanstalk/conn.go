package beanstalk

import (
	"bytes"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// state says what the next bytes of input are.
type state uint8

const (
	inLine   state = iota // a command
	inBody                // a body that is taken whole
	inUpload              // a body that is passed on in chunks
	inWaste               // a body that is too long
	inRest                // the rest of a line that is too long
)

// pending is an answer that is owed. The answers come in order.
type pending struct {
	cmd  command // cmdNone: the answer is only text
	text uint16  // bytes of conn.text that belong to it
}

// conn is a connection: input becomes requests, results become replies.
type conn struct {
	door    *Door
	session queue.SessionID
	port    engine.Requester
	out     *netserve.Out

	state   state
	cur     request // the command being done; its name is not valid beyond its line
	left    uint64  // bytes of the body and its CRLF still to come, in inUpload and inWaste
	chunk   uint64  // the upload's name
	spoiled bool    // a chunk of the upload was refused

	owed    []pending
	done    int    // of owed: answers given
	text    []byte // texts of owed
	said    int    // of text: bytes written
	request queue.Request
	line    []byte // scratch

	used    []byte // the tube in use; empty: default
	watched uint64 // tubes watched, as far as is known
	batch   batch  // of the reserve-batch being answered

	firstLine bool
	extended  bool // hello was said
	producer  bool
	worker    bool
	blocked   bool // the last answer owed is that to a command that stands alone
	eof       bool // no more input will come
	closing   bool // nothing more is read; close when the answers owed are given
}

// Feed implements netserve.Conn.
func (c *conn) Feed(in []byte) (used int) {
	for range netserve.FeedRequests {
		if c.blocked || c.closing || used == len(in) {
			break
		}
		n := c.step(in[used:])
		if n == 0 {
			break
		}
		used += n
	}
	return used
}

// Event implements netserve.Conn: this protocol has no events.
func (c *conn) Event(queue.Event, uint32, *queue.Result) {}

// Blocked implements netserve.Conn.
func (c *conn) Blocked() bool { return c.blocked }

// InRequest implements netserve.Conn.
func (c *conn) InRequest() bool { return c.state != inLine }

// EOF implements netserve.Conn. A client that will send nothing more does not
// wait for a job either: beanstalkd answers TIMED_OUT.
func (c *conn) EOF() {
	c.eof = true
	if c.blocked && commands[c.owed[len(c.owed)-1].cmd].op == queue.OpReserve {
		c.do(queue.Request{Op: queue.OpCancelReserve})
	}
}

// Closed implements netserve.Conn.
func (c *conn) Closed() {
	c.abort()
	c.door.connections.Add(-1)
	if c.producer {
		c.door.producers.Add(-1)
	}
	if c.worker {
		c.door.workers.Add(-1)
	}
}

// hangUp ends the connection once every answer owed is given.
func (c *conn) hangUp() {
	c.closing = true
	if c.done == len(c.owed) {
		c.out.Close()
	}
}

// step reads one thing of in, which is not empty, and says how long it was; 0
// when there is too little of it.
func (c *conn) step(in []byte) int {
	switch c.state {
	case inBody:
		return c.body(in)
	case inUpload:
		return c.upload(in)
	case inWaste:
		return c.waste(in)
	case inRest:
		return c.rest(in)
	default:
		return c.command(in)
	}
}

// command reads a line and does what it says.
func (c *conn) command(in []byte) int {
	end := lineEnd(in[:min(len(in), maxLine)])
	if end < 0 {
		if len(in) < maxLine {
			return 0
		}
		c.state = inRest
		c.refuseHTTP(in)
		return maxLine - 1 // the last byte may be the CR of the line's end
	}
	line := in[:end]
	switch c.cur.parse(line, c.extended) {
	case wellFormed:
		c.run()
	case badFormat:
		c.say(wordBadFormat)
	case unknownCommand:
		c.say(wordUnknownCommand)
		c.refuseHTTP(line)
	}
	c.firstLine = false
	return end + 2
}

// rest reads to the end of a line that is too long.
func (c *conn) rest(in []byte) int {
	end := lineEnd(in)
	if end >= 0 {
		c.state = inLine
		c.firstLine = false
		c.say(wordBadFormat)
		return end + 2
	}
	if in[len(in)-1] == '\r' {
		return len(in) - 1
	}
	return len(in)
}

// lineEnd finds the CRLF in b; -1 if there is none.
func lineEnd(b []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '\r')
		if i < 0 || from+i+1 == len(b) {
			return -1
		}
		if b[from+i+1] == '\n' {
			return from + i
		}
		from += i + 1
	}
}

// refuseHTTP ends a connection that begins as one of HTTP: a web page can make a
// browser send such a request here, with commands in its body.
func (c *conn) refuseHTTP(line []byte) {
	if !c.firstLine {
		return
	}
	method, target, _ := bytes.Cut(line, []byte(" "))
	if !bytes.HasPrefix(target, []byte("/")) && !bytes.Contains(target, []byte(" HTTP/")) {
		return
	}
	switch string(method) {
	case "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE":
		if c.state == inRest {
			c.say(wordBadFormat)
		}
		c.hangUp()
	}
}

// run does the command in c.cur.
func (c *conn) run() {
	r := &c.cur
	s := &commands[r.cmd]
	if s.as != cmdNone {
		c.door.counts[s.as].Add(1)
	}
	switch {
	case s.args == argPut:
		c.beginBody()
		return
	case r.junk:
		c.say(wordBadFormat)
		return
	}
	switch r.cmd {
	case cmdQuit:
		c.hangUp()
		return
	case cmdHello:
		c.extended = true
		c.say(wordHello + c.door.opts.Version + extensionNames + "\r\n")
		return
	case cmdListTubeUsed:
		c.oweUsing(cmdNone)
		return
	case cmdUse:
		c.used = append(c.used[:0], r.name...)
		c.oweUsing(cmdUse)
	case cmdWatch:
		if c.watched >= c.door.opts.MaxWatched {
			c.say(wordOutOfMemory)
			return
		}
		c.owe(r.cmd, 0)
	case cmdReserveBatch:
		if r.n == 0 || r.n > maxBatch {
			c.say(wordBadFormat)
			return
		}
		c.batch = batch{left: r.n}
		c.owe(r.cmd, 0)
	default:
		c.owe(r.cmd, 0)
	}
	c.ask(s)
}

// ask sends the request for c.cur.
func (c *conn) ask(s *spec) {
	r := &c.cur
	q := queue.Request{
		Op: s.op, ID: queue.JobID(r.id), Queue: r.name,
		Pri: r.pri, Delay: r.delay, TTR: r.ttr, Timeout: r.timeout, N: r.n,
	}
	if s.op == queue.OpReserve {
		c.becomeWorker()
		q.Flags = queue.FlagDeadlineSoon
	}
	q.Seq = seqOwed
	c.do(q)
	c.blocked = s.alone
	if c.eof && s.op == queue.OpReserve {
		c.do(queue.Request{Op: queue.OpCancelReserve})
	}
}

// The numbers that requests carry. Results come in order, so all that has to be
// told from the number is what to do with the result.
const (
	seqIgnored = iota // nothing
	seqOwed           // it is the next answer owed
	seqChunk          // if it is an error, the upload is spoiled
)

func (c *conn) do(q queue.Request) {
	c.request = q
	c.request.Session = c.session
	c.port.Do(&c.request)
}

func (c *conn) becomeProducer() {
	if !c.producer {
		c.producer = true
		c.door.producers.Add(1)
	}
}

func (c *conn) becomeWorker() {
	if !c.worker {
		c.worker = true
		c.door.workers.Add(1)
	}
}
