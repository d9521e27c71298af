package netserve_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/netserve"
)

// transport is a driver with a kind of socket.
type transport struct {
	name    string
	driver  string
	network string
	tls     bool
}

func transports() []transport {
	all := []transport{
		{"goroutines/tcp", "goroutines", "tcp", false},
		{"goroutines/unix", "goroutines", "unix", false},
		{"goroutines/tls", "goroutines", "tcp", true},
	}
	if runtime.GOOS == "linux" {
		all = append(all, transport{"epoll/tcp", "epoll", "tcp", false}, transport{"epoll/unix", "epoll", "unix", false},
			transport{"epoll2/tcp", "epoll", "tcp", false})
	}
	return all
}

// fixture is a server of the line door over a fake engine.
type fixture struct {
	*netserve.Server
	t      *testing.T
	engine *fakeEngine
	how    transport
	addr   net.Addr
}

// onEach runs a test over every transport.
func onEach(t *testing.T, o netserve.Options, test func(t *testing.T, f *fixture)) {
	for _, how := range transports() {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, how, o))
		})
	}
}

func start(t *testing.T, how transport, o netserve.Options) *fixture {
	t.Helper()
	f := &fixture{t: t, engine: newFakeEngine(), how: how}
	o.NewPort = f.engine.NewPort
	o.Driver = how.driver
	if strings.HasPrefix(how.name, "epoll2") {
		o.Drivers = 2
	}
	f.Server = netserve.New(o)
	addr := "127.0.0.1:0"
	if how.network == "unix" {
		addr = "unix:" + filepath.Join(t.TempDir(), "s")
	}
	var lo netserve.ListenOptions
	if how.tls {
		lo.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	}
	var err error
	if f.addr, err = f.Listen(addr, lineDoor{}, lo); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if n := f.engine.open(); n != 0 {
			t.Errorf("%d sessions were never closed", n)
		}
		if n := f.Connections(); n != 0 {
			t.Errorf("%d connections are still counted", n)
		}
	})
	return f
}

func certificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// client is a connection whose reads and writes fail the test after a while.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (f *fixture) dial() *client {
	f.t.Helper()
	nc, err := net.Dial(f.addr.Network(), f.addr.String())
	if err == nil && f.how.tls {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		err = nc.(*tls.Conn).Handshake()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	f.t.Cleanup(func() { nc.Close() })
	return &client{Conn: nc, t: f.t, r: bufio.NewReader(nc)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatalf("writing: %v", err)
	}
}

func (c *client) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.r, got); string(got[:n]) != want {
		c.t.Fatalf("got %.100q (%v), want %.100q", got[:n], err, want)
	}
}

func (c *client) expectEOF() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err != io.EOF {
		c.t.Fatalf("got %q, %v; want EOF", b, err)
	}
}

func (c *client) closeWrite() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// until waits for a condition of the server.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestEcho(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		for i := range 100 {
			line := fmt.Sprintf("line %d\n", i)
			c.send(line)
			c.expect(line)
		}
	})
}

func TestPipelineOfAnyDepth(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		for _, lines := range []int{1, 16, 1000, 100_000} {
			var b strings.Builder
			for i := range lines {
				fmt.Fprintf(&b, "%d\n", i)
			}
			c := f.dial()
			go io.WriteString(c.Conn, b.String())
			c.expect(b.String())
		}
	})
}

func TestInputInPieces(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		for _, piece := range []string{"o", "ne\ntw", "o\n", "three\n", "f", "o", "u", "r\n"} {
			c.send(piece)
		}
		c.expect("one\ntwo\nthree\nfour\n")
		// A request far larger than any read.
		long := strings.Repeat("x", 200<<10) + "\n"
		for range 3 {
			c.send(long + "short\n")
			c.expect(long + "short\n")
		}
	})
}

func TestTooLongForTheDoor(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		go io.WriteString(c.Conn, strings.Repeat("x", 2*netserve.FeedLimit))
		if _, err := c.r.ReadByte(); err == nil {
			t.Fatal("the connection goes on although the door takes no input")
		}
	})
}

func TestManyConnections(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		done := make(chan struct{})
		const conns, rounds = 20, 200
		for i := range conns {
			c := f.dial()
			go func() {
				defer func() { done <- struct{}{} }()
				for n := range rounds {
					want := fmt.Sprintf("%d-%d\nmore\n", i, n)
					if _, err := io.WriteString(c.Conn, want); err != nil {
						t.Error(err)
						return
					}
					got := make([]byte, len(want))
					if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
						t.Errorf("got %q, %v; want %q", got, err, want)
						return
					}
				}
			}()
		}
		for range conns {
			<-done
		}
	})
}

