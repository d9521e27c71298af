package beanstalk

import (
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// minChunk is how much of an upload is worth passing on, in bytes.
const minChunk = 64 << 10

// beginBody prepares for the body that follows a put's line.
func (c *conn) beginBody() {
	r := &c.cur
	most := uint64(c.door.opts.MaxJobSize)
	if r.cmd == cmdPutBatch {
		most = queue.MaxInlineBody
	}
	switch {
	case r.n > most:
		c.state = inWaste
		c.left = r.n + 2
		return
	case r.junk:
		c.say(wordBadFormat)
		return
	}
	c.becomeProducer()
	if r.ttr < commands[r.cmd].unit {
		r.ttr = time.Second
	}
	if r.n <= queue.MaxInlineBody {
		c.state = inBody
		return
	}
	c.state = inUpload
	c.left = r.n + 2
	c.chunk++
	c.spoiled = false
}

// body takes a body that is complete in the input.
func (c *conn) body(in []byte) int {
	size := int(c.cur.n)
	if len(in) < size+2 {
		return 0
	}
	c.endBody(in[:size], in[size] == '\r' && in[size+1] == '\n')
	return size + 2
}

// upload passes on what has come of a large body.
func (c *conn) upload(in []byte) int {
	n := uint64(len(in))
	if n < minChunk && n < c.left {
		return 0
	}
	n = min(n, c.left, queue.MaxInlineBody)
	if left := c.left - n; left == 1 {
		n-- // keep the CRLF together
	}
	c.left -= n
	piece := in[:n]
	if c.left > 0 {
		c.do(queue.Request{Op: queue.OpChunk, Seq: seqChunk, Upload: c.chunk, Body: piece})
		return int(n)
	}
	body, end := piece[:n-2], piece[n-2:]
	if len(body) > 0 {
		c.do(queue.Request{Op: queue.OpChunk, Seq: seqChunk, Upload: c.chunk, Body: body})
	}
	c.endBody(nil, end[0] == '\r' && end[1] == '\n')
	return int(n)
}

// endBody does the put whose body has come.
func (c *conn) endBody(body []byte, terminated bool) {
	r := &c.cur
	refusal := ""
	switch {
	case !terminated:
		refusal = wordExpectedCRLF
	case c.door.draining.Load():
		refusal = wordDraining
	case c.state == inUpload && c.spoiled:
		refusal = wordOutOfMemory
	}
	if refusal != "" {
		c.abort()
		c.say(refusal)
		return
	}
	upload := uint64(0)
	if c.state == inUpload {
		upload = c.chunk
	}
	c.state = inLine
	if r.cmd == cmdPutBatch {
		c.putBatch(body)
		return
	}
	c.owe(r.cmd, 0)
	c.do(queue.Request{Op: queue.OpPut, Seq: seqOwed, Pri: r.pri, Delay: r.delay, TTR: r.ttr, Body: body, Upload: upload})
}

// abort forgets the put that is under way, if one is. It uses up an id, as in
// beanstalkd, where a job has one from its first byte.
func (c *conn) abort() {
	if c.state == inUpload {
		c.do(queue.Request{Op: queue.OpDropUpload, Upload: c.chunk})
	}
	if c.state == inUpload || c.state == inBody {
		c.do(queue.Request{Op: queue.OpSkipID})
	}
	c.state = inLine
}

// waste throws away a body that is too long.
func (c *conn) waste(in []byte) int {
	n := min(uint64(len(in)), c.left)
	c.left -= n
	if c.left == 0 {
		c.state = inLine
		c.say(wordJobTooBig)
	}
	return int(n)
}
