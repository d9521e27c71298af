package beanstalk

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/netserve/nettest"
	"github.com/millrace/millrace/internal/queue"
)

// FuzzConn feeds a connection the same bytes at once and in pieces. The answers
// have to be the same.
func FuzzConn(f *testing.F) {
	f.Add([]byte("put 0 0 60 1\r\nx\r\nreserve\r\ndelete 1\r\nreserve\r\nquit\r\n"), []byte{1, 3, 5})
	f.Add([]byte("hello\r\nput-batch 0 0 0 12\r\n1\r\na\r\n1\r\nb\r\n\r\nreserve-batch 5 0\r\nstats\r\n"), []byte{20, 1, 1, 1})
	f.Add([]byte("put 0 0 60 20\r\nx\r\nput 0 0 60 11\r\n{12345678901}\r\nlist-tubes\r\n"), []byte{16, 2})
	f.Add([]byte(strings.Repeat("x", 222)+"\r\n"+strings.Repeat("x", 300)+"\r\nuse a\r\nuse b\r\nlist-tube-used\r\n"), []byte{223, 1, 222})
	f.Add([]byte("0000000000000\r\ndelete 0\r\nreserve\r\n"), []byte{32})
	f.Add([]byte("GET / HTTP/1.1\r\nput 0 0 0 1\r\nx\r\n"), []byte{4})
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		if len(in) > 4096 || len(cuts) > 64 {
			t.Skip("too long to be of use")
		}
		synctest.Test(t, func(t *testing.T) {
			whole, pieces := converse(t, in, nil), converse(t, in, cuts)
			if whole != pieces {
				t.Errorf("at once: %q\nin pieces: %q", whole, pieces)
			}
		})
	})
}

var cpuTimes = regexp.MustCompile(`rusage-.time: [0-9.]+`)

// converse sends in, cut into pieces of the lengths in cuts and a rest, and
// returns all that comes back.
func converse(t *testing.T, in, cuts []byte) string {
	m := startServer(t, Options{MaxJobSize: 10, ID: "id"})
	c := m.server.Dial()
	for _, n := range cuts {
		n := min(int(n), len(in))
		c.Write(in[:n]) // fails once the server has hung up
		synctest.Wait()
		in = in[n:]
	}
	c.Write(in)
	synctest.Wait()
	c.CloseWrite()
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return cpuTimes.ReplaceAllString(string(out), "")
}

// standIn is a port that answers as a test wants.
type standIn struct {
	mu       sync.Mutex
	tag      uint64
	requests []queue.Request
	outputs  []engine.Output
	asked    []queue.Request
	answer   func(*queue.Request) queue.Result
}

func (p *standIn) Open(tag uint64, _ queue.Source) queue.SessionID { p.tag = tag; return 1 }
func (p *standIn) Do(r *queue.Request)                             { p.requests = append(p.requests, *r) }
func (p *standIn) Commit() uint64                                  { return 0 }
func (p *standIn) Published() uint64                               { return 0 }
func (p *standIn) Congested() bool                                 { return false }
func (p *standIn) Close()                                          {}

func (p *standIn) Run() []engine.Output {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outputs = p.outputs[:0]
	for i := range p.requests {
		r := &p.requests[i]
		p.asked = append(p.asked, *r)
		if r.Op != queue.OpClose && r.Op != queue.OpCancelReserve {
			p.outputs = append(p.outputs, engine.Output{Session: 1, Tag: p.tag, Seq: r.Seq, Result: p.answer(r)})
		}
	}
	p.requests = p.requests[:0]
	return p.outputs
}

// ops are the requests that were made.
func (p *standIn) ops() (ops []queue.Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.asked {
		ops = append(ops, r.Op)
	}
	return ops
}

func dialStandIn(t *testing.T, o Options, answer func(*queue.Request) queue.Result) (*standIn, *nettest.Client) {
	p := &standIn{answer: answer}
	s := nettest.Start(t, New(o), netserve.Options{NewPort: func(func()) netserve.Port { return p }})
	return p, s.Dial()
}

// TestErrors is about the answers of the queue that cannot be had at will.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, send, want string
		err              queue.Error
		closed           bool
	}{
		{"no space", "put 0 0 60 1\r\nx\r\nlist-tube-used\r\n", "OUT_OF_MEMORY\r\nUSING default\r\n", queue.ErrNoSpace, false},
		{"full", "put 0 0 60 1\r\nx\r\n", "OUT_OF_MEMORY\r\n", queue.ErrQueueFull, false},
		{"no space to use a tube", "use x\r\nlist-tube-used\r\n", "OUT_OF_MEMORY\r\nUSING x\r\n", queue.ErrNoSpace, false},
		{"a bug", "touch 1\r\n", "INTERNAL_ERROR\r\n", queue.ErrBadRequest, false},
		{"unknown outcome", "list-tube-used\r\ndelete 1\r\ndelete 2\r\nlist-tube-used\r\n", "USING default\r\n", queue.ErrUnavailable, true},
		{"unknown outcome of a reserve", "reserve\r\nlist-tube-used\r\n", "", queue.ErrUnavailable, true},
		{"unknown outcome of a batch", "hello\r\nreserve-batch 2 0\r\nlist-tube-used\r\n", helloLine, queue.ErrUnavailable, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, client := dialStandIn(t, Options{}, func(*queue.Request) queue.Result { return queue.Result{Err: c.err} })
				client.Send(c.send)
				client.Expect(c.want)
				if c.closed {
					client.ExpectEOF()
				}
			})
		})
	}
}

