package enginetest

import (
	"fmt"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
)

// Client drives an engine as a driver does, one request at a time.
type Client struct {
	port     *engine.Port
	woken    chan struct{}
	sessions []queue.SessionID
	seq      uint32
}

// NewClient returns a client with some sessions.
func NewClient(e *engine.Engine, sessions int) *Client {
	c := &Client{woken: make(chan struct{}, 1)}
	c.port = e.NewPort(func() {
		select {
		case c.woken <- struct{}{}:
		default:
		}
	})
	c.Reopen(sessions)
	return c
}

// Reopen gives the client new sessions in place of those it had.
func (c *Client) Reopen(sessions int) {
	c.sessions = nil
	for i := range sessions {
		c.sessions = append(c.sessions, c.port.Open(uint64(i), 0))
	}
}

// Do runs r for session number s and returns its answer once it may leave. lost
// says that there will be none.
func (c *Client) Do(s int, r queue.Request) (res queue.Result, lost bool) {
	c.Send(s, r)
	return c.Await(s)
}

// Send queues r; Await runs it.
func (c *Client) Send(s int, r queue.Request) {
	c.seq++
	r.Session, r.Seq = c.sessions[s], c.seq
	c.port.Do(&r)
}

// Await runs what was sent and returns the answer to the last request sent, once
// it may leave.
func (c *Client) Await(s int) (res queue.Result, lost bool) {
	for {
		for _, o := range c.port.Run() {
			if o.Lost && o.Session == c.sessions[s] {
				return res, true
			}
			if o.Session == c.sessions[s] && o.Seq == c.seq {
				o.Result.Body.Inline = append([]byte(nil), o.Result.Body.Inline...)
				return o.Result, c.published(s)
			}
		}
		c.port.Commit()
		<-c.woken
	}
}

// published ends the turn and waits until its answers may leave, or are lost.
func (c *Client) published(s int) (lost bool) {
	turn := c.port.Commit()
	for c.port.Published() < turn {
		<-c.woken
		for _, o := range c.port.Run() {
			if o.Lost && o.Session == c.sessions[s] {
				return true
			}
		}
		c.port.Commit()
	}
	return false
}

// Drain reserves and deletes every ready job and returns what it saw, in order.
func (c *Client) Drain(queues ...string) (seen []string) {
	for _, q := range queues {
		c.Do(0, queue.Request{Op: queue.OpWatch, Queue: []byte(q)})
	}
	for {
		res, lost := c.Do(0, queue.Request{Op: queue.OpReserve})
		if lost || res.Err != queue.OK {
			return seen
		}
		seen = append(seen, fmt.Sprintf("%d %s %q", res.ID, res.Queue, flat(res.Body)))
		c.Do(0, queue.Request{Op: queue.OpDelete, ID: res.ID})
	}
}

func flat(b queue.Body) []byte {
	all := append([]byte(nil), b.Inline...)
	for _, c := range b.Chunks {
		all = append(all, c...)
	}
	return all
}
