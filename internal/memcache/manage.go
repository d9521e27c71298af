package memcache

import (
	"bytes"

	"github.com/millrace/millrace/internal/queue"
)

// run does the request in c.cur, one without a value. It returns false if it has to
// wait.
func (c *conn) run() bool {
	if c.cur.verb == verbGet {
		return c.get(true)
	}
	if !c.settled() {
		return false
	}
	if len(c.cur.key) > 0 && c.cur.verb != verbStats {
		return c.runKey()
	}
	switch r := &c.cur; r.verb {
	case verbNoop:
		c.sayOr("MN")
	case verbVersion:
		c.sayVersion()
	case verbVerbosity:
		c.reply(outDone)
	case verbQuit:
		if r.style == packets {
			c.reply(outDone)
		}
		c.hangUp()
	case verbFlushAll:
		c.flushAll()
	case verbFlushExpired:
		c.say("0") // what expires is gone at once
	case verbStats, verbDumpStats:
		c.stats()
	case verbStatus:
		c.status()
	case verbReload:
		c.reply(outRefused)
	case verbShutdown:
		c.shutdown()
	}
	return true
}

// runKey does a request about a key.
func (c *conn) runKey() bool {
	r := &c.cur
	prefix, isQueue := c.isQueue(r.key)
	if !isQueue {
		c.runItem()
		return true
	}
	t, ok := queueKey(r.key, prefix)
	if !ok {
		c.fail(outBadOptions)
		return true
	}
	switch r.verb {
	case verbDelete:
		c.deleteQueue(&t)
	case verbFlush:
		c.owe(answerEnd, nil, true).good = outEnd
		c.blocked = true
		c.do(queue.Request{Op: queue.OpPurge, Queue: t.name, Seq: seqOwed})
	case verbFlushExpired:
		c.say("0")
	case verbMonitor:
		if !c.related(&t, queue.Settings{}) {
			return false
		}
		c.beginMonitor(&t)
	case verbConfirm:
		c.confirm(&t)
	case verbDebug:
		c.reply(outMiss)
	default:
		c.reply(outNotForQueues)
	}
	return true
}

// deleteQueue removes the jobs of a queue, and makes it nobody's child.
func (c *conn) deleteQueue(t *target) {
	if len(t.parent) > 0 {
		c.dropped = bytes.Clone(t.name)
		c.do(queue.Request{Op: queue.OpSettings, Queue: c.dropped, Seq: seqDropped})
	}
	if bytes.Equal(t.name, c.used) {
		c.used, c.last = nil, c.last[:0]
		c.do(queue.Request{Op: queue.OpUse, Queue: []byte(queue.DefaultQueue), Seq: seqIgnored})
	}
	c.owe(answerEnd, t.shown, true).good = outDeleted
	c.blocked = true
	c.do(queue.Request{Op: queue.OpPurge, Queue: t.name, Seq: seqOwed})
}

// orphan makes the queue in c.dropped nobody's child.
func (c *conn) orphan(r *queue.Result) {
	if s, ok := r.Info.(queue.Settings); ok && s.Parent != "" {
		s.Parent = ""
		c.do(queue.Request{Op: queue.OpConfigure, Queue: c.dropped, Settings: &s, Seq: seqIgnored})
	}
}

// flushAll empties the area, or where every key is a queue, all queues.
func (c *conn) flushAll() {
	c.door.add(countFlush, 1)
	if c.door.area != nil {
		c.door.area.flush(c.cur.expiry)
		c.reply(outDone)
		return
	}
	c.owe(answerEnd, nil, true).good = outFlushed
	c.blocked = true
	c.do(queue.Request{Op: queue.OpQueues, Seq: seqNames})
}

// purgeAll continues a flush_all with the names of the queues.
func (c *conn) purgeAll(r *queue.Result) {
	names, _ := r.Info.([]string)
	c.purges = len(names)
	for _, name := range names {
		c.do(queue.Request{Op: queue.OpPurge, Queue: []byte(name), Seq: seqPurge})
	}
}

// purged notes that a queue is empty. One that is gone meanwhile is, too.
func (c *conn) purged(r *queue.Result) {
	if c.purges--; c.purges == 0 || r.Err == queue.ErrNoSpace {
		c.purges = 0
		c.settle(r)
	}
}

// status is Kestrel's: whether the server takes everything, only reads, or nothing.
func (c *conn) status() {
	switch arg := string(bytes.ToLower(c.cur.arg)); arg {
	case "":
		c.say("UP")
	case "up":
		c.say("END")
	default:
		c.reply(outRefused)
	}
}

func (c *conn) shutdown() {
	if c.door.opts.Shutdown == nil {
		c.say(complaintShutdown)
		return
	}
	c.door.opts.Shutdown()
	c.hangUp()
}
