package memcache

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/millrace/millrace/internal/queue"
)

// answerKind says what makes an answer of a result.
type answerKind uint8

const (
	answerJob     answerKind = iota // a job, or that there is none
	answerPut                       // that a job was put
	answerEnd                       // how something went
	answerMonitor                   // jobs, one after another
	answerStats                     // figures of all queues
)

// pending is an answer that is owed. The answers come in order.
type pending struct {
	kind    answerKind
	verb    verb
	style   style
	good    outcome // answerEnd: if all went well
	quiet   bool
	last    bool // text: nothing follows of this get
	withCAS bool
	withKey bool
	value   bool // meta: the value is wanted
	binary  bool // meta: the key goes out in base64
	open    bool // the job is to be confirmed
	opcode  byte
	opaque  uint32
	key     uint16 // bytes of conn.text that are its key
	meta    uint16 // and its flags
}

// pending describes the answer to the request in c.cur.
func (c *conn) pending() pending {
	r := &c.cur
	return pending{
		verb: r.verb, style: r.style, quiet: r.quiet, withCAS: r.withCAS, withKey: r.withKey, last: true,
		value: r.value, binary: r.binaryKey, opcode: r.opcode, opaque: r.opaque,
	}
}

// owe adds the answer to the request in c.cur to those that are owed. key is what it
// calls its queue.
func (c *conn) owe(kind answerKind, key []byte, last bool) *pending {
	p := c.pending()
	p.kind, p.last = kind, last
	p.key, p.meta = uint16(len(key)), uint16(len(c.cur.meta))
	c.text = append(append(c.text, key...), c.cur.meta...)
	c.owed = append(c.owed, p)
	return &c.owed[len(c.owed)-1]
}

// Result implements netserve.Conn.
func (c *conn) Result(seq uint32, r *queue.Result) {
	switch seq {
	case seqOwed:
		c.settle(r)
	case seqChunk:
		c.spoiled = c.spoiled || r.Err != queue.OK
	case seqSettings:
		c.configure(r)
	case seqDropped:
		c.orphan(r)
	case seqAbort:
		c.giveBack(r)
	case seqNames:
		c.purgeAll(r)
	case seqPurge:
		if c.purges > 0 {
			c.purged(r)
		}
	}
}

// settle gives the answer whose turn it is.
func (c *conn) settle(r *queue.Result) {
	if c.done == len(c.owed) {
		return
	}
	p := &c.owed[c.done]
	if p.kind == answerMonitor && c.monitored(p, r) {
		return
	}
	key := c.text[c.said : c.said+int(p.key)]
	flags := c.text[c.said+len(key) : c.said+len(key)+int(p.meta)]
	c.said += len(key) + len(flags)
	switch p.kind {
	case answerJob:
		if p.open && r.Err == queue.OK {
			c.opens = append(c.opens, openRead{r.Queue, r.ID})
		}
		c.jobAnswer(p, key, flags, r)
	case answerPut:
		c.answer(p, key, flags, putOutcome(r.Err), &found{cas: uint64(r.ID)})
	case answerMonitor:
		c.answer(p, key, flags, outEnd, &found{})
	case answerStats:
		c.queueStats(p, r)
	case answerEnd:
		o := p.good
		if r.Err == queue.ErrNoSpace {
			o = outNoRoom
		}
		c.answer(p, key, flags, o, &found{})
	}
	c.blocked, c.waiting = false, false
	if c.done++; c.done == len(c.owed) {
		c.owed, c.done = c.owed[:0], 0
		c.text, c.said = c.text[:0], 0
		c.held, c.opening = false, false
		if c.closing {
			c.hangUp()
		}
	}
}

func putOutcome(err queue.Error) outcome {
	switch err {
	case queue.OK:
		return outStored
	case queue.ErrQueueFull:
		return outNotStored
	}
	return outNoRoom
}

// jobAnswer answers with a job, or that there is none.
func (c *conn) jobAnswer(p *pending, key, flags []byte, r *queue.Result) {
	o := outHit
	switch r.Err {
	case queue.OK:
	case queue.ErrNoSpace:
		o = outNoRoom
	default:
		o = outMiss
	}
	c.door.addIf(o == outHit, countGetHits, countGetMisses)
	f := jobFound(r)
	c.answer(p, key, flags, o, &f)
}

// say answers with a line of text.
func (c *conn) say(line string) {
	c.out.String(line)
	c.out.String("\r\n")
	c.door.add(countBytesWritten, uint64(len(line)+2))
}

// answer gives an answer: that a request about key went as o says. f is about the
// item or job it found.
func (c *conn) answer(p *pending, key, flags []byte, o outcome, f *found) {
	switch p.style {
	case textual:
		c.textAnswer(p, key, o, f)
	case meta:
		c.metaAnswer(p, key, flags, o, f)
	case packets:
		c.packetAnswer(p, key, o, f)
	}
}

