package beanstalk

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// BenchmarkPipeline is what the door and the engine cost, without sockets: 16
// commands at a time, a turn for them.
func BenchmarkPipeline(b *testing.B) {
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	port := e.NewPort(func() {})
	defer port.Close()
	out := &netserve.Out{}
	c := New(Options{}).Connect(netserve.Session{ID: port.Open(1, netserve.SourceBeanstalk), Port: port, Out: out})
	puts := []byte(strings.Repeat("put 1000 0 60 10\r\n0123456789\r\n", 16))
	reserves := []byte(strings.Repeat("reserve\r\n", 16))
	turn := func(in []byte) {
		for len(in) > 0 {
			in = in[c.Feed(in):]
			for _, o := range port.Run() {
				c.Result(o.Seq, &o.Result)
			}
		}
		port.Commit()
		*out = netserve.Out{}
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N / 16 {
			turn(puts)
		}
	})
	b.Run("reserve", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N / 16 {
			b.StopTimer()
			turn(puts)
			b.StartTimer()
			turn(reserves)
		}
	})
}

// BenchmarkDoor is what the door costs by itself.
func BenchmarkDoor(b *testing.B) {
	p := &standIn{}
	out := &netserve.Out{}
	c := New(Options{}).Connect(netserve.Session{ID: 1, Port: p, Out: out})
	for _, bench := range []struct{ name, command string }{
		{"put", "put 1000 0 60 10\r\n0123456789\r\n"},
		{"delete", "delete 123456\r\n"},
		{"touch", "touch 123456\r\n"},
		{"release", "release 123456 1000 0\r\n"},
		{"reserve", "reserve\r\n"},
	} {
		in := []byte(bench.command)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			result := queue.Result{ID: 123456, Body: queue.Body{Inline: []byte("0123456789")}}
			for i := range b.N {
				c.Feed(in)
				p.requests = p.requests[:0]
				c.Result(seqOwed, &result)
				if i%1000 == 0 {
					*out = netserve.Out{}
				}
			}
		})
	}
}
