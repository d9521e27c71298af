package netserve

import (
	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
)

// pending says that another turn has work without any new event.
func (d *driver) pending() bool {
	return d.requests > 0 || len(d.touched) > 0 || len(d.toFlush) > 0 || len(d.fed) > 0 && !d.port.Congested()
}

// turn feeds what has arrived, runs the requests until nothing moves, and flushes
// every socket whose output is published. woken says that the port may have
// output that no request of this turn asked for.
func (d *driver) turn(woken bool) {
	d.now = d.srv.clock()
	d.expire()
	ran := d.rounds(woken)
	if ran || len(d.touched) > 0 {
		d.settle()
		d.commit()
	}
	d.release()
	d.flush()
}

// rounds alternates between the doors and the port, and says whether the port ran.
func (d *driver) rounds(run bool) (ran bool) {
	for congested := d.port.Congested(); ; {
		if !congested {
			d.feedAll()
		}
		if d.requests > 0 || run {
			d.requests, run, ran = 0, false, true
			outputs := d.port.Run()
			for i := range outputs {
				d.deliver(&outputs[i])
			}
			continue
		}
		if congested || len(d.fed) == 0 {
			return ran
		}
	}
}

// feedAll shows each connection's input to its door, once.
func (d *driver) feedAll() {
	list := d.fed
	d.fed = d.spare[:0]
	for i, c := range list {
		list[i] = nil
		c.queued = false
		if !c.gone {
			d.feed(c)
		}
	}
	d.spare = list
}

// feed shows the door what its client sent, and that it sends no more.
func (d *driver) feed(c *conn) {
	d.touch(c)
	if c.out.closed {
		return
	}
	blocked := c.door.Blocked()
	if len(c.in) > 0 && !blocked {
		if d.full(c) {
			return
		}
		used := c.door.Feed(c.in)
		c.in = c.in[used:]
		c.stuck = used == 0
		blocked = c.door.Blocked()
		if used > 0 && len(c.in) > 0 && !blocked {
			d.queue(c)
			return
		}
	}
	if c.halfway && !c.told && (blocked || c.fedUp()) {
		c.told = true
		c.door.EOF()
	}
}

// fedUp says that the door has had everything its client will ever send.
func (c *conn) fedUp() bool { return c.drained && (len(c.in) == 0 || c.stuck) }

// full says that the client has to read before more is fed.
func (d *driver) full(c *conn) bool { return c.out.size() > d.srv.o.UnreadLimit }

// deliver hands a result to its connection.
func (d *driver) deliver(o *engine.Output) {
	c := d.lookup(o.Tag)
	if c == nil || o.Session != c.id {
		return
	}
	d.touch(c)
	if o.Lost {
		c.out.drop()
		c.out.Close()
		return
	}
	if o.Event != queue.EventNone {
		c.door.Event(o.Event, o.Seq, &o.Result)
	} else {
		c.door.Result(o.Seq, &o.Result)
	}
	if len(c.in) > 0 || c.halfway && !c.told {
		d.queue(c)
	}
}

// queue has c fed in the next round.
func (d *driver) queue(c *conn) {
	if !c.queued {
		c.queued = true
		d.fed = append(d.fed, c)
	}
}

// touch makes c take part in the end of this turn.
func (d *driver) touch(c *conn) {
	if !c.touched {
		c.touched = true
		d.touched = append(d.touched, c)
		if c.out.buf == nil {
			c.out.buf = d.bufs.get()
		}
	}
}

// settle brings the connections of a turn to rest: what is left of their input
// moves to storage of their own, and deadlines start or end.
func (d *driver) settle() {
	for _, c := range d.touched {
		if c.gone {
			continue
		}
		blocked := c.door.Blocked()
		if c.told && c.fedUp() && !blocked {
			c.out.Close()
		}
		if c.stuck && len(c.in) >= FeedLimit && !blocked {
			d.srv.o.Logger.Error("closing a connection whose door takes no input: this is a bug in the door", "peer", c.peer)
			c.out.Close()
		}
		if c.out.closed {
			c.in = nil
		}
		d.keep(c)
		if !c.out.closed && !blocked && (c.stuck && len(c.in) > 0 || c.door.InRequest()) {
			d.reading.add(c, d.now)
		} else {
			d.reading.remove(c)
		}
		d.resume(c)
	}
}

