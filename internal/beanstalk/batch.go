package beanstalk

import (
	"bytes"

	"github.com/millrace/millrace/internal/queue"
)

// Limits of the batch commands.
const (
	maxBatch      = 1000    // jobs
	maxBatchBytes = 1 << 20 // bodies' bytes after which no further job joins a batch
)

// batch is a reserve-batch on its way.
type batch struct {
	left  uint64 // jobs still wanted
	taken uint64
	bytes int
}

// putBatch puts the jobs of a batch: for each, the length of its body, CRLF, the
// body, CRLF. Either all are put or, when any part is malformed, none.
func (c *conn) putBatch(in []byte) {
	jobs, ok := countBatch(in)
	if !ok {
		c.say(wordBadFormat)
		return
	}
	r := &c.cur
	for range jobs {
		var body []byte
		body, in, _ = cutJob(in)
		c.door.counts[cmdPut].Add(1)
		c.owe(cmdPutBatch, 0)
		c.do(queue.Request{Op: queue.OpPut, Seq: seqOwed, Pri: r.pri, Delay: r.delay, TTR: r.ttr, Body: body})
	}
	c.say(string(c.numberLine(wordBatch, uint64(jobs))))
}

// countBatch counts the jobs of a batch.
func countBatch(in []byte) (jobs int, ok bool) {
	for len(in) > 0 && jobs <= maxBatch {
		if _, in, ok = cutJob(in); !ok {
			return 0, false
		}
		jobs++
	}
	return jobs, jobs > 0 && jobs <= maxBatch
}

// cutJob takes the first job off a batch.
func cutJob(in []byte) (body, rest []byte, ok bool) {
	head, rest, found := bytes.Cut(in, []byte("\r\n"))
	a := arguments{rest: head}
	n := a.number(queue.MaxInlineBody)
	if !found || a.bad || len(a.rest) > 0 || uint64(len(rest)) < n+2 || string(rest[n:n+2]) != "\r\n" {
		return nil, nil, false
	}
	return rest[:n], rest[n+2:], true
}

// batchJob answers with the next job of a reserve-batch, or ends it. It says
// whether it has asked for one more.
func (c *conn) batchJob(r *queue.Result) (more bool) {
	b := &c.batch
	if r.Err == queue.OK {
		c.replyJob(commands[cmdReserve].reply, r, r.Queue)
		b.left--
		b.taken++
		b.bytes += r.Body.Len()
		if b.left > 0 && b.bytes < maxBatchBytes {
			c.do(queue.Request{Op: queue.OpReserve, Seq: seqOwed})
			return true
		}
	} else if b.taken == 0 || r.Err == queue.ErrUnavailable {
		c.replyError(r.Err)
		return false
	}
	c.out.Bytes(c.numberLine(wordBatch, b.taken))
	return false
}
