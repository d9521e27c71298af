package replica

import (
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/wal"
)

// Member is a node of the group.
type Member struct {
	ID      string // its name, never given to another node
	Address string // where the other nodes reach it
	Voter   bool   // false: it gets the log, but has no say yet
}

// Options of a node.
type Options struct {
	// ID is the node's name in the group.
	ID string
	// Transport carries raft's messages between the nodes. The log closes it.
	Transport raft.Transport
	// Found lists the members of a group that does not exist yet, this node among
	// them. It is ignored where the directory belongs to a group already; without it a
	// new node waits until a leader adds it.
	Found []Member
	// Timeout is for how long nothing may be heard of a leader before another is
	// elected; by default 1 s, and at least 500 ms where the machines share their time
	// with others.
	Timeout time.Duration
	// StallLimit is how long a write to disk may take before a leader lets another
	// node lead; by default half of Timeout.
	StallLimit time.Duration
	// WAL are the options of the log on this node's disk.
	WAL wal.Options
	// Logger gets what an operator should know. By default nobody does.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.StallLimit == 0 {
		o.StallLimit = o.Timeout / 2
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.WAL.Replicated = true
	o.WAL.Logger = o.Logger
	return o
}

// config are raft's settings. Snapshots and what they make unneeded are our own
// business, not raft's.
func (o Options) config(changes chan<- bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(o.ID)
	c.HeartbeatTimeout, c.ElectionTimeout = o.Timeout, o.Timeout
	c.LeaderLeaseTimeout = o.Timeout / 2
	c.CommitTimeout = 50 * time.Millisecond
	c.MaxAppendEntries = 512
	c.BatchApplyCh = true
	c.ShutdownOnRemove = false
	c.TrailingLogs = 1 << 62
	c.SnapshotThreshold = 1 << 62
	c.SnapshotInterval = 24 * time.Hour
	c.NoSnapshotRestoreOnStart = true // Open has done it
	c.NoLegacyTelemetry = true
	c.NotifyCh = changes
	c.Logger = newLogger(o.Logger)
	return c
}

func configuration(members []Member) raft.Configuration {
	var c raft.Configuration
	for _, m := range members {
		suffrage := raft.Nonvoter
		if m.Voter {
			suffrage = raft.Voter
		}
		c.Servers = append(c.Servers, raft.Server{Suffrage: suffrage, ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address)})
	}
	return c
}

func members(c raft.Configuration) []Member {
	var list []Member
	for _, s := range c.Servers {
		list = append(list, Member{string(s.ID), string(s.Address), s.Suffrage == raft.Voter})
	}
	return list
}
