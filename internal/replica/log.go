package replica

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/engine"
)

// Log is this node's part of the group's log. It implements engine.Log.
type Log struct {
	o     Options
	dir   string
	store *store
	votes *votes
	raft  *raft.Raft
	guard *guard

	proposer  proposer
	confirmer confirmer
	changes   chan change
	quit      chan struct{}
	followed  chan struct{} // closed when follow has ended
	elected   sync.WaitGroup

	calling sync.Mutex // held for each call of the machine, and for what is below
	machine engine.Machine
	began   uint64 // the last term the machine was told to lead in
	led     uint64 // the same while that lasts, or 0
	applied uint64 // index of the last entry that was handed over
	failed  error
	closed  bool
}

var _ engine.Log = (*Log)(nil)

// Open takes hold of the log in dir, which it makes if need be. What it holds is read
// by the method Open. The log must be closed.
func Open(dir string, o Options) (*Log, error) {
	l := &Log{o: o.withDefaults(), dir: dir}
	var err error
	if l.store, err = openStore(dir, l.o.WAL, l.end); err != nil {
		return nil, err
	}
	if l.votes, err = openVotes(l.store.log.FS(), dir); err != nil {
		l.store.Close()
		return nil, err
	}
	return l, nil
}

// Open implements engine.Log. It returns when this node takes part in the group,
// which it leads or not.
func (l *Log) Open(m engine.Machine) error {
	l.machine = m
	if err := l.begin(); err != nil {
		l.store.Close()
		return fmt.Errorf("node %s: %w", l.o.ID, err)
	}
	return nil
}

func (l *Log) begin() error {
	notify := make(chan bool)
	l.changes, l.quit, l.followed = make(chan change, 64), make(chan struct{}), make(chan struct{})
	transport := &guard{Transport: l.o.Transport, store: l.store, limit: l.o.StallLimit, acks: map[raft.ServerID]ack{}}
	l.guard = transport
	config := l.o.config(notify)
	if len(l.o.Found) > 0 {
		err := raft.BootstrapCluster(config, l.store, l.votes, l.store, transport, configuration(l.o.Found))
		if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
			return err
		}
	}
	l.calling.Lock()
	defer l.calling.Unlock()
	var err error
	if l.applied, err = l.restore(); err != nil {
		return err
	}
	if l.raft, err = raft.NewRaft(config, fsm{l}, l.store, l.votes, l.store, transport); err != nil {
		return err
	}
	l.proposer = proposer{apply: l.raft.Apply, stuck: l.stuck, limit: 5 * l.o.Timeout}
	l.proposer.start()
	l.confirmer.start(l.confirm)
	go l.watch(notify)
	go l.follow()
	l.elect(transport)
	return nil
}

// elect makes the only voter of a group lead at once, which has nobody to wait for.
func (l *Log) elect(t raft.Transport) {
	self := raft.ServerID(l.o.ID)
	others := func(s raft.Server) bool { return s.Suffrage != raft.Voter || s.ID != self }
	if servers := l.raft.GetConfiguration().Configuration().Servers; len(servers) != 1 || others(servers[0]) {
		return
	}
	l.elected.Go(func() {
		header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(l.o.ID), Addr: t.EncodePeer(self, t.LocalAddr())}
		// Should it fail, raft elects this node when Timeout is over.
		t.TimeoutNow(self, t.LocalAddr(), &raft.TimeoutNowRequest{RPCHeader: header}, &raft.TimeoutNowResponse{})
	})
}

// stuck ends a leader that raft does not let go on.
func (l *Log) stuck() { l.end(errStuck) }

// Append implements engine.Log.
func (l *Log) Append(batch []byte) { l.proposer.add(batch) }

// Confirm implements engine.Log.
func (l *Log) Confirm(ticket uint64) { l.confirmer.ask(ticket) }

// Room implements engine.Log. What it says is of this node's disk.
func (l *Log) Room() engine.Room { return l.store.log.Room() }

// Snapshot implements engine.Log.
func (l *Log) Snapshot(index uint64, v engine.View) error { return l.store.Snapshot(index, v) }

// Close implements engine.Log. Hand over the leadership before, or the others
// notice only after a while that this node is gone.
func (l *Log) Close() error {
	if l.raft == nil {
		return l.store.Close()
	}
	l.proposer.close()
	l.confirmer.close()
	l.elected.Wait()
	l.calling.Lock()
	l.closed = true
	l.calling.Unlock()
	err := l.raft.Shutdown().Error()
	close(l.quit)
	<-l.followed
	return errors.Join(err, l.store.Close())
}
