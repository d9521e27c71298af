package replica

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Status says how this node sees the group.
type Status struct {
	Leader        Member // its ID is empty while there is none
	Leads         bool   // this node is the leader
	Term          uint64
	Last          uint64    // index of the last entry on this node's disk
	Committed     uint64    // index up to which entries are known to be committed
	Applied       uint64    // index up to which the engine has them
	Snapshot      uint64    // index of the last snapshot; 0: none
	LeaderContact time.Time // when the leader was last heard of; not set on the leader
	Members       []Member
}

// Status may be called at any time after Open.
func (l *Log) Status() Status {
	address, id := l.raft.LeaderWithID()
	s := Status{
		Leads:         string(id) == l.o.ID,
		Term:          l.raft.CurrentTerm(),
		Last:          l.raft.LastIndex(),
		Committed:     l.raft.CommitIndex(),
		LeaderContact: l.raft.LastContact(),
		Members:       members(l.raft.GetConfiguration().Configuration()),
	}
	s.Leader = Member{ID: string(id), Address: string(address), Voter: id != ""}
	if metas, _ := l.store.List(); len(metas) > 0 {
		s.Snapshot = metas[0].Index
	}
	l.calling.Lock()
	defer l.calling.Unlock()
	s.Applied = l.applied
	return s
}

// Add makes a node a member, or changes one. It is for the leader. A node that is to
// vote should first be added without a vote, and given one when it has caught up:
// until then its vote would be missing for every entry. timeout is how long to wait
// for earlier changes to be over.
func (l *Log) Add(m Member, timeout time.Duration) error {
	add := l.raft.AddNonvoter
	if m.Voter {
		add = l.raft.AddVoter
	}
	if err := add(raft.ServerID(m.ID), raft.ServerAddress(m.Address), 0, timeout).Error(); err != nil {
		return fmt.Errorf("add node %s to the group: %w", m.ID, err)
	}
	return nil
}

// Remove takes a member out of the group. It is for the leader.
func (l *Log) Remove(id string, timeout time.Duration) error {
	if err := l.raft.RemoveServer(raft.ServerID(id), 0, timeout).Error(); err != nil {
		return fmt.Errorf("remove node %s from the group: %w", id, err)
	}
	return nil
}

// Transfer hands the leadership to another voter: to the given one, or with an empty
// address to the one that lags least. It returns when this node no longer leads.
func (l *Log) Transfer(to Member) error {
	var f raft.Future
	if to.ID == "" {
		f = l.raft.LeadershipTransfer()
	} else {
		f = l.raft.LeadershipTransferToServer(raft.ServerID(to.ID), raft.ServerAddress(to.Address))
	}
	if err := f.Error(); err != nil {
		return fmt.Errorf("hand over the leadership: %w", err)
	}
	return nil
}
