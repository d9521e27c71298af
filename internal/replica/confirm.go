package replica

import (
	"sync"

	"github.com/hashicorp/raft"
)

// confirmer makes sure that this node leads, once for all that asked while it did so
// the time before.
type confirmer struct {
	mu       sync.Mutex
	work     sync.Cond
	tickets  []uint64
	closing  bool
	finished chan struct{}
}

func (c *confirmer) start(confirm func(tickets []uint64)) {
	c.work.L = &c.mu
	c.finished = make(chan struct{})
	go c.run(confirm)
}

func (c *confirmer) ask(ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tickets = append(c.tickets, ticket)
	c.work.Signal()
}

func (c *confirmer) run(confirm func(tickets []uint64)) {
	defer close(c.finished)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.tickets) == 0 && !c.closing {
			c.work.Wait()
		}
		if c.closing {
			return
		}
		tickets := c.tickets
		c.tickets = nil
		c.mu.Unlock()
		confirm(tickets)
		c.mu.Lock()
	}
}

func (c *confirmer) close() {
	c.mu.Lock()
	c.closing = true
	c.work.Signal()
	c.mu.Unlock()
	<-c.finished
}

// confirm answers tickets if this node leads, in the term in which the machine was
// told so. If it does not, the machine will be told that.
//
// Raft counts an answer that was on its way when it was asked, however long ago that
// was sent if this process was stopped meanwhile. So its word is taken only when
// messages that were sent since have been answered.
func (l *Log) confirm(tickets []uint64) {
	l.calling.Lock()
	term := l.led
	l.calling.Unlock()
	asked := l.guard.next()
	for confirmed := false; !confirmed; {
		if term == 0 || l.raft.VerifyLeader().Error() != nil || l.raft.CurrentTerm() != term {
			return
		}
		confirmed = l.guard.followed(asked, term, raft.ServerID(l.o.ID), l.raft.GetConfiguration().Configuration())
	}
	l.calling.Lock()
	defer l.calling.Unlock()
	if l.led != term || l.closed {
		return
	}
	for _, ticket := range tickets {
		l.machine.Confirmed(ticket)
	}
}
