package replica

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/engine/enginetest"
	"github.com/millrace/millrace/internal/queue"
	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/internal/wal"
)

// group is some nodes in one process, over a network and disks in memory. It lives
// in a bubble.
type group struct {
	t             *testing.T
	rng           *rand.Rand
	nodes         []*node
	snapshotBytes int64
	acked         map[queue.JobID]bool
}

// node is one of them. engine is nil while it is down.
type node struct {
	id        string
	disk      *vfs.Mem
	hook      func(vfs.Op, string) error
	transport *raft.InmemTransport
	log       *Log
	engine    *engine.Engine
	client    *enginetest.Client
	cutOff    atomic.Bool
}

// network is that in memory with time on the way, in a bubble.
type network struct{ *raft.InmemTransport }

func (n network) AppendEntries(id raft.ServerID, to raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	n.delay()
	defer n.delay()
	return n.InmemTransport.AppendEntries(id, to, args, resp)
}

func (n network) RequestVote(id raft.ServerID, to raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	n.delay()
	defer n.delay()
	return n.InmemTransport.RequestVote(id, to, args, resp)
}

func (n network) TimeoutNow(id raft.ServerID, to raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	n.delay()
	defer n.delay()
	return n.InmemTransport.TimeoutNow(id, to, args, resp)
}

// delay waits as a message does, in a bubble.
func (n network) delay() { time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond) }

// newGroup founds a group of n nodes.
func newGroup(t *testing.T, seed uint64, n int, snapshotBytes int64) *group {
	g := &group{t: t, rng: rand.New(rand.NewPCG(seed, 0)), snapshotBytes: snapshotBytes, acked: map[queue.JobID]bool{}}
	var found []Member
	for i := range n {
		id := fmt.Sprint("n", i)
		found = append(found, Member{id, id, true})
	}
	for _, m := range found {
		g.nodes = append(g.nodes, &node{id: m.ID, disk: vfs.NewMem()})
		g.start(g.nodes[len(g.nodes)-1], found)
	}
	return g
}

// start brings a node up, in a bubble, with what its disk holds.
func (g *group) start(n *node, found []Member) {
	g.t.Helper()
	_, n.transport = raft.NewInmemTransport(raft.ServerAddress(n.id))
	n.cutOff.Store(false)
	g.connect()
	fs := &vfs.Faulty{FS: n.disk, Hook: func(op vfs.Op, name string) error {
		if n.hook != nil {
			return n.hook(op, name)
		}
		if op == vfs.OpSync {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		}
		return nil
	}}
	log, err := Open("/data", Options{ID: n.id, Transport: network{n.transport}, Found: found, WAL: wal.Options{FS: fs, SegmentSize: 64 << 10}})
	if err != nil {
		g.t.Fatal(err)
	}
	n.log = log
	n.engine = engine.New(engine.Options{Log: log, SnapshotBytes: g.snapshotBytes})
	if err := n.engine.Open(); err != nil {
		g.t.Fatal(err)
	}
	n.client = enginetest.NewClient(n.engine, 3)
}

// connect makes the network: all nodes reach each other but those that are cut off.
func (g *group) connect() {
	for _, a := range g.nodes {
		a.transport.DisconnectAll()
		for _, b := range g.nodes {
			if a == b || !a.cutOff.Load() && !b.cutOff.Load() {
				a.transport.Connect(raft.ServerAddress(b.id), b.transport)
			}
		}
	}
}

// cutOff takes a node off the network, or puts it back.
func (g *group) cutOff(n *node, off bool) {
	n.cutOff.Store(off)
	g.connect()
}

// kill ends a node as a power cut does.
func (g *group) kill(n *node) {
	g.cutOff(n, true)
	disk := n.disk.Crash(g.rng)
	g.stop(n)
	n.disk = disk
}

func (g *group) stop(n *node) {
	if err := n.engine.Close(); err != nil {
		g.t.Errorf("close node %s: %v", n.id, err)
	}
	n.engine = nil
}

func (g *group) stopAll() {
	for _, n := range g.nodes {
		if n.engine != nil {
			g.stop(n)
		}
	}
}

// leader waits, in a bubble, until one of the nodes that are on the network serves.
func (g *group) leader() *node {
	g.t.Helper()
	for range 3000 {
		for _, n := range g.nodes {
			if n.engine != nil && !n.cutOff.Load() && n.engine.Leading() {
				return n
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatal("no node leads after 30 s")
	return nil
}

// put puts count jobs through node n and notes those that were acknowledged.
func (g *group) put(n *node, count int) (acked int) {
	for i := range count {
		body := make([]byte, 100+g.rng.IntN(400))
		res, lost := n.client.Do(i%3, queue.Request{Op: queue.OpPut, TTR: time.Minute, Body: body})
		if lost {
			n.client.Reopen(3)
			return acked
		}
		if res.Err != queue.OK {
			g.t.Fatalf("put: %v", res.Err)
		}
		if g.acked[res.ID] {
			g.t.Fatalf("id %d was given twice", res.ID)
		}
		g.acked[res.ID] = true
		acked++
	}
	return acked
}

// audit checks, in a bubble, that every acknowledged job is there, and that all nodes
// come to the same facts.
func (g *group) audit() {
	g.t.Helper()
	n := g.leader()
	n.client.Reopen(3)
	for id := range g.acked {
		res, lost := n.client.Do(0, queue.Request{Op: queue.OpJobStats, ID: id})
		if lost {
			g.t.Fatal("the leader was lost during the audit")
		}
		if res.Err != queue.OK {
			g.t.Errorf("job %d was acknowledged, and now: %v", id, res.Err)
		}
	}
	for _, other := range g.nodes {
		if other.engine != nil && !other.cutOff.Load() {
			g.sameFacts(n, other)
		}
	}
}

// sameFacts waits, in a bubble, until two nodes have the same.
func (g *group) sameFacts(a, b *node) {
	g.t.Helper()
	for range 3000 {
		if a.engine.Digest() == b.engine.Digest() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatalf("nodes %s and %s differ: %+v, %+v", a.id, b.id, a.log.Status(), b.log.Status())
}
