package gearman

import (
	"bytes"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// state says what the next bytes of input are.
type state uint8

const (
	atStart  state = iota // a packet or a line
	inUpload              // data of a job, passed on in chunks
	inGather              // other data, collected
	inWaste               // what is too large
)

// conn is a connection: input becomes requests, results become replies.
type conn struct {
	door    *Door
	session queue.SessionID
	port    engine.Requester
	out     *netserve.Out
	entry   *entry

	state   state
	cur     request // the packet being read
	large   large   // its data, when it does not come at once
	uploads uint64  // uploads begun

	owed    []pending
	done    int    // of owed: answers given
	text    []byte // texts of owed
	said    int    // of text: bytes used
	request queue.Request
	mores   []queue.More // of the requests that have not run
	line    []byte       // scratch
	named   []byte       // the function that the registry was told last

	timeouts map[string]time.Duration // of the functions this worker has; 0: none
	asleep   bool                     // PRE_SLEEP was said, and nothing since
	thrown   queue.JobID              // ended by the worker's last exception
	task     task                     // the administrative command under way
	spoke    bool                     // something was read
	closing  bool                     // nothing more is read; close when the answers owed are given

	exceptions bool // the client wants them
}

// Feed implements netserve.Conn.
func (c *conn) Feed(in []byte) (used int) {
	for range netserve.FeedRequests {
		if c.Blocked() || c.closing || used == len(in) {
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

// Blocked implements netserve.Conn. Only administrative commands, which may take
// several requests, hold up what is behind them.
func (c *conn) Blocked() bool { return c.task != nil }

// InRequest implements netserve.Conn.
func (c *conn) InRequest() bool { return c.state != atStart }

// EOF implements netserve.Conn: nothing waits for a client that sends no more.
func (c *conn) EOF() {}

// Closed implements netserve.Conn.
func (c *conn) Closed() { c.door.registry.leave(c.entry) }

// hangUp ends the connection once every answer owed is given.
func (c *conn) hangUp() {
	c.closing = true
	if c.done == len(c.owed) {
		c.out.Close()
	}
}

// step reads one thing of in, which is not empty, and says how long it was; 0 when
// there is too little of it.
func (c *conn) step(in []byte) int {
	switch {
	case c.state != atStart:
		return c.more(in)
	case in[0] != 0:
		return c.textLine(in)
	case len(in) < headerSize:
		return 0
	}
	c.spoke = true
	h, ok := parseHeader(in)
	switch {
	case !ok:
		c.hangUp()
		return len(in)
	case h.size > c.door.opts.MaxPacket:
		c.refuse(errTooLarge, textPacketTooLarge)
		c.large.left = uint64(h.size)
		c.state = inWaste
		return headerSize
	case h.size > queue.MaxInlineBody:
		return c.beginLarge(h, in)
	}
	end := headerSize + int(h.size)
	if len(in) < end {
		return 0
	}
	c.packet(h, in[headerSize:end])
	return end
}

// packet does what a packet that has come whole asks.
func (c *conn) packet(h header, body []byte) {
	if !c.expected(h) {
		return
	}
	if _, ok := c.cur.parse(h.cmd, body); !ok {
		c.hangUp()
		return
	}
	commands[h.cmd].run(c, &c.cur)
}

// expected answers packets that only a server sends.
func (c *conn) expected(h header) bool {
	switch {
	case h.response:
		c.refuse(errInvalidMagic, "Request magic expected")
	case commands[h.cmd].run == nil:
		c.refuse(errInvalidCommand, "Command not expected")
	default:
		return true
	}
	return false
}

// textLine reads a line of the administrative protocol.
func (c *conn) textLine(in []byte) int {
	end := bytes.IndexByte(in[:min(len(in), maxTextLine)], '\n')
	if end < 0 {
		if len(in) >= maxTextLine {
			c.say("ERR UNKNOWN_COMMAND The+line+is+too+long\r\n")
			c.hangUp()
			return len(in)
		}
		return 0
	}
	c.admin(bytes.TrimSuffix(in[:end], []byte("\r")))
	return end + 1
}

// The numbers that requests carry. Results come in order, so all that has to be told
// from the number is what to do with the result.
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

// keepMores bounds the memory kept for queue.More between turns.
const keepMores = 16

// moreFor gives a request a queue.More of its own, which stays until it has run.
func (c *conn) moreFor(m queue.More) *queue.More {
	c.mores = append(c.mores, m)
	return &c.mores[len(c.mores)-1]
}
