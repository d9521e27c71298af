package memcache

import (
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/netserve/nettest"
	"github.com/millrace/millrace/internal/queue"
)

// FuzzConn feeds a connection the same bytes at once and in pieces. The answers have
// to be the same.
func FuzzConn(f *testing.F) {
	for _, path := range mustGlob(f, "testdata/*.txt") {
		if input := sent(f, path); len(input) < 4096 {
			f.Add(input, []byte{1, 3, 5, 250}, strings.Contains(path, aboutItems))
		}
	}
	f.Add([]byte("set a 0 0 3\r\nabc\r\nget a/open a/close a/abort a\r\nmonitor a 0\r\nconfirm a 1\r\nstats\r\n"), []byte{20, 1, 1, 1}, false)
	f.Add([]byte("get "+strings.Repeat("k", 249)+" a\r\n"+strings.Repeat("x", 2048)+"\r\n"), []byte{223, 30, 2}, true)
	f.Add([]byte("GET / HTTP/1.1\r\nset a 0 0 1\r\nx\r\n"), []byte{4}, false)
	f.Add([]byte("\x80\x01\x00\x01\x08\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ax"), []byte{24, 3}, true)
	f.Fuzz(func(t *testing.T, in, cuts []byte, items bool) {
		if len(in) > 4096 || len(cuts) > 64 {
			t.Skip("too long to be of use")
		}
		synctest.Test(t, func(t *testing.T) {
			whole, pieces := converse(t, in, nil, items), converse(t, in, cuts, items)
			if whole != pieces {
				t.Errorf("at once: %q\nin pieces: %q", whole, pieces)
			}
		})
	})
}

func mustGlob(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return paths
}

// varying are figures that depend on how long a test has run.
var varying = regexp.MustCompile(`STAT (uptime|time|rusage_\w+|bytes_\w+|\w+_age|\w+_age_msec) [0-9.]+|(age|age_msec)=\d+`)

// converse sends in, cut into pieces of the lengths in cuts and a rest, and returns
// all that comes back.
func converse(t *testing.T, in, cuts []byte, items bool) string {
	o := Options{Version: "1.6", MaxOpenReads: 2, MaxJobSize: 1000}
	if items {
		o.Prefix = "q/"
	}
	c := startServer(t, o).server.Dial()
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
	return varying.ReplaceAllString(string(out), "")
}

// sent is what client a of a script sends.
func sent(t testing.TB, path string) (input []byte) {
	for _, st := range readScript(t, path, true).lines {
		if st.who == "a" {
			switch st.verb {
			case ">":
				input = append(input, st.text+"\r\n"...)
			case ">>":
				input = append(input, st.text...)
			case "!":
				input = append(input, packet(st.text).request()...)
			}
		}
	}
	return input
}

// standIn is a port that answers as a test wants.
type standIn struct {
	mu       sync.Mutex
	tag      uint64
	requests []queue.Request
	outputs  []engine.Output
	asked    []queue.Op
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
		p.asked = append(p.asked, r.Op)
		if r.Op != queue.OpClose && r.Op != queue.OpCancelReserve {
			p.outputs = append(p.outputs, engine.Output{Session: 1, Tag: p.tag, Seq: r.Seq, Result: p.answer(r)})
		}
	}
	p.requests = p.requests[:0]
	return p.outputs
}

// TestErrors is about the answers of the queue that cannot be had at will.
func TestErrors(t *testing.T) {
	const noRoom = "SERVER_ERROR the log has no room for another job: free space on its disk or delete jobs\r\n"
	large := "set w 0 0 300000\r\n" + strings.Repeat("x", 300000) + "\r\n"
	for _, c := range []struct {
		name, send, want string
		err              queue.Error
	}{
		{"no space", "set w 0 0 1\r\nx\r\nversion\r\n", noRoom + "VERSION \r\n", queue.ErrNoSpace},
		{"no space for a large one", large + "version\r\n", noRoom + "VERSION \r\n", queue.ErrNoSpace},
		{"full", "set w 0 0 1\r\nx\r\n", "NOT_STORED\r\n", queue.ErrQueueFull},
		{"full, in a meta command", "ms w 1\r\nx\r\n", "NS\r\n", queue.ErrQueueFull},
		{"no space to take", "get w\r\nget w\r\n", noRoom + noRoom, queue.ErrNoSpace},
		{"no space to delete", "delete w\r\nflush w\r\n", noRoom + noRoom, queue.ErrNoSpace},
		{"no space to flush all", "flush_all\r\nversion\r\n", "Flushed all queues.\r\nVERSION \r\n", queue.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &standIn{answer: func(r *queue.Request) queue.Result {
					if r.Op == queue.OpQueues {
						return queue.Result{Info: []string{"a", "b"}}
					}
					return queue.Result{Err: c.err}
				}}
				s := nettest.Start(t, New(Options{MaxJobSize: 1 << 20}), netserve.Options{NewPort: func(func()) netserve.Port { return p }})
				client := s.Dial()
				client.Send(c.send)
				client.Expect(c.want)
			})
		})
	}
}