func TestHugeReplySlowReader(t *testing.T) {
	onEach(t, netserve.Options{UnreadLimit: 1 << 20}, func(t *testing.T, f *fixture) {
		c := f.dial()
		const size = 6 << 20 // more than the limit, and more than sockets buffer
		for range 3 {
			c.send(fmt.Sprintf("big %d\nafter\n", size))
		}
		for range 3 {
			c.expect(strings.Repeat("i", 10))
			if n, err := io.CopyN(io.Discard, c.r, size); err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			c.expect("end\nafter\n")
		}
	})
}

func TestUnreadOutputIsBounded(t *testing.T) {
	onEach(t, netserve.Options{UnreadLimit: 64 << 10}, func(t *testing.T, f *fixture) {
		c := f.dial()
		line := strings.Repeat("y", 1000) + "\n"
		const lines = 30_000
		go func() {
			for range lines {
				io.WriteString(c.Conn, line)
			}
		}()
		// Everything comes back once somebody reads, in order, and nothing deadlocks.
		for range lines {
			c.expect(line)
		}
	})
}

func TestHalfClose(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("one\ntwo\n")
		c.closeWrite()
		c.expect("one\ntwo\n")
		c.expectEOF()
	})
}

func TestHalfCloseWhileBlocked(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("wait\none\nwait\ntwo\n")
		until(t, "a reserve waits", func() bool { return f.engine.waiting() == 1 })
		c.closeWrite()
		c.expect("timed out\none\ntimed out\ntwo\n")
		c.expectEOF()
	})
}

func TestHalfCloseInsideRequest(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("one\nunfinis")
		c.expect("one\n")
		c.closeWrite()
		c.expectEOF()
	})
}

func TestGoneWhileBlocked(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		for _, behind := range []string{"", "more\nmore\n", strings.Repeat("pipelined\n", 10_000)} {
			c := f.dial()
			c.send("wait\n" + behind)
			until(t, "a reserve waits", func() bool { return f.engine.waiting() == 1 })
			if tc, ok := c.Conn.(*net.TCPConn); ok {
				tc.SetLinger(0) // a reset
			}
			c.Close()
			until(t, "the session is closed", func() bool { return f.engine.open() == 0 })
		}
	})
}

func TestResultsOfOthers(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		var waiting []*client
		for range 5 {
			c := f.dial()
			c.send("wait\nafter\n")
			waiting = append(waiting, c)
		}
		until(t, "all wait", func() bool { return f.engine.waiting() == 5 })
		f.engine.grant(false)
		for _, c := range waiting {
			c.expect("granted\nafter\n")
		}
	})
}

func TestEvents(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		idle, blocked := f.dial(), f.dial()
		blocked.send("wait\n")
		until(t, "both are served", func() bool { return f.engine.opened() == 2 && f.engine.waiting() == 1 })
		f.engine.tell()
		idle.expect("event\n")
		blocked.expect("event\n")
		f.engine.grant(false)
		blocked.expect("granted\n")
	})
}

func TestQuitFlushesAndCloses(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("big 3000000\nquit\nignored\n")
		c.expect("iiiiiiiiii" + strings.Repeat("c", 3000000) + "end\n")
		c.expectEOF()
	})
}

func TestHeldOutput(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		f.engine.mu.Lock()
		f.engine.byHand = true
		f.engine.mu.Unlock()
		turns := f.engine.turns()
		c.send("one\n")
		until(t, "a turn is committed", func() bool { return f.engine.turns() > turns })
		turns = f.engine.turns()
		other := f.dial()
		other.send("two\n")
		until(t, "further turns run", func() bool { return f.engine.turns() > turns })
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if b, err := c.r.ReadByte(); err == nil {
			t.Fatalf("got %q before it was published", b)
		}
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		c.send("three\n")
		until(t, "everything is published", func() bool {
			f.engine.publish()
			return c.r.Buffered() > 0 || peeked(c)
		})
		f.engine.mu.Lock()
		f.engine.byHand = false
		f.engine.mu.Unlock()
		f.engine.publish()
		c.expect("one\nthree\n")
		other.expect("two\n")
	})
}

// peeked waits a moment for input.
func peeked(c *client) bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := c.r.Peek(1)
	return err == nil
}
