package replica

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/engine"
)

// change is one of leadership: gained in a term, or lost.
type change struct {
	leads bool
	term  uint64
}

// watch takes raft's word of each change as it comes: raft waits for that, so the
// term is read at once, and the machine told by another goroutine.
func (l *Log) watch(from <-chan bool) {
	defer close(l.changes)
	for {
		select {
		case leads := <-from:
			l.changes <- change{leads, l.raft.CurrentTerm()}
		case <-l.quit:
			return
		}
	}
}

// follow tells the machine of changes of leadership.
func (l *Log) follow() {
	defer close(l.followed)
	for c := range l.changes {
		l.calling.Lock()
		switch {
		case l.failed != nil || l.closed:
		case !c.leads:
			l.lose()
		case c.term == l.raft.CurrentTerm() && c.term > l.began:
			l.lead(c.term)
		}
		l.calling.Unlock()
	}
}

// The functions below are called with l.calling held: the machine is called from one
// goroutine at a time.

// lead makes the machine begin an epoch.
func (l *Log) lead(term uint64) {
	l.o.Logger.Info("this node leads the group", "node", l.o.ID, "term", term)
	l.began, l.led = term, term
	l.proposer.begin()
	l.machine.Lead(term)
}

// lose ends the epoch, if there is one, and gives the machine its state anew if it
// asks for that.
func (l *Log) lose() {
	if l.led == 0 {
		return
	}
	l.o.Logger.Info("this node no longer leads the group", "node", l.o.ID, "term", l.led)
	l.led = 0
	l.proposer.reset()
	if !l.machine.Lost(engine.ErrLeadershipLost) {
		return
	}
	if err := l.replay(); err != nil {
		l.fail(err)
	}
}

// replay gives the machine all that is committed, from the last snapshot on.
func (l *Log) replay() error {
	l.store.snapping.Lock()
	defer l.store.snapping.Unlock()
	from, err := l.restore()
	if err != nil {
		return err
	}
	for index := from + 1; index <= l.applied; index++ {
		var e raft.Log
		if err := l.store.GetLog(index, &e); err != nil {
			return fmt.Errorf("read entry %d again: %w", index, err)
		}
		if err := l.handOver(&e); err != nil {
			return err
		}
	}
	return nil
}

// restore gives the machine the last snapshot, and returns its index, or 0 when
// there is none.
func (l *Log) restore() (uint64, error) {
	stored, err := l.store.log.Stored()
	if err != nil || stored == nil {
		return 0, err
	}
	defer stored.Close()
	meta, err := readMeta(stored)
	if err != nil {
		return 0, err
	}
	return meta.Index, l.machine.Restore(sections{stored})
}

// handOver gives the machine the batches of an entry.
func (l *Log) handOver(e *raft.Log) error {
	if e.Type != raft.LogCommand {
		return nil
	}
	return eachBatch(e.Data, func(batch []byte, last bool) error {
		index := e.Index
		if !last {
			// A snapshot taken here counts as one before the entry. When the entry comes
			// again, what the snapshot has of it is void, since each batch has its sequence.
			index--
		}
		return l.machine.Apply(index, e.Term, batch)
	})
}

// fail ends the log for good.
func (l *Log) fail(err error) {
	if l.failed != nil || l.closed {
		return
	}
	l.failed, l.led = err, 0
	l.proposer.reset()
	if l.machine != nil {
		l.machine.Lost(fmt.Errorf("node %s: %w", l.o.ID, err))
	}
}

// end is fail, for who does not hold l.calling.
func (l *Log) end(err error) {
	l.calling.Lock()
	defer l.calling.Unlock()
	l.fail(err)
}

var errStuck = errors.New("the leader takes no entries since a transfer of the leadership was broken off: restart it")
