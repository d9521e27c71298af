package replica

import (
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

var errStalled = errors.New("replica: a write to this node's disk takes too long: another node is to lead")

// guard keeps a leader whose disk stalls from being followed: raft itself would
// lead on, and commit nothing. It also makes raft send one message at a time, which
// carries more entries and is faster than a pipeline, and it notes who follows.
type guard struct {
	raft.Transport
	store *store
	limit time.Duration

	mu   sync.Mutex
	sent uint64 // messages
	acks map[raft.ServerID]ack
}

// ack is the last message that a node took from this one as its leader.
type ack struct{ message, term uint64 }

// AppendEntries implements raft.Transport.
func (g *guard) AppendEntries(id raft.ServerID, to raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if g.store.stalled(g.limit) {
		return errStalled
	}
	message := g.next()
	err := g.Transport.AppendEntries(id, to, args, resp)
	if err == nil && resp.Success && resp.Term == args.Term {
		g.mu.Lock()
		g.acks[id] = ack{message, args.Term}
		g.mu.Unlock()
	}
	return err
}

// next numbers a message that is about to be sent.
func (g *guard) next() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent++
	return g.sent
}

// followed says whether a majority of the voters, self among them, took a message
// behind the given one, in the given term.
func (g *guard) followed(since, term uint64, self raft.ServerID, c raft.Configuration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	voters, follow := 0, 0
	for _, s := range c.Servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if a := g.acks[s.ID]; s.ID == self || a.term == term && a.message > since {
			follow++
		}
	}
	return follow > voters/2
}

// AppendEntriesPipeline implements raft.Transport.
func (g *guard) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// RequestPreVote implements raft.WithPreVote.
func (g *guard) RequestPreVote(id raft.ServerID, to raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	t, ok := g.Transport.(raft.WithPreVote)
	if !ok {
		return errors.New("replica: the transport has no pre-vote")
	}
	return t.RequestPreVote(id, to, args, resp)
}

// Close implements raft.WithClose.
func (g *guard) Close() error {
	if t, ok := g.Transport.(raft.WithClose); ok {
		return t.Close()
	}
	return nil
}