// write writes what b says and a body.
func (c *conn) write(b []byte, body queue.Body) {
	c.line = b
	c.out.Bytes(b)
	c.out.Body(body)
	c.door.add(countBytesWritten, uint64(len(b)+body.Len()))
}

func (c *conn) textAnswer(p *pending, key []byte, o outcome, f *found) {
	b := c.line[:0]
	switch {
	case p.quiet:
		return
	case o == outHit && p.verb == verbDebug:
	case o == outHit:
		b = append(append(b, "VALUE "...), key...)
		b = strconv.AppendUint(append(b, ' '), uint64(f.flags), 10)
		b = strconv.AppendUint(append(b, ' '), uint64(f.body.Len()), 10)
		if p.withCAS {
			b = strconv.AppendUint(append(b, ' '), f.cas, 10)
		}
		c.write(append(b, "\r\n"...), f.body)
		b = append(c.line[:0], "\r\n"...)
		if p.last {
			b = append(b, "END\r\n"...)
		}
	case o == outMiss && !p.last:
		return
	case o == outNumber:
		b = append(strconv.AppendUint(b, f.number, 10), "\r\n"...)
	default:
		b = append(append(b, outcomes[o].text...), "\r\n"...)
	}
	c.write(b, queue.Body{})
}

// Meta commands.

func (c *conn) metaAnswer(p *pending, key, flags []byte, o outcome, f *found) {
	b := c.line[:0]
	code := outcomes[o].meta
	switch {
	case o.fails():
		c.write(append(append(b, outcomes[o].text...), "\r\n"...), queue.Body{})
		return
	case p.quiet && (code == "EN" || code == "HD" && p.verb != verbGet && !f.created):
		return
	case p.verb == verbDebug:
		c.write(appendDebug(b, key, p.binary, o, f), queue.Body{})
		return
	}
	body := queue.Body{}
	if p.value && (o == outHit || o == outNumber) {
		if body = f.body; o == outNumber {
			body = queue.Body{Inline: strconv.AppendUint(nil, f.number, 10)}
		}
		b = strconv.AppendUint(append(b, "VA "...), uint64(body.Len()), 10)
	} else {
		b = append(b, code...)
	}
	b = append(appendFlags(b, p, key, flags, o, f), "\r\n"...)
	c.write(b, body)
	if b[0] == 'V' {
		c.write(append(c.line[:0], "\r\n"...), queue.Body{})
	}
}

// appendFlags appends the flags of a meta answer, in the order of the request.
func appendFlags(b []byte, p *pending, key, flags []byte, o outcome, f *found) []byte {
	tells := o == outHit || o == outNumber
	ttl := f.ttl
	for len(flags) > 0 {
		var flag []byte
		flag, flags, _ = bytes.Cut(flags, []byte(" "))
		if len(flag) == 0 {
			continue
		}
		switch flag[0] {
		case 'O':
			b = append(append(b, ' '), flag...)
		case 'k':
			b = appendKey(append(b, " k"...), key, p.binary)
			if p.binary {
				b = append(b, " b"...)
			}
		case 'T':
			ttl = f.newTTL
		case 'N':
			if f.created {
				ttl = f.newTTL
			}
		case 'c':
			if tells || p.verb.stores() {
				b = strconv.AppendUint(append(b, " c"...), f.cas, 10)
			}
		default:
			if tells {
				b = appendFact(b, flag[0], ttl, f)
			}
		}
	}
	if o == outHit {
		for _, x := range []struct {
			flag byte
			is   bool
		}{{'Z', f.wonBefore}, {'X', f.stale}, {'W', f.won}} {
			if x.is {
				b = append(b, ' ', x.flag)
			}
		}
	}
	return b
}

// appendFact appends what a flag asks about an item.
func appendFact(b []byte, flag byte, ttl int64, f *found) []byte {
	var n int64
	switch flag {
	case 's':
		n = int64(f.body.Len())
	case 't':
		n = ttl
	case 'f':
		n = int64(f.flags)
	case 'l':
		n = f.idle
	case 'h':
		if f.hit {
			n = 1
		}
	default:
		return b
	}
	return strconv.AppendInt(append(b, ' ', flag), n, 10)
}

func appendKey(b, key []byte, encoded bool) []byte {
	if encoded {
		return base64.StdEncoding.AppendEncode(b, key)
	}
	return append(b, key...)
}

// appendDebug appends the answer to an me.
func appendDebug(b, key []byte, encoded bool, o outcome, f *found) []byte {
	if o != outHit {
		return append(b, "EN\r\n"...)
	}
	fetched := "no"
	if f.hit {
		fetched = "yes"
	}
	b = appendKey(append(b, "ME "...), key, encoded)
	b = strconv.AppendInt(append(b, " exp="...), f.ttl, 10)
	b = strconv.AppendInt(append(b, " la="...), f.idle, 10)
	b = strconv.AppendUint(append(b, " cas="...), f.cas, 10)
	b = append(append(b, " fetch="...), fetched...)
	b = strconv.AppendInt(append(b, " cls=1 size="...), f.size, 10)
	return append(b, "\r\n"...)
}
