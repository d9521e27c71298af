package gearman

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// hand runs a connection by hand: without sockets, a turn for each call.
type hand struct {
	conn netserve.Conn
	port *engine.Port
	out  netserve.Out
}

func newHand(tb testing.TB, e *engine.Engine, d *Door) *hand {
	h := &hand{port: e.NewPort(func() {})}
	h.conn = d.Connect(netserve.Session{ID: h.port.Open(1, netserve.SourceGearman), Port: h.port, Out: &h.out})
	tb.Cleanup(h.conn.Closed)
	return h
}

// turn feeds in and drops what is answered.
func (h *hand) turn(in []byte) {
	for {
		in = in[h.conn.Feed(in):]
		outputs := h.port.Run()
		for i := range outputs {
			o := &outputs[i]
			if o.Event != queue.EventNone {
				h.conn.Event(o.Event, o.Seq, &o.Result)
			} else {
				h.conn.Result(o.Seq, &o.Result)
			}
		}
		if len(in) == 0 {
			break
		}
	}
	h.port.Commit()
	h.out = netserve.Out{}
}

func packets(text ...string) []byte {
	var b strings.Builder
	for _, t := range text {
		p, ok := packetOf(magicRequest, t)
		if !ok {
			panic(t)
		}
		b.WriteString(p)
	}
	return []byte(b.String())
}

// BenchmarkPipeline is what the door and the engine cost, without sockets: 16 packets
// at a time, a turn for them.
func BenchmarkPipeline(b *testing.B) {
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	d := New(Options{})
	client, worker := newHand(b, e, d), newHand(b, e, d)
	submits := packets(slices.Repeat([]string{"SUBMIT_JOB_BG f\x00\x000123456789"}, 16)...)
	grabs := packets(slices.Repeat([]string{"GRAB_JOB_UNIQ"}, 16)...)
	worker.turn(packets("CAN_DO f"))
	b.Run("submit", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N / 16 {
			client.turn(submits)
		}
	})
	b.Run("grab", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N / 16 {
			b.StopTimer()
			client.turn(submits)
			b.StartTimer()
			worker.turn(grabs)
		}
	})
}
