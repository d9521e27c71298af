package netserve

import (
	"bytes"
	"testing"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
)

// greedy is a socket that takes everything, and an entry of a transcript for each
// connection whose output is sent in full.
type greedy struct {
	name  string
	left  int
	order *[]string
}

func (s *greedy) write(p []byte) (int, error) {
	if s.left -= len(p); s.left == 0 {
		*s.order = append(*s.order, s.name)
	}
	return len(p), nil
}
func (s *greedy) resume() {}
func (s *greedy) close()  {}

// noPort is an engine that nobody asks anything.
type noPort struct{ Port }

func (noPort) Congested() bool      { return false }
func (noPort) Run() []engine.Output { return nil }
func (noPort) Published() uint64    { return 0 }

// TestSendShare flushes large replies to several connections, and a small one after
// them: it does not wait for all of theirs.
func TestSendShare(t *testing.T) {
	d := newDriver(New(Options{}))
	d.port = noPort{}
	var order []string
	reply := func(name string, size int) {
		c := &conn{sock: &greedy{name, size, &order}}
		c.out.Body(queue.Body{Chunks: [][]byte{bytes.Repeat([]byte("x"), size-1)}})
		c.out.String(".")
		c.out.published = c.out.wrote
		d.flushLater(c)
	}
	for _, name := range []string{"a", "b", "c"} {
		reply(name, 10*sendShare)
	}
	reply("small", 100)
	turns := 0
	for ; d.pending(); turns++ {
		if d.turn(false); turns == 0 && (len(order) != 1 || order[0] != "small") {
			t.Errorf("the first turn sent all of %v", order)
		}
	}
	if len(order) != 4 || turns != 10 {
		t.Errorf("%d turns sent all of %v", turns, order)
	}
}