const helloLine = wordHello + extensionNames + "\r\n"

// TestRefusedChunk is about an upload of which the log takes one part and not
// another: the job must not come into being without it.
func TestRefusedChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chunks := 0
		p, c := dialStandIn(t, Options{MaxJobSize: 1 << 20}, func(r *queue.Request) queue.Result {
			if r.Op == queue.OpChunk {
				if chunks++; chunks == 2 {
					return queue.Result{Err: queue.ErrNoSpace}
				}
			}
			return queue.Result{ID: 1}
		})
		c.Send("put 0 0 60 600000\r\n")
		for range 6 {
			c.Send(strings.Repeat("x", 100_000))
			synctest.Wait()
		}
		c.Send("\r\n")
		c.Expect("OUT_OF_MEMORY\r\n")
		for _, op := range p.ops() {
			if op == queue.OpPut {
				t.Error("the job was put")
			}
		}
		c.Send("put 0 0 60 300000\r\n" + strings.Repeat("x", 300_000) + "\r\n")
		c.Expect("INSERTED 1\r\n")
	})
}

// TestMaxWatched is about the limit of what a connection may watch.
func TestMaxWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startServer(t, Options{MaxWatched: 3}).server.Dial()
		for i := range 2 {
			c.Send(fmt.Sprintf("watch t%d\r\n", i))
			c.Expect(fmt.Sprintf("WATCHING %d\r\n", i+2))
		}
		c.Send("watch t2\r\n")
		c.Expect("OUT_OF_MEMORY\r\n")
		c.Send("ignore t0\r\nlist-tube-used\r\n")
		c.Expect("WATCHING 2\r\nUSING default\r\n")
		c.Send("watch t2\r\n")
		c.Expect("WATCHING 3\r\n")
	})
}

// serve runs the door on a unix socket and returns its address.
func serve(t testing.TB, o Options) string {
	t.Helper()
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	s := netserve.New(netserve.Options{NewPort: func(wake func()) netserve.Port { return e.NewPort(wake) }})
	addr := filepath.Join(t.TempDir(), "s")
	if _, err := s.Listen("unix:"+addr, New(o), netserve.ListenOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		e.Close()
	})
	return addr
}

func dialUnix(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// TestSlowReader has a client read a large reply only after the job was deleted
// and many like it took its place.
func TestSlowReader(t *testing.T) {
	for _, size := range []int{200 << 10, 5 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			addr := serve(t, Options{MaxJobSize: 8 << 20})
			slow, quick := dialUnix(t, addr), dialUnix(t, addr)
			put := func(fill byte, id int) {
				fmt.Fprintf(quick, "put 0 0 60 %d\r\n%s\r\n", size, bytes.Repeat([]byte{fill}, size))
				expect(t, quick, fmt.Sprintf("INSERTED %d\r\n", id))
			}
			put('a', 1)
			io.WriteString(slow, "reserve\r\n")
			buf := make([]byte, 1)
			if _, err := io.ReadFull(slow, buf); err != nil { // the reply has begun
				t.Fatal(err)
			}
			io.WriteString(slow, "delete 1\r\n")
			for i := range 8 {
				put('b', i+2)
				fmt.Fprintf(quick, "delete %d\r\n", i+2)
				expect(t, quick, "DELETED\r\n")
			}
			expect(t, slow, fmt.Sprintf("ESERVED 1 %d\r\n", size)+strings.Repeat("a", size)+"\r\nDELETED\r\n")
		})
	}
}

func expect(t testing.TB, c io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if string(got[:n]) != want {
		at := 0
		for at < n && got[at] == want[at] {
			at++
		}
		t.Fatalf("%d of %d bytes, different from %d on: %.40q, want %.40q: %v", n, len(want), at, got[at:n], want[at:], err)
	}
}

// TestNoAllocations holds the life of a job to allocating nothing.
func TestNoAllocations(t *testing.T) {
	c := dialUnix(t, serve(t, Options{}))
	id, send, reply := int64(0), make([]byte, 0, 8192), make([]byte, 8192)
	add := func(text string) {
		send = append(send, text...)
		send = strconv.AppendInt(send, id, 10)
	}
	cycle := func() {
		send = send[:0]
		id++
		const answers = "INSERTED \r\nRESERVED  5\r\nhello\r\nTOUCHED\r\nRELEASED\r\nRESERVED  5\r\nhello\r\nDELETED\r\n"
		add("put 0 0 60 5\r\nhello\r\nreserve\r\ntouch ")
		add("\r\nrelease ")
		add(" 1 0\r\nreserve-with-timeout 0\r\ndelete ")
		send = append(send, "\r\n"...)
		if _, err := c.Write(send); err != nil {
			t.Fatal(err)
		}
		digits := 0
		for n := id; n > 0; n /= 10 {
			digits++
		}
		if _, err := io.ReadFull(c, reply[:len(answers)+3*digits]); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		cycle()
	}
	if n := testing.AllocsPerRun(500, cycle); n >= 1 {
		t.Errorf("%.1f allocations in the life of a job", n)
	}
}
