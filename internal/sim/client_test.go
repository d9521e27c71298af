package sim_test

import (
	"slices"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
)

// client is a driver with its sessions, as netserve has: it runs what they ask and
// holds the answers back until they are published.
type client struct {
	server   *server
	port     *engine.Port
	sessions []*session
	held     []heldOutput
}

type heldOutput struct {
	turn uint64
	queue.Output
}

// session is a session as its own end sees it.
type session struct {
	c         *client
	id        queue.SessionID
	pending   map[uint32]*pending
	blocked   bool // in a reserve, a kick or a purge
	cancelled bool
	holds     []*fact
}

// pending is a request that is not answered.
type pending struct {
	queue.Request
	sent time.Time
	fact *fact // that it is about, or nil
}

func (c *client) open() *session {
	s := &session{c: c, pending: map[uint32]*pending{}}
	s.id = c.port.Open(0, 0)
	c.sessions = append(c.sessions, s)
	return s
}

// find returns a session of c, or nil.
func (c *client) find(id queue.SessionID) *session {
	i := slices.IndexFunc(c.sessions, func(s *session) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return c.sessions[i]
}

func (c *client) remove(s *session) {
	c.sessions = slices.DeleteFunc(c.sessions, func(o *session) bool { return o == s })
}

// turn runs what was asked and returns the answers that may leave, in order.
func (c *client) turn() (out []heldOutput) {
	var made []queue.Output
	for _, o := range c.port.Run() {
		o.Result.Body.Inline = slices.Clone(o.Result.Body.Inline)
		made = append(made, o)
	}
	turn := c.port.Commit()
	for _, o := range made {
		if o.Lost {
			s := o.Session
			c.held = slices.DeleteFunc(c.held, func(h heldOutput) bool { return h.Session == s })
		}
		c.held = append(c.held, heldOutput{turn, o})
	}
	published := c.port.Published()
	kept := c.held[:0:0]
	for _, h := range c.held {
		if h.turn <= published || h.Lost {
			out = append(out, h)
		} else {
			kept = append(kept, h)
		}
	}
	c.held = kept
	return out
}
