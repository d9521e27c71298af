package memcache

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
)

// pipeline is a door and the engine, without sockets. What it returns takes a turn
// with some input.
func pipeline(t testing.TB, o Options) func(in []byte) {
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	port := e.NewPort(func() {})
	out := &netserve.Out{}
	c := New(o).Connect(netserve.Session{ID: port.Open(1, netserve.SourceMemcache), Port: port, Out: out})
	turns := 0
	return func(in []byte) {
		for len(in) > 0 {
			in = in[c.Feed(in):]
			for _, o := range port.Run() {
				c.Result(o.Seq, &o.Result)
			}
		}
		port.Commit()
		if turns++; turns%64 == 0 {
			*out = netserve.Out{} // or it grows for ever
		}
	}
}

var workloads = []struct {
	name, in string
	prefix   string
	most     float64 // allocations for 16 of them
}{
	{"queue", "set w 0 0 10\r\n0123456789\r\nget w\r\n", "", 0},
	{"queue with flags", "set w 7 0 10\r\n0123456789\r\nget w\r\n", "", 16},
	{"open and close", "set w 0 0 10\r\n0123456789\r\nget w/open\r\nget w/close\r\n", "", 32},
	{"area", "set k 0 0 10\r\n0123456789\r\nget k\r\n", "q/", 3 * 16},
	{"incr", "incr n 1\r\n", "q/", 16},
}

// BenchmarkPipeline is what the door and the engine cost, without sockets: 16 at a
// time, a turn for them.
func BenchmarkPipeline(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			turn := pipeline(b, Options{Prefix: w.prefix})
			turn([]byte("set n 0 0 1\r\n0\r\n"))
			in := []byte(strings.Repeat(w.in, 16))
			b.ReportAllocs()
			for range b.N / 16 {
				turn(in)
			}
		})
	}
}