// keep moves input that is not fed to storage of the connection's own.
func (d *driver) keep(c *conn) {
	switch {
	case len(c.in) == 0:
		d.bufs.put(c.own)
		c.in, c.own = nil, nil
	case c.borrowed:
		c.own = append(c.storage(d), c.in...)
		c.in = c.own
	case len(c.in) < len(c.own):
		c.own = c.own[:copy(c.own, c.in)]
		c.in = c.own
	}
	c.borrowed = false
}

// storage is an empty buffer for input.
func (c *conn) storage(d *driver) []byte {
	if c.own == nil {
		return d.bufs.get()
	}
	return c.own[:0]
}

// sated says that no more of c's input should be read for now.
func (d *driver) sated(c *conn) bool {
	return c.gone || c.out.closed || c.queued || d.full(c) || len(c.in) >= FeedLimit
}

// resume has the socket read again if input is wanted.
func (d *driver) resume(c *conn) {
	if c.holding && !d.sated(c) {
		c.holding = false
		c.sock.resume()
	}
}

// commit ends the turn for the engine, and for each connection notes which output
// waits for that.
func (d *driver) commit() {
	turn := d.port.Commit()
	published := d.port.Published() >= turn
	for i, c := range d.touched {
		d.touched[i] = nil
		c.touched = false
		if published {
			c.out.published = c.out.wrote
		} else if c.out.wrote > c.fresh {
			d.held.add(turn, c)
		}
		c.fresh = c.out.wrote
		d.flushLater(c)
	}
	d.touched = d.touched[:0]
}

// release frees the output of the turns that were published since.
func (d *driver) release() {
	if d.held.empty() {
		return
	}
	for published := d.port.Published(); ; {
		c, end, ok := d.held.next(published)
		if !ok {
			return
		}
		if !c.gone && end > c.out.published {
			c.out.published = min(end, c.out.wrote)
			d.flushLater(c)
		}
	}
}

func (d *driver) flushLater(c *conn) {
	if !c.flushing {
		c.flushing = true
		d.toFlush = append(d.toFlush, c)
	}
}

// flush sends what is published of every connection that was noted.
func (d *driver) flush() {
	list := d.toFlush
	d.toFlush = d.flushed[:0]
	for i, c := range list {
		list[i] = nil
		c.flushing = false
		if !c.gone {
			d.send(c)
		}
	}
	d.flushed = list
}

// sendShare is how much a connection sends in one turn, in bytes: large replies to
// many must not keep small ones waiting.
const sendShare = 64 << 10

// send writes what is published of c's output, or its share, and closes c when that
// was all.
func (d *driver) send(c *conn) {
	wasFull := d.full(c)
	share := sendShare
	for p := c.out.next(); len(p) > 0; p = c.out.next() {
		if share == 0 {
			d.flushLater(c)
			break
		}
		p = p[:min(len(p), share)]
		n, err := c.sock.write(p)
		if err != nil {
			d.close(c)
			return
		}
		c.out.advance(n)
		share -= n
		if n < len(p) {
			if n > 0 || !d.writing.has(c) {
				d.writing.add(c, d.now)
			}
			break
		}
		d.writing.remove(c)
	}
	if c.out.size() == 0 {
		d.bufs.put(c.out.buf)
		c.out.buf, c.out.head = nil, 0
		if c.out.closed {
			d.close(c)
			return
		}
	}
	if wasFull && !d.full(c) {
		if len(c.in) > 0 || c.halfway {
			d.queue(c)
		}
		d.resume(c)
	}
}
