package memcache

import (
	"bytes"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// priority of the jobs put here: normal.
const priority = 1024

// minChunk is how much of an upload is worth passing on, in bytes.
const minChunk = 64 << 10

// store does a request with a value, which begins at in[head:]. It returns how much
// of in was used.
func (c *conn) store(in []byte, head int) int {
	prefix, isQueue := c.isQueue(c.cur.key)
	if isQueue {
		return c.put(in, head, prefix)
	}
	r := &c.cur
	switch {
	case !c.settled():
		return 0
	case !c.door.area.fits(r.key, r.size):
		if r.verb == verbSet {
			c.door.area.drop(r.key)
		}
		return c.pass(outTooLarge, head)
	case r.size > queue.MaxInlineBody:
		c.keepRequest()
		c.state, c.left, c.value = inValue, r.size+c.tail(), nil
		return head
	}
	body, used := c.whole(in, head)
	if used == 0 {
		return 0
	}
	if body == nil {
		c.say(complaintChunk)
		return used
	}
	c.storeItem(bytes.Clone(body))
	return used
}

// tail is how long the end of a value is: CRLF, or nothing.
func (c *conn) tail() uint64 {
	if c.cur.style == packets {
		return 0
	}
	return 2
}

// whole returns the value that begins at in[head:], which is nil if it does not end
// as it should, and where it ends; 0 if it is not all there.
func (c *conn) whole(in []byte, head int) (body []byte, used int) {
	end := head + int(c.cur.size)
	used = end + int(c.tail())
	if len(in) < used {
		return nil, 0
	}
	if used > end && string(in[end:used]) != "\r\n" {
		return nil, used
	}
	return in[head:end:end], used
}

// pass answers and passes over the value that comes.
func (c *conn) pass(o outcome, head int) int {
	c.reply(o)
	c.waste(c.cur.size + c.tail())
	return head
}

// keepRequest copies what c.cur has of the input, which will be gone.
func (c *conn) keepRequest() {
	c.cur.key, c.cur.meta = bytes.Clone(c.cur.key), bytes.Clone(c.cur.meta)
}

// gather collects a large value for the area as it comes.
func (c *conn) gather(in []byte) int {
	n := int(min(uint64(len(in)), c.left))
	c.value = append(c.value, in[:n]...)
	if c.left -= uint64(n); c.left > 0 {
		return n
	}
	value := c.value
	c.state, c.value = inCommand, nil
	end := len(value) - int(c.tail())
	if c.tail() > 0 && string(value[end:]) != "\r\n" {
		c.say(complaintChunk)
		return n
	}
	c.storeItem(value[:end:end])
	return n
}

// put begins to put a job whose body is at in[head:].
func (c *conn) put(in []byte, head, prefix int) int {
	r := &c.cur
	t, ok := queueKey(r.key, prefix)
	expiresAt, over := c.expiresAt(r.expiry)
	refusal, refused := outStored, over
	switch {
	case !ok:
		refusal, refused = outBadOptions, true
	case r.verb != verbSet || r.compare:
		refusal, refused = outNotForQueues, true
	case r.size > uint64(c.door.opts.MaxJobSize):
		refusal, refused = outTooLarge, true
	}
	wanted := queue.Settings{}
	if expiresAt != 0 && string(t.name) != c.door.opts.ExpireTo {
		wanted.ExpireTo = c.door.opts.ExpireTo
	}
	switch {
	case refused && !c.settled():
		return 0
	case refused:
		return c.pass(refusal, head)
	case r.size > queue.MaxInlineBody:
		if !c.settled() || !c.related(&t, wanted) {
			return 0
		}
		c.keepRequest()
		c.job, _ = queueKey(c.cur.key, prefix)
		c.state, c.left, c.spoiled = inUpload, r.size+c.tail(), false
		c.upload++
		return head
	}
	body, used := c.whole(in, head)
	switch {
	case used == 0 || body == nil && !c.settled():
		return 0
	case body == nil:
		c.say(complaintChunk)
	case !c.related(&t, wanted):
		return 0
	default:
		c.putJob(&t, body, 0, expiresAt)
	}
	return used
}

// expiresAt reads an expiry as Kestrel does: below a million, so many seconds from
// now, otherwise since 1970; 0: never. over says that the time has passed.
func (c *conn) expiresAt(expiry int64) (at int64, over bool) {
	if expiry == 0 {
		return 0, false
	}
	now := c.door.opts.Clock()
	if expiry < 1_000_000 {
		return now.Add(time.Duration(expiry) * time.Second).UnixNano(), expiry < 0
	}
	t := time.Unix(min(expiry, 1<<33), 0)
	return t.UnixNano(), !t.After(now)
}

// putJob sends the put of a job.
func (c *conn) putJob(t *target, body []byte, upload uint64, expiresAt int64) {
	c.door.add(countSet, 1)
	c.use(t.name)
	q := queue.Request{
		Op: queue.OpPut, Queue: t.name, Pri: priority, Body: body, Upload: upload,
		ExpiresAt: expiresAt, Flags: queue.FlagFanOut,
	}
	if c.cur.flags != 0 {
		c.mores = append(c.mores, queue.More{ClientFlags: c.cur.flags})
		q.More = &c.mores[len(c.mores)-1]
	}
	if !c.cur.quiet || c.cur.style != textual {
		c.owe(answerPut, t.shown, true)
		q.Seq = seqOwed
	}
	c.do(q)
}

// chunk passes on what has come of a large body.
func (c *conn) chunk(in []byte) int {
	n := uint64(len(in))
	if n < minChunk && n < c.left {
		return 0
	}
	n = min(n, c.left, queue.MaxInlineBody)
	if c.left-n == 1 {
		n-- // keep the CRLF together
	}
	if c.left -= n; c.left > 0 {
		c.do(queue.Request{Op: queue.OpChunk, Seq: seqChunk, Upload: c.upload, Body: in[:n]})
		return int(n)
	}
	body := in[:n-c.tail()]
	if len(body) > 0 {
		c.do(queue.Request{Op: queue.OpChunk, Seq: seqChunk, Upload: c.upload, Body: body})
	}
	c.endUpload(c.tail() == 0 || string(in[n-2:n]) == "\r\n")
	return int(n)
}

// endUpload does the put whose body has come.
func (c *conn) endUpload(terminated bool) {
	c.state = inCommand
	expiresAt, _ := c.expiresAt(c.cur.expiry)
	if terminated && !c.spoiled {
		c.putJob(&c.job, nil, c.upload, expiresAt)
		return
	}
	c.do(queue.Request{Op: queue.OpDropUpload, Upload: c.upload})
	if !terminated {
		c.say(complaintChunk)
		return
	}
	c.reply(outNoRoom)
}

// related sees to it that a queue has the settings wanted, and that a child is its
// parent's. It returns false when it has to ask: the request is read again then.
func (c *conn) related(t *target, wanted queue.Settings) bool {
	wanted.Parent = string(t.parent)
	if wanted == (queue.Settings{}) {
		return true
	}
	if c.sure != nil && bytes.Equal(c.sure, t.name) {
		c.sure = nil
		return true
	}
	if c.settled() {
		c.wanted, c.sure, c.blocked = wanted, bytes.Clone(t.name), true
		c.do(queue.Request{Op: queue.OpSettings, Queue: c.sure, Seq: seqSettings})
	}
	return false
}

// configure gives the queue in c.sure the settings wanted, if it has none such.
func (c *conn) configure(r *queue.Result) {
	c.blocked = false
	s, _ := r.Info.(queue.Settings)
	before := s
	if s.Parent == "" {
		s.Parent = c.wanted.Parent
	}
	if s.ExpireTo == "" {
		s.ExpireTo = c.wanted.ExpireTo
	}
	if s != before {
		c.do(queue.Request{Op: queue.OpConfigure, Queue: c.sure, Settings: &s, Seq: seqIgnored})
	}
}
