package replica

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	maxEntry    = 1 << 20 // bytes of batches that end an entry
	maxInFlight = 4       // entries
	refusedWait = 5 * time.Millisecond
)

// proposer offers entries to raft, each with the batches that came while those
// before it were on their way.
//
// An entry that raft refuses, as it does while it hands over the leadership, would
// leave a hole, and what follows it would be void. So it and all after it are
// offered again, in the same term: what is in the log twice is void the second time.
type proposer struct {
	apply func(entry []byte, timeout time.Duration) raft.ApplyFuture
	stuck func() // raft has refused entries for longer than limit
	limit time.Duration

	mu       sync.Mutex
	work     sync.Cond
	leads    bool     // an epoch lasts
	entries  [][]byte // to be committed, in order; the last may still be added to
	offered  int      // of those, handed to raft
	attempt  uint64   // counts the times entries were offered anew
	refused  time.Time
	closing  bool
	futures  chan offer
	finished chan struct{}
}

// offer is an entry on its way.
type offer struct {
	future  raft.ApplyFuture
	attempt uint64
}

func (p *proposer) start() {
	p.work.L = &p.mu
	p.futures, p.finished = make(chan offer, 2*maxInFlight), make(chan struct{})
	go p.propose()
	go p.settle()
}

// begin starts an epoch.
func (p *proposer) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leads = true
}

// reset ends it: what is not committed is forgotten here.
func (p *proposer) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leads = false
	p.entries, p.offered, p.refused = nil, 0, time.Time{}
	p.attempt++
	p.work.Broadcast()
}

// add puts a batch, of which it makes a copy, into the next entry.
func (p *proposer) add(batch []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leads || p.closing {
		return
	}
	n := len(p.entries)
	if n == p.offered || len(p.entries[n-1])+len(batch) > maxEntry {
		p.entries = append(p.entries, make([]byte, 0, binary.MaxVarintLen64+len(batch)))
		n++
	}
	e := binary.AppendUvarint(p.entries[n-1], uint64(len(batch)))
	p.entries[n-1] = append(e, batch...)
	p.work.Broadcast()
}

// propose hands entries to raft.
func (p *proposer) propose() {
	defer close(p.futures)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for p.offered == len(p.entries) || p.offered == maxInFlight {
			if p.closing && len(p.entries) == 0 {
				return
			}
			p.work.Wait()
		}
		entry, attempt := p.entries[p.offered], p.attempt
		p.offered++
		p.mu.Unlock()
		p.futures <- offer{p.apply(entry, 0), attempt}
		p.mu.Lock()
	}
}

// settle learns what raft did with each entry: only to know whether to offer it
// again, and the next.
func (p *proposer) settle() {
	defer close(p.finished)
	for o := range p.futures {
		err := o.future.Error()
		switch {
		case err == nil:
			p.taken(o.attempt)
		case errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
			time.Sleep(refusedWait)
			p.again(o.attempt)
		}
		// Any other error is the end of this leadership, and reset follows.
	}
}

func (p *proposer) taken(attempt uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if attempt != p.attempt {
		return
	}
	p.entries[0] = nil
	p.entries = p.entries[1:]
	p.offered--
	p.refused = time.Time{}
	p.work.Broadcast()
}

// again offers anew what was not taken.
func (p *proposer) again(attempt uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if attempt != p.attempt {
		return
	}
	p.attempt++
	p.offered = 0
	if p.refused.IsZero() {
		p.refused = time.Now()
	}
	if time.Since(p.refused) > p.limit {
		go p.stuck()
	}
	p.work.Broadcast()
}

// close returns when all entries are committed or forgotten.
func (p *proposer) close() {
	p.mu.Lock()
	p.closing = true
	p.work.Broadcast()
	p.mu.Unlock()
	<-p.finished
}

var errEntry = errors.New("replica: an entry is not a list of batches")

// eachBatch visits the batches of an entry. last is set with the last of them.
func eachBatch(entry []byte, visit func(batch []byte, last bool) error) error {
	for len(entry) > 0 {
		length, n := binary.Uvarint(entry)
		if n <= 0 || length > uint64(len(entry)-n) {
			return errEntry
		}
		batch := entry[n : n+int(length)]
		entry = entry[n+int(length):]
		if err := visit(batch, len(entry) == 0); err != nil {
			return err
		}
	}
	return nil
}
