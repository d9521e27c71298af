package crash

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/millrace/millrace/test/daemon"
)

// fleet is clients under load, from one life of the server to the next.
type fleet struct {
	*ledger
	clients []*client
	busy    sync.WaitGroup
}

func newFleet(t *testing.T, rnd *rand.Rand, clients int) *fleet {
	f := &fleet{ledger: newLedger(t)}
	for n := range clients {
		f.clients = append(f.clients, &client{n: n + 1, ledger: f.ledger, rnd: rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))})
	}
	return f
}

// start lets the clients work until the server goes away.
func (f *fleet) start(addr string) {
	f.newLife()
	for _, c := range f.clients {
		f.busy.Go(func() {
			if err := c.work(addr); !gone(err) {
				f.t.Errorf("client %d: %v", c.n, err)
			}
		})
	}
}

// until waits for n answers.
func (f *fleet) until(s *daemon.Server, n int) {
	f.t.Helper()
	select {
	case <-f.after(n):
	case <-s.Exited():
		f.t.Fatalf("the server ended by itself:\n%s", s.Output())
	}
}

// stopped waits until all clients have noticed that the server is gone.
func (f *fleet) stopped() { f.busy.Wait() }

// check audits a server that was just started.
func (f *fleet) check(s *daemon.Server) {
	f.t.Helper()
	if err := f.audit(s.Addr); err != nil {
		f.t.Fatal(err)
	}
}

// finish audits and drains a server that was just started.
func (f *fleet) finish(s *daemon.Server) {
	f.t.Helper()
	f.newLife()
	f.check(s)
	if err := f.drain(s.Addr); err != nil {
		f.t.Fatal(err)
	}
	f.t.Log(f.summary())
}

func (f *fleet) summary() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%d jobs acknowledged, %d answers, %d lives", f.count, f.answers, f.life)
}
