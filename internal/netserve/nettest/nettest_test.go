package nettest_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/netserve/nettest"
	"github.com/millrace/millrace/internal/queue"
)

// A door in which every line is a job, and an empty line takes one, waiting up to
// an hour.
type door struct{}

func (door) Name() string         { return "test" }
func (door) Source() queue.Source { return 0 }

func (door) Connect(s netserve.Session) netserve.Conn { return &conn{Session: s} }

type conn struct {
	netserve.Session
	waits bool
}

func (c *conn) Feed(in []byte) (used int) {
	for !c.waits {
		line, _, ok := bytes.Cut(in[used:], []byte("\n"))
		if !ok {
			break
		}
		used += len(line) + 1
		r := queue.Request{Session: c.ID, Op: queue.OpPut, Body: line, TTR: 2 * time.Hour}
		if len(line) == 0 {
			r = queue.Request{Session: c.ID, Op: queue.OpReserve, Timeout: time.Hour, Seq: 1}
			c.waits = true
		}
		c.Port.Do(&r)
	}
	return used
}

func (c *conn) Event(queue.Event, uint32, *queue.Result) {}

func (c *conn) Result(seq uint32, r *queue.Result) {
	switch {
	case seq == 0:
		c.Out.String("put\n")
	case r.Err != queue.OK:
		c.waits = false
		c.Out.String(r.Err.Error() + "\n")
	default:
		c.waits = false
		c.Out.Body(r.Body)
		c.Out.String("\n")
	}
}

func (c *conn) Blocked() bool   { return c.waits }
func (c *conn) InRequest() bool { return false }
func (c *conn) EOF()            {}
func (c *conn) Closed()         {}

func TestConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine.New(engine.Options{})
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		s := nettest.New(t, e, door{})

		worker, producer := s.Dial(), s.Dial()
		worker.Send("\n")
		began := time.Now()
		worker.SetReadDeadline(began.Add(5 * time.Minute))
		if _, err := worker.ReadLine(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want the deadline", err)
		}
		if waited := time.Since(began); waited != 5*time.Minute {
			t.Fatalf("waited %v of the bubble's time, want 5m", waited)
		}
		producer.Send("a job\n")
		producer.Expect("put\n")
		worker.Expect("a job\n")

		worker.Send("\n")
		worker.SetReadDeadline(time.Time{})
		if line, err := worker.ReadLine(); line != queue.ErrTimedOut.Error() || err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		producer.Send("unfinished")
		began = time.Now()
		producer.SetReadDeadline(time.Time{})
		if _, err := producer.ReadLine(); err != io.EOF || time.Since(began) != 30*time.Second {
			t.Fatalf("got %v after %v, want EOF after 30s", err, time.Since(began))
		}
		worker.CloseWrite()
		worker.ExpectEOF()
	})
}
