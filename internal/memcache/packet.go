package memcache

import (
	"encoding/binary"

	"github.com/millrace/millrace/internal/queue"
)

// packetAnswer is an answer of the binary protocol.
func (c *conn) packetAnswer(p *pending, key []byte, o outcome, f *found) {
	status := outcomes[o].status
	if o == outNotStored {
		switch p.verb {
		case verbAdd:
			status = statusExists
		case verbReplace:
			status = statusNotFound
		}
	}
	switch {
	case status == statusNotFound && p.verb == verbGet && p.quiet:
		return
	case status == statusNotFound && p.withKey: // the answer to a miss names the key
		b := appendHeader(c.line[:0], p, status, 0, len(key), len(key), 0)
		c.write(append(b, key...), queue.Body{})
	case status != 0:
		c.packetError(p, status)
	case o == outHit || p.verb == verbTouch:
		c.packetItem(p, key, f)
	case p.quiet:
		return
	case o == outNumber:
		b := appendHeader(c.line[:0], p, 0, 0, 0, 8, f.cas)
		c.write(binary.BigEndian.AppendUint64(b, f.number), queue.Body{})
	default:
		c.write(appendHeader(c.line[:0], p, 0, 0, 0, 0, f.cas), queue.Body{})
	}
}

// packetItem answers with an item or a job.
func (c *conn) packetItem(p *pending, key []byte, f *found) {
	body := f.body
	if p.verb == verbTouch {
		body = queue.Body{}
	}
	if !p.withKey {
		key = nil
	}
	b := appendHeader(c.line[:0], p, 0, 4, len(key), 4+len(key)+body.Len(), f.cas)
	b = binary.BigEndian.AppendUint32(b, f.flags)
	c.write(append(b, key...), body)
}

// packetError answers with a status and what it means.
func (c *conn) packetError(p *pending, status uint16) {
	text := statusText[status]
	b := appendHeader(c.line[:0], p, status, 0, 0, len(text), 0)
	c.write(append(b, text...), queue.Body{})
}

// packetText answers with a key and a text, as stat and version do.
func (c *conn) packetText(p *pending, key, value string) {
	b := appendHeader(c.line[:0], p, 0, 0, len(key), len(key)+len(value), 0)
	c.write(append(append(b, key...), value...), queue.Body{})
}

// sayOr answers with a line, or in the binary protocol, with an empty packet.
func (c *conn) sayOr(line string) {
	if c.cur.style == packets {
		c.reply(outDone)
		return
	}
	c.say(line)
}

func (c *conn) sayVersion() {
	if c.cur.style == packets {
		p := c.pending()
		c.packetText(&p, "", c.door.opts.Version)
		return
	}
	c.say("VERSION " + c.door.opts.Version)
}
