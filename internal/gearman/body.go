package gearman

import (
	"bytes"
	"crypto/sha256"
	"hash"

	"github.com/millrace/millrace/internal/queue"
)

// Data beyond queue.MaxInlineBody does not wait in a buffer of input: that of a job is
// passed on to the queue as it comes, other data is collected in pieces.

// minChunk is how much of such data is worth a piece, in bytes.
const minChunk = 64 << 10

// maxArgsSize is how much of a large packet its arguments may be, in bytes.
const maxArgsSize = 4096

// large is data on its way.
type large struct {
	left    uint64    // bytes still to come
	spoiled bool      // a chunk was refused
	hash    hash.Hash // of the data, when it is the job's unique key; nil: not wanted
}

// beginLarge reads the arguments of a packet whose data is large.
func (c *conn) beginLarge(h header, in []byte) int {
	if len(in) < headerSize+maxArgsSize {
		return 0
	}
	if !c.expected(h) {
		c.large.left, c.state = uint64(h.size), inWaste
		return headerSize
	}
	// They are needed when the input is gone.
	args := bytes.Clone(in[headerSize : headerSize+maxArgsSize])
	used, ok := c.cur.parse(h.cmd, args)
	if !ok || !commands[h.cmd].data {
		c.refuse(errTooLarge, textPacketTooLarge)
		c.large.left, c.state = uint64(h.size), inWaste
		return headerSize
	}
	c.cur.data = nil
	c.large = large{left: uint64(h.size) - uint64(used)}
	c.state = inGather
	if commands[h.cmd].pri != 0 {
		c.state = inUpload
		c.uploads++
		c.cur.upload = c.uploads
		if string(c.cur.arg[1]) == uniqueIsData {
			c.large.hash = sha256.New()
		}
	}
	return headerSize + used
}

// more takes what has come of large data.
func (c *conn) more(in []byte) int {
	n := uint64(len(in))
	if c.state != inWaste && n < minChunk && n < c.large.left {
		return 0
	}
	n = min(n, c.large.left, queue.MaxInlineBody)
	c.large.left -= n
	c.piece(in[:n])
	if c.large.left == 0 {
		c.endLarge()
	}
	return int(n)
}

func (c *conn) piece(p []byte) {
	switch c.state {
	case inGather:
		c.cur.chunks = append(c.cur.chunks, bytes.Clone(p))
	case inUpload:
		if c.large.hash != nil {
			c.large.hash.Write(p)
		}
		q := queue.Request{Op: queue.OpChunk, Seq: seqChunk, Upload: c.cur.upload, Body: p}
		if c.door.volatile(c.cur.cmd) {
			q.Flags = queue.FlagVolatile
		}
		c.do(q)
	}
}

// endLarge does what the packet asks, now that all of it was taken.
func (c *conn) endLarge() {
	was := c.state
	c.state = atStart
	if was == inWaste {
		return
	}
	if c.large.hash != nil {
		c.cur.digest = c.large.hash.Sum(nil)
	}
	if c.large.spoiled {
		c.dropUpload()
		c.refuse(errQueue, textNoSpace)
		return
	}
	commands[c.cur.cmd].run(c, &c.cur)
	c.cur = request{}
}

// dropUpload takes back what was passed on of the packet being read.
func (c *conn) dropUpload() {
	if c.cur.upload != 0 {
		c.do(queue.Request{Op: queue.OpDropUpload, Upload: c.cur.upload})
	}
}
