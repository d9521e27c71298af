package engine

import (
	"github.com/millrace/millrace/internal/queue"
)

// Requester is how a door reaches the engine: the local Port, or a forwarder to
// the node that leads.
type Requester interface {
	// Do queues r for the next run and copies it; r.Queue and r.Body must stay as
	// they are until the run is over.
	Do(r *queue.Request)
}

// Output is one answer on its way to a session.
type Output = queue.Output

// Port is one driver's way into the engine. Its methods belong to one goroutine.
type Port struct {
	e        *Engine
	n        uint32 // its place in Engine.ports, which sessions carry
	wake     func()
	requests []queue.Request
	outputs  queue.Outputs

	// Under Engine.mu: what turns of others made for this port's sessions.
	inbox []Output
	waits bool // wake is to be called when something is published
}

// NewPort returns a way in for a driver. wake may be called from any goroutine,
// while the engine is locked: outputs wait for Run, or more may be Published.
func (e *Engine) NewPort(wake func()) *Port {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &Port{e: e, n: uint32(len(e.ports)), wake: wake}
	e.ports = append(e.ports, p)
	return p
}

// Open starts a session of this port, for a door. tag comes with each of its
// outputs.
func (p *Port) Open(tag uint64, source queue.Source) queue.SessionID {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	return p.e.state.Open(p.n, tag, source)
}

// Do queues r for the next Run and copies it, but not what its slices hold.
func (p *Port) Do(r *queue.Request) { p.requests = append(p.requests, *r) }

// Run executes the queued requests and returns the answers that are there for this
// port's sessions. They are valid until the next Run.
func (p *Port) Run() []Output {
	e := p.e
	e.mu.Lock()
	defer e.mu.Unlock()
	e.awaitTurn()
	for e.leading && !p.execute() {
		e.mu.Unlock()
		e.commit()
		e.mu.Lock()
		e.awaitTurn()
	}
	p.refuse()
	e.deliver(p)
	return p.outputs.List
}

// maxBatch is how many bytes of records end a batch within a run.
const maxBatch = 2 << 20

// execute runs the queued requests, and reports whether it came to the last before
// the batch was large enough. mu is held.
func (p *Port) execute() bool {
	e := p.e
	e.setTime()
	e.active = e.active || len(p.requests) > 0
	if at, ok := e.state.NextDeadline(); ok && at <= e.state.Now() {
		e.active = true
		e.state.Advance()
	}
	room := RoomForAll
	if e.log != nil {
		room = e.log.Room()
	}
	n := 0
	for n < len(p.requests) && e.state.Pending() < maxBatch {
		e.state.Exec(&p.requests[n], room)
		n++
	}
	rest := copy(p.requests, p.requests[n:])
	clear(p.requests[rest:]) // lets go of what the slices hold
	p.requests = p.requests[:rest]
	e.arm()
	return rest == 0
}

// refuse tells the sessions that ask something of a node that does not lead that
// the outcome is unknown.
func (p *Port) refuse() {
	for i := range p.requests {
		p.e.state.Refuse(&p.requests[i])
	}
	clear(p.requests)
	p.requests = p.requests[:0]
}

// deliver hands the answers made since the last call to their ports: p's own to p,
// those of others to their inboxes. mu is held. p may be nil.
func (e *Engine) deliver(p *Port) {
	var out queue.Outputs
	if p != nil {
		out = p.outputs
	}
	e.state.TakeOutputs(&out)
	if p == nil || len(e.ports) > 1 || len(p.inbox) > 0 {
		out.List = e.distribute(p, out.List)
	}
	if p != nil {
		p.outputs = out
	}
}

// distribute puts the answers for other ports into their inboxes, and returns what
// p waits for followed by the answers for p.
func (e *Engine) distribute(p *Port, list []Output) []Output {
	var own []Output
	if p != nil {
		own = append(own, p.inbox...)
		clear(p.inbox)
		p.inbox = p.inbox[:0]
	}
	for _, o := range list {
		to := e.ports[o.Port]
		if to == p {
			own = append(own, o)
			continue
		}
		// Its bytes are this turn's buffer.
		o.Result.Body.Inline = append([]byte(nil), o.Result.Body.Inline...)
		to.inbox = append(to.inbox, o)
		to.wake()
	}
	return own
}

// Commit ends the turn. What Run returned since the last Commit may leave once
// Published is at least the number returned.
func (p *Port) Commit() uint64 {
	turn := p.e.commit()
	if turn > p.e.published.Load() {
		p.e.mu.Lock()
		p.waits = turn > p.e.published.Load()
		p.e.mu.Unlock()
	}
	return turn
}

// Published returns the number of the last turn whose output may leave.
func (p *Port) Published() uint64 { return p.e.published.Load() }

// notify wakes the port's driver if it waits for something to be published.
func (p *Port) notify() {
	if p.waits {
		p.waits = false
		p.wake()
	}
}

// Congested says that too much waits for the log: the driver reads no input until
// it is woken.
func (p *Port) Congested() bool {
	return p.e.uncommitted.Load() > p.e.opts.MaxUncommitted
}

// Close ends the port. Its sessions must have been closed.
func (p *Port) Close() {}
