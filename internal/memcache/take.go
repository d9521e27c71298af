package memcache

import (
	"bytes"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// openRead is a job that was taken and not yet confirmed. Those of a queue are
// confirmed, or given back, in the order they were taken.
type openRead struct {
	queue string
	id    queue.JobID
}

// forSession as the length of a lease: it ends with its session.
const forSession = -1

// get does a get of the key in c.cur. last: it is the last of its line. It returns
// false if it has to wait.
func (c *conn) get(last bool) bool {
	if prefix, ok := c.isQueue(c.cur.key); ok {
		return c.getQueue(prefix, last)
	}
	if !c.settled() {
		return false
	}
	c.getItem(last)
	return true
}

// getQueue takes a job, or does what the options in the key say.
func (c *conn) getQueue(prefix int, last bool) bool {
	r := &c.cur
	t, ok := queueKey(r.key, prefix)
	if r.style == meta && !r.value && !t.open && !t.close && !t.abort {
		t.peek = true // who does not want the value does not take it
	}
	careful := !ok || t.open || t.close || t.abort || c.opening || r.touch
	if careful && !c.settled() || ok && !c.related(&t, queue.Settings{}) {
		return false
	}
	switch oldest := c.oldest(t.name); {
	case !ok:
		c.fail(outBadOptions)
	case r.touch:
		c.reply(outNotForQueues)
	case t.abort:
		c.abort(oldest, last)
	case t.close && !t.open:
		c.close(oldest, last)
	case oldest >= 0 && !t.open && !t.peek:
		c.fail(outOpenRead)
	default:
		if t.close && oldest >= 0 {
			c.do(queue.Request{Op: queue.OpAck, ID: c.popOpen(oldest), Seq: seqIgnored})
		}
		if t.open && c.countOpen(t.name) >= c.door.opts.MaxOpenReads {
			c.fail(outTooManyOpen)
			break
		}
		c.reserve(&t, last)
	}
	return true
}

// use keeps the queue alive that a connection works on, which would come and go with
// each job: the one that is named twice in a row.
func (c *conn) use(name []byte) {
	switch {
	case bytes.Equal(name, c.used):
	case !bytes.Equal(name, c.last):
		c.last = append(c.last[:0], name...)
	default:
		c.used = bytes.Clone(name)
		c.do(queue.Request{Op: queue.OpUse, Queue: c.used, Seq: seqIgnored})
	}
}

// reserve asks for a job of the queue.
func (c *conn) reserve(t *target, last bool) {
	c.use(t.name)
	p := c.owe(answerJob, t.shown, last)
	p.open = t.open
	c.opening = c.opening || t.open
	q := queue.Request{Op: queue.OpReserve, Queue: t.name, Flags: queue.FlagTake | queue.FlagMore, Seq: seqOwed}
	switch {
	case t.peek:
		c.door.add(countPeek, 1)
		q.Op, q.Flags = queue.OpPeekReady, queue.FlagMore
	case t.open:
		q.Flags, q.TTR = queue.FlagMore, forSession
	}
	if !t.peek {
		c.door.add(countGet, 1)
	}
	if t.wait > 0 && !t.peek {
		c.watch(t.name)
		q.Queue, q.Timeout = nil, t.wait
		c.block()
	}
	c.do(q)
	if c.waiting && c.eof {
		c.do(queue.Request{Op: queue.OpCancelReserve})
	}
}

// block takes no input until the answer to the request that is sent next.
func (c *conn) block() { c.blocked, c.waiting = true, true }

// watch makes the session watch one queue alone: that is what a reserve that waits is
// served from.
func (c *conn) watch(name []byte) {
	old := c.watched
	if old == nil {
		old = []byte(queue.DefaultQueue)
	}
	if bytes.Equal(old, name) {
		return
	}
	c.watched = bytes.Clone(name)
	c.do(queue.Request{Op: queue.OpWatch, Queue: c.watched, Seq: seqIgnored})
	c.do(queue.Request{Op: queue.OpIgnore, Queue: old, Seq: seqIgnored})
}

// oldest finds the job of a queue that has been open for longest; -1 if none is.
func (c *conn) oldest(name []byte) int {
	for i := range c.opens {
		if c.opens[i].queue == string(name) {
			return i
		}
	}
	return -1
}

func (c *conn) countOpen(name []byte) (n int) {
	for i := range c.opens {
		if c.opens[i].queue == string(name) {
			n++
		}
	}
	return n
}

func (c *conn) popOpen(i int) queue.JobID {
	id := c.opens[i].id
	c.opens = append(c.opens[:i], c.opens[i+1:]...)
	return id
}

// close confirms the job at place i of the open ones, if there is one.
func (c *conn) close(i int, last bool) {
	if i < 0 {
		c.replyLast(outMiss, last)
		return
	}
	c.owe(answerEnd, nil, last).good = outMiss
	c.do(queue.Request{Op: queue.OpAck, ID: c.popOpen(i), Seq: seqOwed})
}

// abort gives back the job at place i of the open ones, if there is one, at the
// priority it has.
func (c *conn) abort(i int, last bool) {
	if i < 0 {
		c.replyLast(outMiss, last)
		return
	}
	c.owe(answerEnd, nil, last).good = outMiss
	c.blocked = true
	c.do(queue.Request{Op: queue.OpJobStats, ID: c.popOpen(i), Seq: seqAbort})
}

// giveBack continues an abort with what is known of the job.
func (c *conn) giveBack(r *queue.Result) {
	q := queue.Request{Op: queue.OpRelease, Seq: seqOwed}
	if job, ok := r.Info.(*queue.JobStats); ok {
		q.ID, q.Pri = job.ID, job.Pri
	}
	c.do(q)
}

// confirm confirms as many jobs of a queue as the request says.
func (c *conn) confirm(t *target) {
	n := int(c.cur.n)
	if c.countOpen(t.name) < n {
		c.say(complaintUnknown)
		return
	}
	for range n - 1 {
		c.do(queue.Request{Op: queue.OpAck, ID: c.popOpen(c.oldest(t.name)), Seq: seqIgnored})
	}
	if n == 0 {
		c.reply(outEnd)
		return
	}
	c.close(c.oldest(t.name), true)
}

// monitor is one under way: jobs are answered with as they come.
type monitor struct {
	shown []byte
	name  string
	left  uint64
	until time.Time
}

// beginMonitor hands out jobs of a queue, all open, until the time is over or there
// are as many as the client wants or may have.
func (c *conn) beginMonitor(t *target) {
	r := &c.cur
	free := uint64(max(c.door.opts.MaxOpenReads-c.countOpen(t.name), 0))
	c.monitor = monitor{
		shown: bytes.Clone(t.shown), name: string(t.name), left: min(r.max, free),
		until: c.door.opts.Clock().Add(time.Duration(r.n) * time.Second),
	}
	if c.monitor.left == 0 {
		c.reply(outEnd)
		return
	}
	c.watch(t.name)
	c.owe(answerMonitor, nil, true)
	c.nextMonitored()
}

func (c *conn) nextMonitored() {
	c.block()
	timeout := max(c.monitor.until.Sub(c.door.opts.Clock()), 0)
	if c.eof {
		timeout = 0
	}
	c.do(queue.Request{Op: queue.OpReserve, Flags: queue.FlagMore, TTR: forSession, Timeout: timeout, Seq: seqOwed})
}

// monitored takes a job of the monitor under way and asks for the next. It returns
// false when it is over.
func (c *conn) monitored(p *pending, r *queue.Result) bool {
	m := &c.monitor
	if r.Err != queue.OK {
		return false
	}
	c.opens = append(c.opens, openRead{m.name, r.ID})
	p.last = false
	c.jobAnswer(p, m.shown, nil, r)
	p.last = true
	if m.left--; m.left == 0 {
		return false
	}
	c.nextMonitored()
	return true
}
