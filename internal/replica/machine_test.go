package replica

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/engine"
)

// calls is a machine that notes how it is called.
type calls struct{ list []string }

func (c *calls) note(format string, args ...any) {
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

func (c *calls) Restore(engine.SnapshotReader) error { c.note("restore"); return nil }
func (c *calls) Lead(term uint64)                    { c.note("lead in %d", term) }
func (c *calls) Lost(err error) bool                 { c.note("lost: %v", err); return false }
func (c *calls) Confirmed(ticket uint64)             { c.note("confirmed %d", ticket) }

func (c *calls) Apply(index, term uint64, batch []byte) error {
	c.note("%s at %d in %d", batch, index, term)
	return nil
}

func entryOf(batches ...string) (e []byte) {
	for _, b := range batches {
		e = append(binary.AppendUvarint(e, uint64(len(b))), b...)
	}
	return e
}

// TestOrderOfCalls hands over an entry of a later term before raft has said that the
// leadership ended: the machine must hear of that first, or it would take what the
// other leader decided for its own.
func TestOrderOfCalls(t *testing.T) {
	m := &calls{}
	l := &Log{o: Options{ID: "n"}.withDefaults(), machine: m}
	l.o.Logger = slog.New(slog.DiscardHandler)
	l.proposer.work.L = &l.proposer.mu
	l.lead(5)
	fsm{l}.ApplyBatch([]*raft.Log{
		{Index: 7, Term: 5, Data: entryOf("a", "b")},
		{Index: 8, Term: 5, Type: raft.LogBarrier},
		{Index: 9, Term: 6, Data: entryOf("c")},
		{Index: 10, Term: 6, Data: []byte{200}},
		{Index: 11, Term: 6, Data: entryOf("d")},
	})
	want := []string{
		"lead in 5", "a at 6 in 5", "b at 7 in 5", "lost: " + engine.ErrLeadershipLost.Error(), "c at 9 in 6",
		"lost: node n: " + errEntry.Error(),
	}
	if !slices.Equal(m.list, want) {
		t.Errorf("the machine was called:\n%q, want:\n%q", m.list, want)
	}
}

// answers is a raft that answers proposals as told.
type answers struct {
	refuse int // the next so many
	taken  []string
}

type answer struct {
	raft.ApplyFuture
	err error
}

// Error takes its time, in a bubble.
func (a answer) Error() error {
	time.Sleep(time.Millisecond)
	return a.err
}

func (a *answers) apply(entry []byte, _ time.Duration) raft.ApplyFuture {
	if a.refuse > 0 {
		a.refuse--
		return answer{err: raft.ErrLeadershipTransferInProgress}
	}
	eachBatch(entry, func(batch []byte, _ bool) error { a.taken = append(a.taken, string(batch)); return nil })
	return answer{}
}

// TestRefusedEntries refuses some entries and takes later ones: all are offered again
// from the first that was refused, so that each comes once after all before it.
func TestRefusedEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{}
		p := proposer{apply: a.apply, stuck: func() { t.Error("stuck") }, limit: time.Second}
		p.start()
		p.begin()
		next := 0 // the batch that has not yet come in its place
		for i := range 200 {
			if i%37 == 0 {
				synctest.Wait()
				a.refuse = 1 + i%3
			}
			p.add(fmt.Append(nil, i))
			time.Sleep(300 * time.Microsecond)
		}
		p.close()
		for _, batch := range a.taken {
			if batch == fmt.Sprint(next) {
				next++
			}
		}
		if next != 200 {
			t.Errorf("batch %d never came in its place: %q", next, a.taken)
		}
	})
}

// TestStuckLeader refuses for good.
func TestStuckLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{}, 1000)
		a := &answers{refuse: 1 << 40}
		p := proposer{apply: a.apply, stuck: func() { stuck <- struct{}{} }, limit: time.Second}
		p.start()
		p.begin()
		p.add([]byte("x"))
		began := time.Now()
		<-stuck
		if after := time.Since(began); after < time.Second || after > 2*time.Second {
			t.Errorf("it counts as stuck after %v", after)
		}
		p.reset()
		p.close()
	})
}
