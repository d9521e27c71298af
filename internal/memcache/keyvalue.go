package memcache

import "github.com/millrace/millrace/internal/queue"

// getItem answers with an item of the area.
func (c *conn) getItem(last bool) {
	r := &c.cur
	o, f := c.door.area.do(r, nil)
	hit := o == outHit
	if r.touch {
		c.door.add(countTouch, 1)
		c.door.addIf(hit, countTouchHits, countTouchMisses)
	} else {
		c.door.add(countGet, 1)
		c.door.addIf(hit, countGetHits, countGetMisses)
	}
	c.wrote += f.body.Len()
	p := c.pending()
	p.last = last
	c.answer(&p, r.key, r.meta, o, &f)
}

// storeItem stores value in the area and answers.
func (c *conn) storeItem(value []byte) {
	r := &c.cur
	c.door.add(countSet, 1)
	o, f := c.door.area.do(r, value)
	if r.compare {
		switch o {
		case outStored:
			c.door.add(countCASHits, 1)
		case outNotFound:
			c.door.add(countCASMisses, 1)
		case outExists:
			c.door.add(countCASBad, 1)
		}
	}
	c.replyItem(o, &f)
}

// runItem does a request for the area that is neither a get nor has a value.
func (c *conn) runItem() {
	r := &c.cur
	o, f := c.door.area.do(r, nil)
	hit := o != outNotFound && o != outMiss
	switch r.verb {
	case verbTouch:
		c.door.add(countTouch, 1)
		c.door.addIf(hit, countTouchHits, countTouchMisses)
	case verbDelete:
		c.door.addIf(hit, countDeleteHits, countDeleteMisses)
	case verbArithmetic:
		if r.decrement {
			c.door.addIf(hit, countDecrHits, countDecrMisses)
		} else {
			c.door.addIf(hit, countIncrHits, countIncrMisses)
		}
	}
	c.replyItem(o, &f)
}

// replyItem answers the request in c.cur, which is about an item.
func (c *conn) replyItem(o outcome, f *found) {
	p := c.pending()
	c.answer(&p, c.cur.key, c.cur.meta, o, f)
}

// reply answers the request in c.cur, about which there is nothing to tell but how it
// went.
func (c *conn) reply(o outcome) { c.replyItem(o, &found{}) }

// replyLast is reply for one of the keys of a get.
func (c *conn) replyLast(o outcome, last bool) {
	p := c.pending()
	p.last = last
	c.answer(&p, c.cur.key, c.cur.meta, o, &found{})
}

// fail is reply for what ends the connection.
func (c *conn) fail(o outcome) {
	if c.cur.style == textual {
		c.say(outcomes[o].text)
	} else {
		c.reply(o)
	}
	c.hangUp()
}

// jobFound is what an answer tells of a job.
func jobFound(r *queue.Result) found {
	f := found{body: r.Body, cas: uint64(r.ID), ttl: -1, newTTL: -1, size: int64(r.Body.Len())}
	if r.Extra != nil {
		f.flags = r.Extra.ClientFlags
	}
	return f
}
