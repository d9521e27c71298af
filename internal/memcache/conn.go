package memcache

import (
	"bytes"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// state says what the next bytes of input are.
type state uint8

const (
	inCommand state = iota // a line or a packet
	inKeys                 // the keys of a get
	inUpload               // a job's body that is passed on in chunks
	inValue                // a value for the key-value area
	inWaste                // a value that nobody wants
	inRest                 // the rest of a line that nobody wants
)

// conn is a connection: input becomes requests, results become answers.
type conn struct {
	door    *Door
	session queue.SessionID
	port    engine.Requester
	out     *netserve.Out

	state  state
	chosen bool // by its first byte: text or the binary protocol
	binary bool
	cur    request
	keys   int    // of the get under way
	left   uint64 // bytes of the value and its end still to come
	value  []byte // of it, what has come
	job    target // of a set under way

	upload  uint64
	spoiled bool // a chunk of the upload was refused

	owed    []pending
	done    int    // of owed: answers given
	text    []byte // keys and flags that the answers owed need
	said    int    // of text
	mores   []queue.More
	request queue.Request
	line    []byte // scratch

	opens   []openRead
	opening bool   // a get that may open one is owed
	watched []byte // the queue the session watches
	used    []byte // the queue the session uses
	last    []byte // the one named last, if it is another
	sure    []byte // the queue whose settings were just seen to
	wanted  queue.Settings
	dropped []byte // the child that is deleted
	monitor monitor
	purges  int // of a flush_all under way

	wrote   int  // bytes of the area's values, in this Feed
	held    bool // an answer waits until those owed before it are given
	blocked bool // a request that stands alone is under way
	waiting bool // it is a reserve
	eof     bool
	closing bool // nothing more is read; close when the answers owed are given
}

// valuesPerFeed is how many bytes of values of the area one Feed may answer with.
const valuesPerFeed = 256 << 10

// Feed implements netserve.Conn.
func (c *conn) Feed(in []byte) (used int) {
	c.wrote, c.mores = 0, c.mores[:0]
	for range netserve.FeedRequests {
		if c.Blocked() || c.closing || used == len(in) || c.wrote > valuesPerFeed {
			break
		}
		n := c.step(in[used:])
		if n == 0 {
			break
		}
		used += n
	}
	c.door.add(countBytesRead, uint64(used))
	return used
}

// Event implements netserve.Conn: this protocol has no events.
func (c *conn) Event(queue.Event, uint32, *queue.Result) {}

// Blocked implements netserve.Conn.
func (c *conn) Blocked() bool { return c.blocked || c.held }

// InRequest implements netserve.Conn.
func (c *conn) InRequest() bool { return c.state != inCommand }

// EOF implements netserve.Conn. A client that sends no more does not wait for a job
// either.
func (c *conn) EOF() {
	c.eof = true
	if c.waiting {
		c.do(queue.Request{Op: queue.OpCancelReserve})
	}
}

// Closed implements netserve.Conn.
func (c *conn) Closed() { c.door.open.Add(-1) }

// hangUp ends the connection once every answer owed is given.
func (c *conn) hangUp() {
	c.closing = true
	if len(c.owed) == 0 {
		c.out.Close()
	}
}

// settled says that no answer is owed, so that one can be given at once. If not, the
// connection takes no input until it is so.
func (c *conn) settled() bool {
	c.held = len(c.owed) > 0
	return !c.held
}

// step reads one thing of in, which is not empty, and says how long it was; 0 when
// there is too little of it or an answer is waited for.
func (c *conn) step(in []byte) int {
	if !c.chosen {
		c.chosen, c.binary = true, in[0] == magicRequest
	}
	switch c.state {
	case inKeys:
		return c.key(in)
	case inUpload:
		return c.chunk(in)
	case inValue:
		return c.gather(in)
	case inWaste:
		n := min(uint64(len(in)), c.left)
		if c.left -= n; c.left == 0 {
			c.state = inCommand
		}
		return int(n)
	case inRest:
		return c.rest(in)
	}
	if c.binary {
		return c.packet(in)
	}
	return c.command(in)
}

// rest reads to the end of a line.
func (c *conn) rest(in []byte) int {
	end := bytes.IndexByte(in, '\n')
	if end < 0 {
		return len(in)
	}
	c.state = inCommand
	return end + 1
}

// command reads a line and does what it says.
func (c *conn) command(in []byte) int {
	end := bytes.IndexByte(in[:min(len(in), maxLine)], '\n')
	if end < 0 && len(in) < maxLine {
		return 0
	}
	whole := end >= 0
	line := in[:min(len(in), maxLine)]
	if whole {
		line = bytes.TrimSuffix(in[:end:end], []byte("\r"))
	}
	var t [maxTokens][]byte
	args := tokens(line, &t)
	if len(args) == 0 {
		return c.complain(complaintUnknown, end+1)
	}
	s, known := lookup(args[0], c.door.area == nil)
	switch {
	case known && s.shape == shapeKeys:
		return c.beginKeys(in, line, s, args, whole)
	case !whole:
		return c.complainAndClose(complaintTooLong, len(in))
	case isHTTP(args):
		return c.complainAndClose(complaintUnknown, len(in))
	case !known:
		return c.complain(complaintUnknown, end+1)
	}
	complaint := c.cur.parse(s, args[1:])
	if complaint != "" {
		return c.refuse(complaint, end+1)
	}
	if c.cur.verb.stores() {
		return c.store(in, end+1)
	}
	if !c.run() {
		return 0
	}
	return end + 1
}

// isHTTP recognises a request of HTTP: a web page can make a browser send one here,
// with commands in its body.
func isHTTP(args [][]byte) bool {
	switch string(args[0]) {
	case "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE":
		return bytes.HasPrefix(args[len(args)-1], []byte("HTTP/"))
	}
	return false
}

// beginKeys reads a get up to its keys, of which there may be any number.
func (c *conn) beginKeys(in, line []byte, s spec, args [][]byte, whole bool) int {
	c.cur = request{verb: s.verb, withCAS: s.withCAS, touch: s.touch}
	last := args[0]
	least := 2
	if s.touch && len(args) > 1 {
		expiry, ok := integer(args[1])
		if !ok {
			return c.refuse(complaintExpiry, lineLength(in, line))
		}
		c.cur.expiry, last = expiry, args[1]
	}
	switch {
	case len(args) < least && whole:
		return c.complain(complaintUnknown, lineLength(in, line))
	case len(args) <= least && !whole:
		return c.complainAndClose(complaintTooLong, len(in))
	case whole && hasLongKey(line):
		return c.complain(complaintFormat, lineLength(in, line))
	}
	c.state, c.keys = inKeys, 0
	return cap(line) - cap(last) + len(last) // last is a part of line
}

// lineLength is that of a line with its end.
func lineLength(in, line []byte) int {
	if in[len(line)] == '\r' {
		return len(line) + 2
	}
	return len(line) + 1
}

func hasLongKey(line []byte) bool {
	for len(line) > maxKey {
		end := bytes.IndexByte(line, ' ')
		if end < 0 || end > maxKey {
			return true
		}
		line = line[end+1:]
	}
	return false
}

// key reads the next key of a get, or the end of its line.
func (c *conn) key(in []byte) int {
	from := 0
	for from < len(in) && in[from] == ' ' {
		from++
	}
	rest := in[from:min(len(in), from+maxKey+2)]
	length := bytes.IndexAny(rest, " \n")
	if length < 0 {
		if len(rest) == maxKey+2 {
			c.state = inRest
			return c.complain(complaintFormat, from)
		}
		return from
	}
	key, used := rest[:length], from+length
	if rest[length] == '\n' {
		key, used = bytes.TrimSuffix(key, []byte("\r")), used+1
	}
	last := rest[length] == '\n'
	if len(key) == 0 { // the line ended in spaces
		if !c.settled() {
			return 0
		}
		c.say("END")
	} else if c.cur.key = key; !c.get(last) {
		return 0
	}
	if last {
		c.state = inCommand
	}
	return used
}

// packet reads a request of the binary protocol.
func (c *conn) packet(in []byte) int {
	used, status, fatal := c.cur.parseBinary(in)
	switch {
	case used == 0:
		return 0
	case status != 0:
		if !c.settled() {
			return 0
		}
		p := c.pending()
		c.packetError(&p, status)
		if fatal {
			c.hangUp()
			return len(in)
		}
		c.waste(c.cur.size)
		return used
	case c.cur.verb.stores():
		return c.store(in, used)
	}
	if !c.run() {
		return 0
	}
	return used
}

// waste passes over n bytes.
func (c *conn) waste(n uint64) {
	if c.left = n; n > 0 {
		c.state = inWaste
	}
}

// complain answers with a line that needs nothing from the queue, to what is used
// bytes long.
func (c *conn) complain(complaint string, used int) int {
	if !c.settled() {
		return 0
	}
	c.say(complaint)
	return used
}

func (c *conn) complainAndClose(complaint string, used int) int {
	if used = c.complain(complaint, used); used > 0 {
		c.hangUp()
	}
	return used
}

// refuse answers to a line that is malformed. The value that comes with it is passed
// over if it is known how long it is.
func (c *conn) refuse(complaint string, used int) int {
	if c.cur.quiet && c.cur.style == textual {
		return used
	}
	if used = c.complain(complaint, used); used > 0 && c.cur.follows {
		c.waste(c.cur.size + 2)
	}
	return used
}

// isQueue says whether a key means a queue, and how many bytes of it say so.
func (c *conn) isQueue(key []byte) (prefix int, ok bool) {
	p := c.door.opts.Prefix
	return len(p), len(key) >= len(p) && string(key[:len(p)]) == p
}

// The numbers that requests carry. Results come in order, so all that has to be told
// from the number is what to do with the result.
const (
	seqIgnored  = iota // nothing
	seqOwed            // it is for the next answer owed
	seqChunk           // if it is an error, the upload is spoiled
	seqSettings        // change the settings to those wanted
	seqDropped         // make the queue nobody's child
	seqAbort           // give the job back as it was
	seqNames           // purge all of these
	seqPurge           // one of them is done
)

func (c *conn) do(q queue.Request) {
	c.request = q
	c.request.Session = c.session
	c.port.Do(&c.request)
}
